"""Closed triangle surfaces while they are being shaped, and their shading normals.

Corners that meet share a vertex, whatever their texture coordinates and normals: so surfaces are closed by
construction, stay closed however their vertices are moved, and never have to be welded. Triangles are
counter-clockwise seen from outside, lengths are metres, texture coordinates too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cnsr.scenes.meshes import MeshData, distinct_rows

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

CREASE = 40.0
"""Edges sharper than so many degrees stay sharp."""

_AXES = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}
# Steps that normals are told apart by: those of one smooth vertex differ by rounding only.
_NORMAL_STEPS = 1 << 12


@dataclass(frozen=True)
class Surface:
    """A triangle surface.

    Attributes:
        positions: float64 [V, 3].
        triangles: int64 [T, 3], rows of `positions`.
        uvs: texture coordinates in metres, float64 [U, 2].
        uv_triangles: int64 [T, 3], rows of `uvs`.
    """

    positions: Array
    triangles: Indices
    uvs: Array
    uv_triangles: Indices

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Surface:
        """Return the surface moved by (x, y, z)."""
        return replace(self, positions=self.positions + np.array((x, y, z)))

    def turned(self, axis: str, degrees: float) -> Surface:
        """Return the surface turned about the axis "x", "y" or "z", counter-clockwise seen from its tip."""
        i, j = _AXES[axis]
        cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        positions = self.positions.copy()
        positions[:, i] = cosine * self.positions[:, i] - sine * self.positions[:, j]
        positions[:, j] = sine * self.positions[:, i] + cosine * self.positions[:, j]
        return replace(self, positions=positions)

    def mirrored(self, axis: str = "x") -> Surface:
        """Return the mirror image with `axis` reversed."""
        signs = np.where(np.array(list("xyz")) == axis, -1.0, 1.0)
        return replace(
            self,
            positions=self.positions * signs,
            triangles=self.triangles[:, ::-1],
            uv_triangles=self.uv_triangles[:, ::-1],
        )

    def warped(self, warp: Callable[[Array], Array]) -> Surface:
        """Return the surface with every vertex moved by `warp`, which maps positions [V, 3] to positions [V, 3]."""
        return replace(self, positions=warp(self.positions))

    def box_mapped(self, grain: str = "x") -> Surface:
        """Return the surface with the texture projected onto each triangle along the axis that it faces most.

        Right for what is cut from boards: u and v are two of the world's coordinates, so that flat faces have the
        pattern undistorted and uncut. v runs along the axis `grain` on all faces but those that it pierces.
        """
        facing = np.abs(self.area_normals()).argmax(axis=1)  # [T]
        used, new = np.unique(3 * self.triangles + facing[:, None], return_inverse=True)
        vertex, facing = used // 3, used % 3
        along = "xyz".index(grain)
        v = np.where(facing == along, (along + 1) % 3, along)
        u = 3 - facing - v
        rows = np.arange(len(used))
        points = self.positions[vertex]
        return replace(self, uvs=np.stack([points[rows, u], points[rows, v]], axis=-1), uv_triangles=new.reshape(-1, 3))

    def area_normals(self) -> Array:
        """Return the normals of all triangles, each as long as twice its area, float64 [T, 3]."""
        a, b, c = (self.positions[self.triangles[:, k]] for k in range(3))
        return np.cross(b - a, c - a)

    def area(self) -> float:
        """Return the area in m²."""
        return float(0.5 * np.linalg.norm(self.area_normals(), axis=1).sum())

    def volume(self) -> float:
        """Return the volume in m³ that a closed surface encloses; negative where it is turned inside out."""
        return float((self.positions[self.triangles[:, 0]] * self.area_normals()).sum() / 6.0)


def joined(surfaces: Iterable[Surface]) -> Surface:
    """Return several surfaces as one."""
    several = list(surfaces)
    vertices = np.cumsum([0, *(len(one.positions) for one in several)])
    corners = np.cumsum([0, *(len(one.uvs) for one in several)])
    return Surface(
        np.concatenate([one.positions for one in several]),
        np.concatenate([one.triangles + first for one, first in zip(several, vertices, strict=False)]),
        np.concatenate([one.uvs for one in several]),
        np.concatenate([one.uv_triangles + first for one, first in zip(several, corners, strict=False)]),
    )


def shaded(surface: Surface, key: str, crease: float = CREASE) -> MeshData:
    """Return a surface as a mesh with shading normals.

    Args:
        surface: what to shade.
        key: of the mesh.
        crease: edges between triangles whose normals differ by more degrees stay sharp.
    """
    normals = corner_normals(surface, crease)
    steps = np.round(normals * _NORMAL_STEPS).astype(np.int64) + 2 * _NORMAL_STEPS
    packed = (steps[:, 0] << 32) | (steps[:, 1] << 16) | steps[:, 2]
    rows = np.stack([surface.triangles.reshape(-1), surface.uv_triangles.reshape(-1), packed], axis=-1)
    vertices, indices = distinct_rows(rows)
    chosen = np.empty(len(vertices), np.int64)
    chosen[indices[::-1]] = np.arange(len(rows))[::-1]  # the first corner of each vertex
    return MeshData(
        positions=surface.positions[vertices[:, 0]].astype(np.float32),
        normals=normals[chosen].astype(np.float32),
        uvs=surface.uvs[vertices[:, 1]].astype(np.float32),
        triangles=indices.reshape(-1, 3).astype(np.uint32),
        key=key,
    )


def corner_normals(surface: Surface, crease: float = CREASE) -> Array:
    """Return the unit normals of all corners, float64 [3 T, 3].

    A corner's normal is the mean of those triangles at its vertex that face within `crease` degrees of its own. Areas
    as weights keep large flat faces flat up to the round edges around them; angles at the vertex as further weights let
    it not matter which way quadrilaterals are cut in two.
    """
    normals = surface.area_normals()
    facing = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    vertex = surface.triangles.reshape(-1)
    order = np.argsort(vertex, kind="stable")  # corners by vertex
    facing = facing[order // 3]
    weighted = (normals[:, None] * _angles(surface)[..., None]).reshape(-1, 3)[order]
    first = np.searchsorted(vertex[order], vertex[order], side="left")
    count = np.searchsorted(vertex[order], vertex[order], side="right") - first
    # All pairs of corners that share a vertex.
    one = np.repeat(np.arange(len(order)), count)
    other = np.arange(len(one)) + np.repeat(first - (np.cumsum(count) - count), count)
    near = np.einsum("ij,ij->i", facing[one], facing[other]) > np.cos(np.radians(crease))
    near |= one == other  # whatever rounding says
    one, other = one[near], other[near]
    sums = np.stack([np.bincount(one, weighted[other, k], len(order)) for k in range(3)], axis=-1)
    smooth: Array = np.empty((len(order), 3))
    smooth[order] = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    return smooth


def _angles(surface: Surface) -> Array:
    """Return the angles of all triangles at their corners, [T, 3]."""
    corners = surface.positions[surface.triangles]
    edges = np.roll(corners, -1, axis=1) - corners  # from each corner to the next
    edges /= np.linalg.norm(edges, axis=2, keepdims=True)
    cosines = -np.einsum("ijk,ijk->ij", edges, np.roll(edges, 1, axis=1))
    angles: Array = np.arccos(np.clip(cosines, -1.0, 1.0))
    return angles
