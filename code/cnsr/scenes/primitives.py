"""The project's own meshes of simple shapes, and the command that writes them.

``python -m cnsr.scenes.primitives`` writes ``assets/meshes/*.obj``. Every shape rests on y = 0, centered on the y axis
(the teapot by the middle between handle and spout), and is about 1 across. Where a surface is curved its normals are
smooth; where it has edges, faces do not share vertices.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnsr.files import write_text
from cnsr.scenes import teapot as newell
from cnsr.scenes.assets import ASSETS
from cnsr.scenes.meshes import MeshData, format_obj

Array = NDArray[np.float64]

CYLINDER_SEGMENTS = 64
DODECAHEDRON_RADIUS = 0.5  # of the sphere around it
TEAPOT_LENGTH = 1.2  # from handle to spout
TEAPOT_SEGMENTS = 10  # of each patch, in both directions

_GOLDEN = (1 + 5**0.5) / 2


def cube() -> MeshData:
    """Return a cube of edge 1; each face has the texture once."""
    corners = []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            normal = np.eye(3)[axis] * sign
            right = np.eye(3)[(axis + 1) % 3] * sign
            up = np.cross(normal, right)
            corners.append([0.5 * (normal + a * right + b * up) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))])
    return _faceted("cube", np.array(corners) + np.array((0.0, 0.5, 0.0)))


def dodecahedron() -> MeshData:
    """Return a regular dodecahedron that stands on a face; each face has the texture once."""
    signs = (-1.0, 1.0)
    corners = [np.array((x, y, z)) for x in signs for y in signs for z in signs]
    for a in signs:
        for b in signs:
            short_long = (a / _GOLDEN, b * _GOLDEN)
            corners += [np.roll((0.0, *short_long), shift) for shift in range(3)]
    points = np.array(corners)
    # The faces' centers point to the corners of an icosahedron.
    centers = [np.roll((0.0, a * _GOLDEN, b), shift) for a in signs for b in signs for shift in range(3)]
    # The five corners farthest along a face's normal are its own; turn the shape so that one face looks down.
    down = centers[0] / np.linalg.norm(centers[0])
    side = np.cross(down, (1.0, 0.0, 0.0))
    side /= np.linalg.norm(side)
    turn = np.stack([side, -down, np.cross(side, -down)])  # rows: new x, y, z
    faces = []
    for center in centers:
        face = points[np.argsort(-(points @ center))[:5]]
        right = face[0] - face.mean(axis=0)
        up = np.cross(center, right)
        angles = np.arctan2(face @ up / np.linalg.norm(up), face @ right / np.linalg.norm(right))
        faces.append(face[np.argsort(angles)])
    solid = np.array(faces) @ turn.T * (DODECAHEDRON_RADIUS / 3**0.5)
    return _faceted("dodecahedron", solid - (0.0, solid[..., 1].min(), 0.0))


def cylinder() -> MeshData:
    """Return a closed cylinder of radius 0.5 and height 1; its side has the texture once, its ends a disk of it."""
    count = CYLINDER_SEGMENTS
    angles = np.linspace(0.0, 2 * np.pi, count + 1)
    circle = np.stack([np.sin(angles), np.zeros(count + 1), np.cos(angles)], axis=-1)  # counter-clockwise from above
    positions, normals, uvs, triangles = [], [], [], []

    for height in (0.0, 1.0):
        positions.append(0.5 * circle + (0.0, height, 0.0))
        normals.append(circle)
        uvs.append(np.stack([np.linspace(0.0, 1.0, count + 1), np.full(count + 1, height)], axis=-1))
    low = np.arange(count)
    high = low + count + 1
    triangles += [np.stack([low, low + 1, high + 1], axis=-1), np.stack([low, high + 1, high], axis=-1)]

    for height, up in ((0.0, -1.0), (1.0, 1.0)):
        first = sum(map(len, positions))
        rim = circle[:-1]
        positions.append(np.concatenate([[(0.0, height, 0.0)], 0.5 * rim + (0.0, height, 0.0)]))
        normals.append(np.tile((0.0, up, 0.0), (count + 1, 1)))
        disk = np.stack([rim[:, 0], -up * rim[:, 2]], axis=-1)
        uvs.append(0.5 + 0.5 * np.concatenate([[(0.0, 0.0)], disk]))
        this = first + 1 + np.arange(count)
        following = np.roll(this, -1)
        middle = np.full(count, first)
        triangles.append(np.stack([middle, *((this, following) if up > 0 else (following, this))], axis=-1))

    return _mesh("cylinder", *map(np.concatenate, (positions, normals, uvs, triangles)))


def teapot() -> MeshData:
    """Return the Utah teapot, spout along +x; lid, body and bottom are closed, handle and spout end inside.

    Each of its parts (lid, body, handle, spout) has the texture once: u around, v along.
    """
    pieces = [_tessellated(part, TEAPOT_SEGMENTS) for part in newell.parts().values()]
    offsets = np.cumsum([0, *(len(piece[0]) for piece in pieces[:-1])])
    triangles = np.concatenate([piece[3] + offset for piece, offset in zip(pieces, offsets, strict=True)])
    positions, normals, uvs = (np.concatenate([piece[i] for piece in pieces]) for i in range(3))
    # z up becomes y up: (x, y, z) -> (x, z, -y).
    positions, normals = (array[:, [0, 2, 1]] * (1.0, 1.0, -1.0) for array in (positions, normals))
    lowest, highest = positions.min(axis=0), positions.max(axis=0)
    middle = 0.5 * (lowest[0] + highest[0])
    positions = (positions - (middle, lowest[1], 0.0)) * (TEAPOT_LENGTH / (highest[0] - lowest[0]))
    return _mesh("teapot", *_welded(positions, normals, uvs, triangles))


PRIMITIVES: dict[str, Callable[[], MeshData]] = {
    "cube": cube,
    "dodecahedron": dodecahedron,
    "cylinder": cylinder,
    "teapot": teapot,
}
"""All shapes by name; ``meshes/<name>.obj`` is what scene files call them."""


def write_primitives(folder: Path) -> None:
    """Write every shape to ``folder/<name>.obj``. Raises ``StorageError``."""
    for name, make in PRIMITIVES.items():
        comment = f"{(make.__doc__ or '').splitlines()[0].removeprefix('Return ')}\nMade by cnsr.scenes.primitives."
        if name == "teapot":
            comment += (
                "\nControl points: Martin Newell, via three.js (MIT license, Copyright 2010-2026 three.js authors)."
            )
        write_text(folder / f"{name}.obj", format_obj(make(), comment))


def _mesh(name: str, positions: Array, normals: Array, uvs: Array, triangles: NDArray[np.int64]) -> MeshData:
    return MeshData(
        positions.astype(np.float32),
        normals.astype(np.float32),
        uvs.astype(np.float32),
        triangles.astype(np.uint32),
        key=f"primitive-{name}",
    )


def _faceted(name: str, faces: Array) -> MeshData:
    """Return a mesh of F plane convex faces [F, N, 3], each seen counter-clockwise from outside."""
    count, sides = faces.shape[:2]
    edges = faces[:, 1] - faces[:, 0]
    normals = np.cross(edges, faces[:, 2] - faces[:, 1])
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    # Texture coordinates: along the first edge and across it, scaled to fill the unit square.
    right = edges / np.linalg.norm(edges, axis=-1, keepdims=True)
    up = np.cross(normals, right)
    plane = np.stack([np.einsum("fnk,fk->fn", faces, axis) for axis in (right, up)], axis=-1)
    plane -= plane.min(axis=1, keepdims=True)
    uvs = plane / plane.max(axis=1, keepdims=True)
    fan = np.array([(0, i, i + 1) for i in range(1, sides - 1)])
    triangles = (fan[None] + sides * np.arange(count)[:, None, None]).reshape(-1, 3)
    return _mesh(name, faces.reshape(-1, 3), np.repeat(normals, sides, axis=0), uvs.reshape(-1, 2), triangles)


def _tessellated(part: Array, segments: int) -> tuple[Array, Array, Array, NDArray[np.int64]]:
    """Return positions, normals, uvs and triangles of patches [A, B, 4, 4, 3] that are A around and B along."""
    around, along = part.shape[:2]
    t = np.linspace(0.0, 1.0, segments + 1)
    size = (segments + 1) ** 2
    first = np.arange(segments)[:, None] * (segments + 1) + np.arange(segments)
    quads = np.stack([first, first + segments + 1, first + segments + 2, first + 1], axis=-1).reshape(-1, 4)
    cut = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    positions, normals, uvs, triangles = [], [], [], []
    for i in range(around):
        for j in range(along):
            points, directions = newell.evaluate(part[i, j], t, t)
            positions.append(points.reshape(-1, 3))
            normals.append(directions.reshape(-1, 3))
            u, v = np.meshgrid((i + t) / around, (j + t) / along, indexing="ij")
            uvs.append(np.stack([u, v], axis=-1).reshape(-1, 2))
            triangles.append(cut + size * (i * along + j))
    return (*map(np.concatenate, (positions, normals, uvs)), np.concatenate(triangles))  # type: ignore[return-value]


def _welded(
    positions: Array, normals: Array, uvs: Array, triangles: NDArray[np.int64]
) -> tuple[Array, Array, Array, NDArray[np.int64]]:
    """Join vertices that agree in position, normal and uv, and drop triangles that have no area (at poles)."""
    rounded = np.round(np.concatenate([positions, normals, uvs], axis=-1), 5) + 0.0
    _, first, new = np.unique(rounded, axis=0, return_index=True, return_inverse=True)
    corners = np.unique(rounded[:, :3], axis=0, return_inverse=True)[1].reshape(-1)[triangles]
    has_area = (corners != np.roll(corners, 1, axis=1)).all(axis=1)
    return positions[first], normals[first], uvs[first], new.reshape(-1)[triangles[has_area]]


if __name__ == "__main__":
    write_primitives(ASSETS / "meshes")
