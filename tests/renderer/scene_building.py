"""Scenes for tests as JSON-like dictionaries, written in few words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Json = dict[str, Any]
Triple = Sequence[float]

IDENTITY = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]


def floats(values: Any) -> list[float]:
    return [float(value) for value in values]


def material(color: Any = 1.0, emission: Any = 0.0, roughness: float = 1.0, **more: Any) -> Json:
    """A material; a single number is grey."""
    grey = {name: floats([value] * 3 if np.isscalar(value) else value) for name, value in
            (("color", color), ("emission", emission))}  # fmt: skip
    return {**grey, "roughness": float(roughness), "ior": 15.0, "id": 0, **more}


def grid(position: Triple, normal: Triple, size: Triple, material: str, transform: Any = None) -> Json:
    return {
        "type": "grid",
        "transform": IDENTITY if transform is None else [floats(row) for row in transform],
        "material": material,
        "position": floats(position),
        "normal": floats(normal),
        "size": floats(size),
    }


def sphere(position: Triple, radius: float, material: str, transform: Any = None) -> Json:
    return {
        "type": "sphere",
        "transform": IDENTITY if transform is None else [floats(row) for row in transform],
        "material": material,
        "position": floats(position),
        "radius": float(radius),
    }


def mesh(filename: str, material: str, transform: Any = None) -> Json:
    return {
        "type": "file",
        "transform": IDENTITY if transform is None else [floats(row) for row in transform],
        "material": material,
        "filename": filename,
    }


def camera(position: Triple, lookat: Triple, fov: float = 60.0, near: float = 1e-4, far: float = 1e6) -> Json:
    return {"position": floats(position), "lookat": floats(lookat), "fov": float(fov), "near": near, "far": far}


def scene(
    camera: Json,
    materials: Json,
    lights: Sequence[Json] = (),
    geometry: Sequence[Json] = (),
    bounces: int = 2,
    hide_lights: bool = False,
) -> Json:
    return {
        "seed": 1,
        "bounces": bounces,
        "hide_lights": hide_lights,
        "camera": camera,
        "materials": materials,
        "lights": list(lights),
        "geometry": list(geometry),
    }


def rotation(axis: Triple, degrees: float, translation: Triple = (0.0, 0.0, 0.0)) -> list[list[float]]:
    """A transform by the row-vector convention: turn about an axis through the origin, then move."""
    x, y, z = np.asarray(axis, np.float64) / np.linalg.norm(axis)
    angle = np.radians(degrees)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    column = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    matrix = np.eye(4)
    matrix[:3, :3] = column.T  # p' = p M
    matrix[3, :3] = translation
    return [floats(row) for row in matrix]


def box_walls(low: Triple, high: Triple, material: str) -> list[Json]:
    """Six grids that face the inside of a box."""
    low_corner, high_corner = np.asarray(low, np.float64), np.asarray(high, np.float64)
    center, size = (low_corner + high_corner) / 2, high_corner - low_corner
    walls = []
    for axis in range(3):
        for side, sign in ((low_corner, 1.0), (high_corner, -1.0)):
            position, normal, extent = center.copy(), np.zeros(3), size.copy()
            position[axis], normal[axis], extent[axis] = side[axis], sign, 0.0
            walls.append(grid(position, normal, extent, material))
    return walls


def small_room(hide_lights: bool = True, bounces: int = 4, roughness: float = 0.3) -> Json:
    """A room with a sphere light, a glossy and a diffuse sphere: something of everything."""
    materials = {
        "white": material(0.8),
        "red": material([0.9, 0.1, 0.1], id=1),
        "glossy": material([0.2, 0.4, 0.9], roughness=roughness, id=2),
        "mirror": material(1.0, roughness=0.05, id=3),
        "light": material(0.0, 35.0, id=4),
    }
    walls = box_walls([-3, -0.5, -3], [3, 2.5, 3], "white")
    walls[0]["material"] = "red"
    objects = [sphere([0.8, 0, 0.3], 0.5, "glossy"), sphere([-0.8, 0, -0.4], 0.5, "mirror")]
    return scene(
        camera([0.3, 1.2, 2.6], [0, 0.3, 0], 75.0),
        materials,
        [sphere([0.5, 1.6, -0.5], 0.125, "light")],
        walls + objects,
        bounces,
        hide_lights,
    )
