"""Triangle meshes and the Wavefront OBJ files that hold them.

Own reader rather than trimesh's, which keeps only one normal and texture coordinate a vertex (wrong along seams),
drops all of them when one face has none, and accepts indices that are out of range.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_ABSENT = -1
# Statements that say nothing about the surface; anything else that is unknown means the file is no OBJ.
_IGNORED = re.compile(
    "o|g|s|mg|usemtl|mtllib|usemap|maplib|shadow_obj|trace_obj|lod|bevel|[cd]_interp|l|p|vp|cstype|deg|bmat|step"
    "|curv2?|surf|parm|trim|hole|scrv|sp|end|con|ctech|stech|call|csh"
)


@dataclass(frozen=True)
class MeshData:
    """A triangle mesh as arrays.

    Attributes:
        positions: float32 [V, 3].
        normals: unit vectors, float32 [V, 3]; None for flat shading.
        uvs: texture coordinates, float32 [V, 2]; None if there are none. v points up, as in OBJ.
        triangles: uint32 [T, 3], counter-clockwise seen from outside.
        key: hash of the content that it was read from, or any name of a mesh that was made.
    """

    positions: Floats
    normals: Floats | None
    uvs: Floats | None
    triangles: NDArray[np.uint32]
    key: str

    @property
    def nbytes(self) -> int:
        """Size of all arrays together."""
        arrays = (self.positions, self.normals, self.uvs, self.triangles)
        return sum(array.nbytes for array in arrays if array is not None)


class MeshError(ValueError):
    """A text is no OBJ mesh; the message says why and in which line, but not in which file."""


@dataclass
class _Statements:
    """What stands in an OBJ file. Corners are (position, uv, normal) indices from 0, `_ABSENT` where missing."""

    positions: list[list[float]] = field(default_factory=list)
    uvs: list[list[float]] = field(default_factory=list)
    normals: list[list[float]] = field(default_factory=list)
    polygons: list[list[tuple[int, int, int]]] = field(default_factory=list)


def parse_obj(text: str, key: str) -> MeshData:
    """Return the mesh of an OBJ `text`.

    Corners of equal position, texture coordinate and normal share a vertex. Polygons are cut into triangles. Faces
    without normals in a file that has some get their geometric normal; texture coordinates that are missing in a
    file that has some are 0.

    Raises:
        MeshError: a line cannot be read, an index is out of range, a number is not finite, or there are no faces.
    """
    statements = _read_statements(text)
    if not statements.polygons:
        raise MeshError("has no faces")
    positions = _finite(statements.positions, "position")
    corners = np.array(_triangulate(positions, statements.polygons), dtype=np.int64)  # [T, 3, 3]
    vertices, indices = np.unique(corners.reshape(-1, 3), axis=0, return_inverse=True)
    normals = None
    if (corners[..., 2] != _ABSENT).any():
        vertices, indices, normals = _with_normals(positions, _finite(statements.normals, "normal"), corners)
    return MeshData(
        positions=positions[vertices[:, 0]].astype(np.float32),
        normals=normals,
        uvs=_texture_coordinates(statements.uvs, vertices[:, 1]),
        triangles=indices.reshape(-1, 3).astype(np.uint32),
        key=key,
    )


def format_obj(mesh: MeshData, comment: str) -> str:
    """Return `mesh` as OBJ text that starts with the lines of `comment`, with 6 decimals."""
    lines = [f"# {line}".rstrip() for line in comment.splitlines()]
    lines += _vectors("v", mesh.positions)
    slots = [True, mesh.uvs is not None, mesh.normals is not None]
    if mesh.uvs is not None:
        lines += _vectors("vt", mesh.uvs)
    if mesh.normals is not None:
        lines += _vectors("vn", mesh.normals)
    for triangle in mesh.triangles + 1:
        corners = ("/".join(str(index) if there else "" for there in slots).rstrip("/") for index in triangle)
        lines.append("f " + " ".join(corners))
    return "\n".join(lines) + "\n"


def _vectors(keyword: str, rows: Floats) -> list[str]:
    # Adding 0 turns -0 into 0, so that the text does not depend on the sign of zero.
    return [f"{keyword} " + " ".join(f"{value:.6g}" for value in np.round(row, 6) + 0.0) for row in rows.astype(float)]


def _read_statements(text: str) -> _Statements:
    found = _Statements()
    vectors = {"v": (found.positions, 3), "vt": (found.uvs, 2), "vn": (found.normals, 3)}
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\\\n", " ").split("\n"), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        keyword = words[0]
        if keyword in vectors:
            rows, width = vectors[keyword]
            rows.append(_numbers(words, width, number))
        elif keyword == "f":
            found.polygons.append(_polygon(words[1:], found, number))
        elif not _IGNORED.fullmatch(keyword):
            raise MeshError(f"line {number}: expected an OBJ statement, found {line[:40]!r}")
    return found


def _numbers(words: list[str], width: int, line: int) -> list[float]:
    try:
        # vt may have one coordinate only; v may be followed by a weight or a color.
        numbers = [float(word) for word in words[1 : 1 + width]]
        if words[0] == "vt" and len(numbers) == 1:
            numbers.append(0.0)
    except ValueError:
        numbers = []
    if len(numbers) != width:
        raise MeshError(f"line {line}: expected {width} numbers after '{words[0]}', found {' '.join(words[1:])[:40]!r}")
    return numbers


def _polygon(words: list[str], found: _Statements, line: int) -> list[tuple[int, int, int]]:
    if len(words) < 3:
        raise MeshError(f"line {line}: expected at least 3 corners after 'f', found {len(words)}")
    return [_corner(word, found, line) for word in words]


def _corner(word: str, found: _Statements, line: int) -> tuple[int, int, int]:
    position, uv, normal, *rest = [*word.split("/"), "", ""]
    if not position or any(rest):
        raise MeshError(f"line {line}: expected a corner such as 1, 1/2, 1//3 or 1/2/3, found {word!r}")
    return (
        _index(position, len(found.positions), "position", line),
        _index(uv, len(found.uvs), "texture coordinate", line),
        _index(normal, len(found.normals), "normal", line),
    )


def _index(word: str, count: int, kind: str, line: int) -> int:
    """Return an index from 0; OBJ counts from 1, or backwards from -1."""
    if not word:
        return _ABSENT
    try:
        number = int(word)
    except ValueError:
        raise MeshError(f"line {line}: expected an index of a {kind}, found {word!r}") from None
    index = number - 1 if number > 0 else count + number
    if number == 0 or not 0 <= index < count:
        raise MeshError(f"line {line}: there is no {kind} {number}; {count} stand before this line")
    return index


def _finite(rows: Sequence[Sequence[float]], kind: str) -> NDArray[np.float64]:
    array = np.array(rows, dtype=np.float64).reshape(-1, 2 if kind == "texture coordinate" else 3)
    bad = ~(np.abs(array) < np.finfo(np.float32).max).all(axis=1)
    if bad.any():
        raise MeshError(f"{kind} {int(np.argmax(bad)) + 1} is not finite")
    return array


def _triangulate(
    positions: NDArray[np.float64], polygons: list[list[tuple[int, int, int]]]
) -> list[list[tuple[int, int, int]]]:
    triangles = []
    for polygon in polygons:
        if len(polygon) == 3:
            triangles.append(polygon)
        else:
            outline = positions[[corner[0] for corner in polygon]]
            triangles += [[polygon[i] for i in triangle] for triangle in cut_polygon(outline)]
    return triangles


def cut_polygon(outline: NDArray[np.float64]) -> list[tuple[int, int, int]]:
    """Cut a simple, roughly plane polygon [N, 3] into N - 2 triangles of corner indices, in its orientation.

    Ears are clipped one by one (Meisters 1975). Where no ear is left, as in polygons that cross themselves, the
    first corner is cut all the same, so that the number of triangles is right.
    """
    following = np.roll(outline, -1, axis=0)
    normal = np.cross(outline, following).sum(axis=0)  # Newell's method: twice the area vector
    # Drop the axis that the polygon faces most, keeping its orientation counter-clockwise.
    axis = int(np.abs(normal).argmax())
    flat = np.delete(outline, axis, axis=1)
    if (normal[axis] > 0) == (axis == 1):
        flat = flat[:, ::-1]
    left = list(range(len(outline)))
    triangles = []
    while len(left) > 3:
        count = len(left)
        ears = ((left[i - 1], left[i], left[(i + 1) % count]) for i in [*range(1, count), 0])
        ear = next((ear for ear in ears if _is_ear(flat, ear, left)), (left[-1], left[0], left[1]))
        triangles.append(ear)
        left.remove(ear[1])
    triangles.append((left[0], left[1], left[2]))
    return triangles


def _is_ear(flat: NDArray[np.float64], ear: tuple[int, int, int], left: list[int]) -> bool:
    """Tell whether a corner is convex and its triangle holds no other corner of the polygon [N, 2]."""
    triangle = flat[list(ear)]
    if _doubled_area(triangle[0], triangle[1], triangle[2]) <= 0.0:
        return False
    others = [flat[index] for index in left if index not in ear]
    return not any(
        all(_doubled_area(triangle[i], triangle[(i + 1) % 3], point) >= 0.0 for i in range(3)) for point in others
    )


def _doubled_area(a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]) -> float:
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def _with_normals(
    positions: NDArray[np.float64], normals: NDArray[np.float64], corners: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Return vertices (rows of corner indices), the vertex of every corner, and normals [V, 3].

    Normals that are missing or have no length are those of their face.
    """
    a, b, c = (positions[corners[:, i, 0]] for i in range(3))
    faces, _ = _unit(np.cross(b - a, c - a))
    normals, has_length = _unit(normals)
    rows = corners.copy()
    named = rows[..., 2]
    usable = (named != _ABSENT) & has_length[named]
    face = np.broadcast_to(np.arange(len(corners))[:, None], named.shape)
    rows[..., 2] = np.where(usable, named, len(normals) + face)
    vertices, indices = np.unique(rows.reshape(-1, 3), axis=0, return_inverse=True)
    return vertices, indices, np.concatenate([normals, faces])[vertices[:, 2]].astype(np.float32)


def _unit(vectors: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the vectors [N, 3] with length 1, and which of them had a length; the others become +y."""
    lengths = np.linalg.norm(vectors, axis=1)
    has_length = lengths > np.finfo(np.float64).tiny
    unit = vectors / np.where(has_length, lengths, 1.0)[:, None]
    unit[~has_length] = (0.0, 1.0, 0.0)
    return unit, has_length


def _texture_coordinates(rows: list[list[float]], used: NDArray[np.int64]) -> Floats | None:
    if not (used != _ABSENT).any():
        return None
    # The last row stands for absent coordinates, which have index -1.
    return np.concatenate([_finite(rows, "texture coordinate"), np.zeros((1, 2))])[used].astype(np.float32)
