"""Triangle meshes and the Wavefront OBJ files that hold them.

Own reader rather than trimesh's, which keeps only one normal and texture coordinate a vertex (wrong along seams),
drops all of them when one face has none, and accepts indices that are out of range.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnsr.scenes.obj_statements import ABSENT, MeshError, Statements, read_statements
from cnsr.scenes.polygons import cut_polygons

Floats = NDArray[np.float32]


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


def parse_obj(text: str, key: str) -> MeshData:
    """Return the mesh of an OBJ `text`.

    Corners of equal position, texture coordinate and normal share a vertex. Polygons are cut into triangles. Faces
    without normals in a file that has some get their geometric normal; texture coordinates that are missing in a
    file that has some are 0.

    Raises:
        MeshError: a line cannot be read, an index is out of range, a number is not finite, or there are no faces.
    """
    statements = read_statements(text)
    if not statements.sizes:
        raise MeshError("has no faces")
    positions = statements.rows("v")
    all_corners = np.array(statements.corners, dtype=np.int64).reshape(-1, 3)
    places = cut_polygons(positions, all_corners[:, 0], np.array(statements.sizes, dtype=np.int64))
    corners = all_corners[places]  # [T, 3, 3]
    normals = None
    if (corners[..., 2] != ABSENT).any():
        vertices, indices, normals = _with_normals(positions, statements.rows("vn"), corners)
    else:
        vertices, indices = distinct_rows(corners.reshape(-1, 3))
    return MeshData(
        positions=positions[vertices[:, 0]].astype(np.float32),
        normals=normals,
        uvs=_texture_coordinates(statements, vertices[:, 1]),
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
    usable = (named != ABSENT) & has_length[named]
    face = np.broadcast_to(np.arange(len(corners))[:, None], named.shape)
    rows[..., 2] = np.where(usable, named, len(normals) + face)
    vertices, indices = distinct_rows(rows.reshape(-1, 3))
    return vertices, indices, np.concatenate([normals, faces])[vertices[:, 2]].astype(np.float32)


def _unit(vectors: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the vectors [N, 3] with length 1, and which of them had a length; the others become +y."""
    lengths = np.linalg.norm(vectors, axis=1)
    has_length = lengths > np.finfo(np.float64).tiny
    unit = vectors / np.where(has_length, lengths, 1.0)[:, None]
    unit[~has_length] = (0.0, 1.0, 0.0)
    return unit, has_length


def distinct_rows(rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct rows [N, 3] in ascending order, and for every row its place among them.

    Several times faster than ``np.unique`` with ``axis=0``, which compares rows byte by byte.
    """
    order = np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))
    ordered = rows[order]
    is_new = np.ones(len(rows), np.bool_)
    is_new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    places = np.empty(len(rows), np.int64)
    places[order] = np.cumsum(is_new) - 1
    return ordered[is_new], places


def _texture_coordinates(statements: Statements, used: NDArray[np.int64]) -> Floats | None:
    if not (used != ABSENT).any():
        return None
    # The last row stands for absent coordinates, which have index -1.
    return np.concatenate([statements.rows("vt"), np.zeros((1, 2))])[used].astype(np.float32)
