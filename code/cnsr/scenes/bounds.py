"""The box around what a scene shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnsr.scenes.description import Grid, MeshFile, Object, Scene, Sphere
from cnsr.scenes.meshes import MeshData

Points = NDArray[np.float64]


class Bounds(NamedTuple):
    """A box along the axes of the world: its corners with the least and the largest coordinates, float64 [3] each."""

    low: Points
    high: Points

    def holds(self, point: tuple[float, float, float]) -> bool:
        """Return whether a point lies in the box."""
        return bool((self.low <= point).all() and (self.high >= point).all())


def scene_bounds(scene: Scene, mesh: Callable[[str], MeshData]) -> Bounds:
    """Return the smallest box that holds the geometry of a scene, and its lights where the camera sees them.

    A scene of nothing has a box of no size at the origin.

    Args:
        scene: the scene.
        mesh: returns the mesh that the scene calls by that name.
    """
    objects = scene.geometry if scene.hide_lights else (*scene.lights, *scene.geometry)
    corners = [corner for one in objects for corner in _extremes(one, mesh)]
    if not corners:
        return Bounds(np.zeros(3), np.zeros(3))
    points = np.concatenate(corners)
    return Bounds(points.min(axis=0), points.max(axis=0))


def _extremes(one: Object, mesh: Callable[[str], MeshData]) -> Iterator[Points]:
    """Yield arrays [N, 3] of world positions; the box around them is that around the object."""
    transform = np.array(one.transform)
    match one:
        case Grid():
            yield _moved(_corners(one), transform)
        case Sphere():
            (center,) = _moved(np.array([one.position]), transform)
            # Spheres stay spheres: the renderer takes no other transforms for them.
            radius = one.radius * float(np.linalg.norm(transform[0, :3]))
            yield np.stack([center - radius, center + radius])
        case MeshFile():
            yield _moved(mesh(one.filename).positions.astype(np.float64), transform)


def _moved(points: Points, transform: Points) -> Points:
    """Return points [N, 3] as row vectors times a 4x4 matrix."""
    moved: Points = points @ transform[:3, :3] + transform[3, :3]
    return moved


def _corners(grid: Grid) -> Points:
    """Return the corners [4, 3] of a rectangle before its transform (conventions: ``cnsr.rendering``)."""
    normal = np.array(grid.normal) / np.linalg.norm(grid.normal)
    largest = int(np.argmax(np.abs(normal)[[1, 2, 0]]))  # of equal components, y counts before z before x
    level = largest == 0
    up = np.array((0.0, 0.0, -1.0) if level else (0.0, 1.0, 0.0))
    v = up - normal * (up @ normal)
    v /= np.linalg.norm(v)
    u = np.cross(v, normal)
    width = grid.size[0] if level or abs(normal[2]) > abs(normal[0]) else grid.size[2]
    height = grid.size[2] if level else grid.size[1]
    signs = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
    corners: Points = np.array(grid.position) + signs * (width, height) @ np.stack([u, v])
    return corners
