"""JSON values of materials and objects as randomizers put them into scenes."""

from __future__ import annotations

import math
from typing import Any

Json = dict[str, Any]
Color = tuple[float, float, float]
Vector = tuple[float, float, float]

WHITE: Color = (1.0, 1.0, 1.0)
BLACK: Color = (0.0, 0.0, 0.0)
WALLS = ("back", "left", "right", "front")

_IDENTITY = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]


def material(
    label: int,
    color: Color,
    roughness: float,
    emission: Color = BLACK,
    texture: str = "",
    frequency: tuple[float, float] = (1.0, 1.0),
) -> Json:
    """Return a material.

    Args:
        label: of the id buffer.
        color: albedo.
        roughness: from 0.05, like a mirror, to 1, diffuse.
        emission: of a light.
        texture: file name; none if empty.
        frequency: repetitions of the texture along u and v.
    """
    return {
        "color": list(color),
        "emission": list(emission),
        "roughness": roughness,
        "ior": 15.0,
        "texture": texture,
        "texture_frequency": list(frequency),
        "id": label,
    }


def grid(name: str, position: Vector, normal: Vector, size: Vector) -> Json:
    """Return a rectangle of the material `name`; `size` holds its full extents along x, y, z."""
    return {
        "type": "grid",
        "transform": _IDENTITY,
        "material": name,
        "position": list(position),
        "normal": list(normal),
        "size": list(size),
    }


def sphere(name: str, position: list[float], radius: float) -> Json:
    """Return a sphere of the material `name`."""
    return {
        "type": "sphere",
        "transform": _IDENTITY,
        "material": name,
        "position": position,
        "radius": radius,
    }


def mesh(name: str, filename: str, position: Vector, angle: float) -> Json:
    """Return a mesh of the material `name`, turned by `angle` counter-clockwise seen from above, then moved."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return {
        "type": "file",
        "transform": [
            [cosine, 0.0, -sine, 0.0],
            [0.0, 1.0, 0.0, 0.0],
            [sine, 0.0, cosine, 0.0],
            [*position, 1.0],
        ],
        "material": name,
        "filename": filename,
    }


def box_room(low: Vector, high: Vector) -> list[Json]:
    """Return floor, ceiling and the four walls of a box, facing inward; materials are called by what they cover."""
    x, y, z = (0.5 * (a + b) for a, b in zip(low, high, strict=True))
    width, height, depth = (b - a for a, b in zip(low, high, strict=True))
    return [
        grid("ground", (x, low[1], z), (0.0, 1.0, 0.0), (width, 0.0, depth)),
        grid("ceiling", (x, high[1], z), (0.0, -1.0, 0.0), (width, 0.0, depth)),
        grid("back", (x, y, low[2]), (0.0, 0.0, 1.0), (width, height, 0.0)),
        grid("left", (low[0], y, z), (1.0, 0.0, 0.0), (0.0, height, depth)),
        grid("right", (high[0], y, z), (-1.0, 0.0, 0.0), (0.0, height, depth)),
        grid("front", (x, y, high[2]), (0.0, 0.0, -1.0), (width, height, 0.0)),
    ]
