"""Boxes with round edges, and the cushions that are made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnsr.scenes.furniture.curves import Array, superellipse
from cnsr.scenes.furniture.solids import grid_triangles, sweep
from cnsr.scenes.furniture.surface import Indices, Surface, joined

Size = tuple[float, float, float]


def rounded_box(size: Size, radius: float, steps: int = 3, flats: int | tuple[int, int, int] = 1) -> Surface:
    """Return a box about the origin with round edges and corners.

    Its vertices are the outer nodes of a lattice. Each of its faces has the texture in metres from its middle, measured
    along the surface; v is the longer direction, as the grain of wood is.

    Args:
        size: full extents along x, y, z.
        radius: of edges and corners; cut to a little less than half the smallest extent.
        steps: pieces of 45° of an edge.
        flats: pieces of the flat faces, along x, y, z.
    """
    half = 0.5 * np.asarray(size, np.float64)
    radius = min(radius, 0.98 * float(half.min()))
    core = half - radius
    counts = (flats,) * 3 if isinstance(flats, int) else flats
    angle = np.linspace(0.0, np.pi / 4, steps + 1)[1:]
    # Of the nodes along each axis: places on a cube around the box, where tangents of equal angles end, and lengths.
    places, lengths = (
        [
            np.concatenate([-c - ends[::-1], np.linspace(-c, c, n + 1), c + ends])
            for c, n in zip(core, counts, strict=True)
        ]
        for ends in (radius * np.tan(angle), radius * angle)
    )
    nodes, uvs, corners = _faces(lengths)
    cells = [len(one) for one in places]
    _, kept, shared = np.unique((nodes[:, 0] * cells[1] + nodes[:, 1]) * cells[2] + nodes[:, 2], True, True)
    on_cube = np.stack([places[axis][nodes[kept, axis]] for axis in range(3)], axis=-1)
    center = np.clip(on_cube, -core, core)
    outward = on_cube - center
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    return Surface(center + radius * outward, shared.reshape(-1)[corners], uvs, corners)


def _faces(lengths: list[Array]) -> tuple[Indices, Array, Indices]:
    """Return the nodes (i, j, k) [N, 3], texture coordinates [N, 2] and triangles of the six faces of a lattice."""
    nodes: list[Indices] = []
    uvs: list[Array] = []
    triangles: list[Indices] = []
    counts = [len(one) for one in lengths]
    for axis in range(3):
        b, c = (axis + 1) % 3, (axis + 2) % 3
        pairs = np.indices((counts[b], counts[c])).reshape(2, -1)
        for side in (0, 1):
            node = np.empty((pairs.shape[1], 3), np.int64)
            node[:, axis], node[:, b], node[:, c] = side * (counts[axis] - 1), pairs[0], pairs[1]
            cut = grid_triangles(counts[b] - 1, counts[c] - 1, counts[b], counts[c], reverse=side == 1)
            triangles.append(cut + sum(len(one) for one in nodes))
            nodes.append(node)
            u, v = (b, c) if lengths[b][-1] <= lengths[c][-1] else (c, b)
            uvs.append(np.stack([lengths[one][node[:, one]] for one in (u, v)], axis=-1))
    return np.concatenate(nodes), np.concatenate(uvs), np.concatenate(triangles)


@dataclass(frozen=True)
class Cushion:
    """A box cushion lying about the origin: puffed faces, drawn-in corners, creases.

    Attributes:
        size: extents along x, y, z before it is filled; filling adds to them.
        radius: of its edges.
        crown: how far filling lifts the middle of its upper and lower face.
        wrinkle: depth of the creases.
        seed: of the creases.
    """

    size: Size
    radius: float
    crown: float
    wrinkle: float
    seed: int

    def body(self, steps: int = 3, flats: tuple[int, int, int] = (10, 1, 10)) -> Surface:
        """Return the cushion; `steps` and `flats` are those of ``rounded_box``."""
        return rounded_box(self.size, self.radius, steps, flats).warped(self.filled)

    def piping(self, thickness: float, count: int = 52) -> Surface:
        """Return the cords along the seams around the upper and the lower face."""
        width, height, depth = self.size
        outline = superellipse(count, 7.0, width / 2 - 0.15 * self.radius, depth / 2 - 0.15 * self.radius)
        cords = []
        for side in (1.0, -1.0):
            seam = np.full(count, side * (height / 2 - 0.22 * self.radius))
            path = self.filled(np.stack([outline[:, 0], seam, -outline[:, 1]], axis=-1))
            cords.append(sweep(path, superellipse(6, 2.0, thickness, thickness), closed=True))
        return joined(cords)

    def filled(self, points: Array) -> Array:
        """Return points [N, 3] of the box where they are in the filled cushion."""
        x, y, z = points.T
        a, b, c = (points / (0.5 * np.asarray(self.size))).T  # -1 to 1
        puff = (np.clip(1 - a**4, 0.0, 1.0) * np.clip(1 - c**4, 0.0, 1.0)) ** 0.7
        band = 0.45 * self.crown * np.clip(1 - b**2, 0.0, 1.0)
        drawn = np.clip(np.abs(a * c), 0.0, 1.0) ** 3  # 1 at the four corners
        x = (x + np.sign(a) * band * np.clip(1 - c**2, 0.0, 1.0) * np.abs(a) ** 3) * (1 - 0.05 * drawn)
        z = (z + np.sign(c) * band * np.clip(1 - a**2, 0.0, 1.0) * np.abs(c) ** 3) * (1 - 0.05 * drawn)
        y = (y + b * self.crown * puff) * (1 - 0.15 * drawn) + self.wrinkle * self._creases(x, z, a, b, c)
        return np.stack([x, y, z], axis=-1)

    def _creases(self, x: Array, z: Array, a: Array, b: Array, c: Array) -> Array:
        """Return the height of long ripples, and of folds that fan out from the corners."""
        rng = np.random.default_rng(self.seed)
        waves = rng.uniform(6.0, 26.0, (5, 2)) * rng.choice([-1.0, 1.0], (5, 2))
        phases = rng.uniform(0.0, 2 * np.pi, 5)
        ripples = sum(np.sin(p * x + q * z + phase) for (p, q), phase in zip(waves, phases, strict=True))
        near, far = 1 - np.abs(a), 1 - np.abs(c)
        distance = np.hypot(near, far)
        folds = np.sin(11 * np.arctan2(far, near) + phases[0]) * np.exp(-((distance / 0.45) ** 2))
        creases: Array = 0.25 * ripples * np.abs(b) + 1.5 * np.sign(b) * folds * np.clip(6 * distance, 0.0, 1.0)
        return creases
