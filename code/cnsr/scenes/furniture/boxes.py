"""Boxes with round edges, and the cushions that are made of them."""

from __future__ import annotations

import numpy as np

from cnsr.scenes.furniture.curves import Array
from cnsr.scenes.furniture.solids import grid_triangles
from cnsr.scenes.furniture.surface import Indices, Surface

Size = tuple[float, float, float]


def rounded_box(size: Size, radius: float, steps: int = 3, flats: int | tuple[int, int, int] = 1) -> Surface:
    """Return a box about the origin with round edges and corners.

    Its vertices are the outer nodes of a lattice. Each of its faces has the texture in metres from its middle, measured
    along the surface.

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
            uvs.append(np.stack([lengths[b][pairs[0]], lengths[c][pairs[1]]], axis=-1))
    return np.concatenate(nodes), np.concatenate(uvs), np.concatenate(triangles)
