"""A plain ray tracer of grids and spheres in double precision: what the feature buffers should hold.

Images are sampled at a fine regular grid of places in every pixel. Their mean is the value expected of a pixel, and
their standard deviation bounds the error of the renderer's stratified samples, which never exceeds that of as many
independent ones by more than a small factor (Owen 1998: e for two dimensions). The range over a pixel and a little
beyond tells of slivers that the grid misses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
SUBSAMPLES = 24  # a side of a pixel
FAR = 1e30


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

    def features(self, camera: dict[str, Any], size: int) -> dict[str, tuple[Floats, Floats, Floats]]:
        """Return mean, deviation and range over each pixel [size, size, C] of the buffers without random rays."""
        origin, direction = camera_rays(camera, size)
        hits = self.trace(origin, direction)
        found = hits.found[:, None]
        cosine = (direction * hits.normal).sum(1, keepdims=True)
        mirror = direction - 2 * cosine * hits.normal
        second = self.trace(hits.position, np.where(found, mirror, [0.0, 0.0, 1.0]))
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
        return {name: pixel_statistics(value, size) for name, value in values.items()}


def camera_rays(camera: dict[str, Any], size: int) -> tuple[Floats, Floats]:
    """Return origins and directions [(size * SUBSAMPLES)^2, 3] of rays through a fine grid of an image."""
    position, target = np.array(camera["position"]), np.array(camera["lookat"])
    forward = (target - position) / np.linalg.norm(target - position)
    side = np.cross(forward, [0.0, 1.0, 0.0])
    side /= np.linalg.norm(side)
    up = np.cross(side, forward)
    count = size * SUBSAMPLES
    middle = (np.arange(count) + 0.5) / count * 2 - 1
    tangent = np.tan(np.radians(camera["fov"]) / 2)
    x, y = np.meshgrid(middle * tangent, -middle * tangent)  # row 0 is the top
    direction = forward + x.reshape(-1, 1) * side + y.reshape(-1, 1) * up
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return np.broadcast_to(position, direction.shape).astype(np.float64), direction


def pixel_statistics(values: Floats, size: int) -> tuple[Floats, Floats, Floats]:
    """Return mean, deviation, and range including the neighborhood, of values [(size * SUBSAMPLES)^2, C]."""
    cells = values.reshape(size, SUBSAMPLES, size, SUBSAMPLES, -1)
    margin = 3
    image = values.reshape(size * SUBSAMPLES, size * SUBSAMPLES, -1)
    padded = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    width = SUBSAMPLES + 2 * margin
    windows = np.lib.stride_tricks.sliding_window_view(padded, (width, width), (0, 1))[::SUBSAMPLES, ::SUBSAMPLES]
    return cells.mean((1, 3)), cells.std((1, 3)), np.ptp(windows, (-2, -1))
