"""How large a scene is."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
from numpy.typing import NDArray

from cnsr.scenes.description import Grid, MeshFile, Scene, Sphere

Box = tuple[NDArray[np.float64], NDArray[np.float64]]


def room_of(scene: Scene) -> Box | None:
    """Return opposite corners (low, high) of the box about all grids and spheres of the scene's geometry.

    In rooms these are the walls, floor and ceiling at least, and all else stands between them, so that no mesh has to
    be loaded. A scene of meshes alone has None.
    """
    points = [_points(shape) for shape in scene.geometry if not isinstance(shape, MeshFile)]
    if not points:
        return None
    all_points = np.concatenate(points)
    return all_points.min(axis=0), all_points.max(axis=0)


def _points(shape: Grid | Sphere) -> NDArray[np.float64]:
    """Return world positions [N, 3] whose box is that of the shape, or a little larger."""
    if isinstance(shape, Sphere):
        extents = [2.0 * shape.radius] * 3
    else:
        # The component of `size` along the largest one of the normal has no meaning (cnsr.rendering).
        facing = max(range(3), key=lambda axis: abs(shape.normal[axis]))
        extents = [0.0 if axis == facing else extent for axis, extent in enumerate(shape.size)]
    halves = [(-0.5 * extent, 0.5 * extent) if math.isfinite(extent) else (0.0,) for extent in extents]
    corners = np.array(list(product(*halves))) + shape.position
    matrix = np.array(shape.transform)
    moved: NDArray[np.float64] = corners @ matrix[:3, :3] + matrix[3, :3]
    return moved
