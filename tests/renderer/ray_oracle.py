"""A plain ray tracer of grids and spheres in double precision: what the feature buffers should hold.

It sends the very rays that the renderer sends: their places in the pixels come from the renderer's own points, whose
distribution has tests of its own. So every pixel is known up to rounding. How much rounding may change is told by
four neighbors of each ray: their results span all that a ray so close to an edge, or to a silhouette, may give.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from cnsr._native import sampling

Floats = npt.NDArray[np.float64]
FAR = 1e30

ASIDE = 2e-6
"""Angle in radians by which neighboring rays differ: thirty times the rounding of a direction, and enough for that of
positions some metres away."""
OFF_SURFACE = 1e-4
"""How far off the surface mirrored rays of the neighbors start, in metres. Those of the renderer start at 4e-6 of an
object's extent."""
_STEPS = np.array([(0, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)]) * ASIDE


@dataclass
class Hits:
    """First hits of n rays; distance FAR where there is none."""

    distance: Floats  # [n]
    index: npt.NDArray[np.int64]  # [n] of the object
    position: Floats  # [n, 3]
    normal: Floats  # [n, 3], towards the ray's origin

    @property
    def found(self) -> npt.NDArray[np.bool_]:
        return self.distance < FAR


@dataclass
class Oracle:
    """The objects of a scene dictionary, without transforms."""

    objects: list[dict[str, Any]]
    materials: dict[str, dict[str, Any]]

    def _grid(self, grid: dict[str, Any], origin: Floats, direction: Floats) -> tuple[Floats, Floats]:
        normal = np.array(grid["normal"]) / np.linalg.norm(grid["normal"])
        axis = int(np.argmax(np.abs(normal)))
        center, half = np.array(grid["position"]), np.array(grid["size"]) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = (center[axis] - origin[:, axis]) / direction[:, axis]
        distance = np.where(np.isfinite(distance), distance, FAR)
        offset = np.abs(origin + distance[:, None] * direction - center)
        within = np.all(np.delete(offset <= half, axis, 1), 1) & (distance > 1e-6)
        return np.where(within, distance, FAR), np.broadcast_to(normal, origin.shape)

    def _sphere(self, sphere: dict[str, Any], origin: Floats, direction: Floats) -> tuple[Floats, Floats]:
        center, radius = np.array(sphere["position"]), sphere["radius"]
        offset = origin - center
        along = (offset * direction).sum(1)
        root = along**2 - (offset**2).sum(1) + radius**2
        half = np.sqrt(np.maximum(root, 0))
        distance = np.where(-along - half > 1e-6, -along - half, -along + half)
        distance = np.where((root > 0) & (distance > 1e-6), distance, FAR)
        position = origin + np.where(distance < FAR, distance, 0)[:, None] * direction
        return distance, (position - center) / radius

    def trace(self, origin: Floats, direction: Floats) -> Hits:
        best, index = np.full(len(origin), FAR), np.full(len(origin), -1)
        normal = np.zeros_like(origin)
        for number, one in enumerate(self.objects):
            distance, candidate = (self._grid if one["type"] == "grid" else self._sphere)(one, origin, direction)
            nearer = distance < best
            best, index = np.where(nearer, distance, best), np.where(nearer, number, index)
            normal = np.where(nearer[:, None], candidate, normal)
        position = origin + np.where(best < FAR, best, 0)[:, None] * direction
        backward = (normal * direction).sum(1) > 0
        return Hits(best, index, position, np.where(backward[:, None], -normal, normal))

    def features(self, camera: dict[str, Any], size: int, samples: int, seed: int) -> dict[str, tuple[Floats, Floats]]:
        """Return the value of each pixel and its margin, both [size, size, C], of the buffers without random rays."""
        origin, direction = camera_rays(camera, size, samples, seed)
        hits = self.trace(origin, direction)
        found = hits.found[:, None]
        cosine = (direction * hits.normal).sum(1, keepdims=True)
        mirror = direction - 2 * cosine * hits.normal
        start = hits.position + hits.normal * np.repeat([0.0, *[OFF_SURFACE] * 4], len(origin) // 5)[:, None]
        second = self.trace(start, np.where(found, mirror, [0.0, 0.0, 1.0]))
        reflected = found & second.found[:, None]
        largest = max(material["id"] for material in self.materials.values()) + 1
        lookup = [self.materials[one["material"]] for one in self.objects]
        ids = np.array([[material["id"] / largest] for material in lookup])
        rough = np.array([[material["roughness"]] for material in lookup])
        color = np.array([material["color"] if material["roughness"] > 0.05 else [0, 0, 0] for material in lookup])
        values = {
            "position": np.where(found, hits.position, 0),
            "normal": np.where(found, hits.normal, 0),
            "depth": np.where(found, hits.distance[:, None], 0),
            "id": np.where(found, ids[hits.index], 0),
            "roughness": np.where(found, rough[hits.index], 0),
            "albedo": np.where(found, color[hits.index], 0),
            "mirror": np.where(found, mirror, 0),
            "mirror_hit": np.where(reflected, second.position, 0),
            "mirror_normal": np.where(reflected, second.normal, 0),
        }
        return {name: pixel_values(value, size, samples) for name, value in values.items()}


def camera_rays(camera: dict[str, Any], size: int, samples: int, seed: int) -> tuple[Floats, Floats]:
    """Return origins and directions [5 * size² * samples, 3]: the renderer's rays, then four neighbors of each."""
    position, target = np.array(camera["position"]), np.array(camera["lookat"])
    forward = (target - position) / np.linalg.norm(target - position)
    side = np.cross(forward, [0.0, 1.0, 0.0])
    side /= np.linalg.norm(side)
    up = np.cross(side, forward)
    numbers = np.arange(samples, dtype=np.uint32)
    seeds = [sampling.pixel_seed(seed, 0, pixel) for pixel in range(size * size)]
    places = np.array([[sampling.sobol(numbers, dimension, one) for dimension in (0, 1)] for one in seeds], np.float64)
    rows, columns = np.divmod(np.arange(size * size), size)  # row 0 is the top
    tangent = np.tan(np.radians(camera["fov"]) / 2)
    x = ((columns[:, None] + places[:, 0]) / size * 2 - 1).ravel() * tangent
    y = (1 - (rows[:, None] + places[:, 1]) / size * 2).ravel() * tangent
    plane = np.stack([x, y], -1) + _STEPS[:, None]  # [5, n, 2]
    direction = forward + plane.reshape(-1, 2) @ np.stack([side, up])
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return np.broadcast_to(position, direction.shape).astype(np.float64), direction


def pixel_values(values: Floats, size: int, samples: int) -> tuple[Floats, Floats]:
    """Return means over pixels of the first of five sets of samples, and of how far the others are from it.

    Args:
        values: [5 * size * size * samples, C].
    """
    sets = values.reshape(len(_STEPS), size, size, samples, -1)
    return sets[0].mean(2), np.abs(sets - sets[0]).max(0).mean(2)
