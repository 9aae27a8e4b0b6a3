"""The Utah teapot from its Bézier patches.

Martin Newell's teapot (University of Utah, 1975), in the proportions that Jim Blinn gave it. The control points are
re-tabulated from ``examples/jsm/geometries/TeapotGeometry.js`` of three.js (npm package ``three`` 0.187.0, MIT license,
Copyright 2010-2026 three.js authors), whose code descends from Eric Haines' Standard Procedural Databases. The teapot
is symmetric, so that three short tables hold all 32 patches; the tessellation is our own.

In the tables x points to the spout and z up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Lid, rim, body and bottom from the knob down, as control points (radius, tangent, z) of cubic curves that share
# their ends. A quarter turn starts at (radius, 0), (radius, tangent), (tangent, radius), (0, radius). The lid is
# widened by `_LID_SCALE` and then ends where the rim begins.
_LID = (
    ((0, 0, 3.15), (0.8, 0.45, 3.15), (0, 0, 2.85), (0.2, 0.112, 2.7)),
    ((0.2, 0.112, 2.7), (0.4, 0.224, 2.55), (1.3, 0.728, 2.55), (1.3, 0.728, 2.4)),
)
_LID_SCALE = 14 / 13
_BODY = (
    ((1.4, 0.784, 2.4), (1.3375, 0.749, 2.53125), (1.4375, 0.805, 2.53125), (1.5, 0.84, 2.4)),
    ((1.5, 0.84, 2.4), (1.75, 0.98, 1.875), (2, 1.12, 1.35), (2, 1.12, 0.9)),
    ((2, 1.12, 0.9), (2, 1.12, 0.45), (1.5, 0.84, 0.225), (1.5, 0.84, 0.15)),
    ((1.5, 0.84, 0.15), (1.5, 0.84, 0.075), (1.425, 0.798, 0), (0, 0, 0)),
)
# Rings of handle and spout: x and z of one side, x and z of the other, half width in y. A half ring has the control
# points (x, 0, z), (x, width, z) of the first side and the same of the other.
_HANDLE = (
    (-1.6, 2.025, -1.5, 2.25, 0.3),
    (-2.3, 2.025, -2.5, 2.25, 0.3),
    (-2.7, 2.025, -3, 2.25, 0.3),
    (-2.7, 1.8, -3, 1.8, 0.3),
    (-2.7, 1.575, -3, 1.35, 0.3),
    (-2.5, 1.125, -2.65, 0.9375, 0.3),
    (-2, 0.9, -1.9, 0.6, 0.3),
)
_SPOUT = (
    (1.7, 1.425, 1.7, 0.6, 0.66),
    (2.6, 1.425, 3.1, 0.825, 0.66),
    (2.3, 2.1, 2.4, 2.025, 0.25),
    (2.7, 2.4, 3.3, 2.4, 0.25),
    (2.8, 2.475, 3.525, 2.49375, 0.25),
    (2.9, 2.475, 3.45, 2.5125, 0.15),
    (2.8, 2.4, 3.2, 2.4, 0.15),
)

# Bernstein polynomials of degree 3: row i holds the coefficients of 1, t, t², t³.
_BERNSTEIN = np.array([[1, -3, 3, -1], [0, 3, -6, 3], [0, 0, 3, -3], [0, 0, 0, 1]], dtype=np.float64)
# Share of the largest normal below which a point counts as a pole, where a patch has shrunk to a point.
_POLE = 1e-9


def parts() -> dict[str, Array]:
    """Return the control points of the teapot's parts.

    Returns:
        By name, float64 [A, B, 4, 4, 3]: A patches around (each with its parameter u along the third axis), B patches
        along (parameter v along the fourth), control points (x, y, z) with z up. All face outward:
        ∂p/∂u × ∂p/∂v points out.
    """
    return {
        "lid": _revolved(_LID, _LID_SCALE),
        "body": _revolved(_BODY, 1.0),
        "handle": _tube(_HANDLE),
        "spout": _tube(_SPOUT),
    }


def evaluate(patch: Array, u: Array, v: Array) -> tuple[Array, Array]:
    """Return points and unit normals of a bicubic Bézier patch.

    At a pole, where ∂p/∂u vanishes along an edge v = const, the normal is the limit from inside the patch:
    by Taylor expansion ∂p/∂u tends to ±∂²p/∂u∂v times the distance to that edge.

    Args:
        patch: control points [4, 4, 3]; the first axis belongs to u, the second to v.
        u: parameters [U] in [0, 1].
        v: parameters [V] in [0, 1].

    Returns:
        Points and normals, both [U, V, 3].
    """
    (bu, du), (bv, dv) = _basis(u), _basis(v)
    points = np.einsum("ui,vj,ijk->uvk", bu, bv, patch)
    along_u = np.einsum("ui,vj,ijk->uvk", du, bv, patch)
    along_v = np.einsum("ui,vj,ijk->uvk", bu, dv, patch)
    mixed = np.einsum("ui,vj,ijk->uvk", du, dv, patch)
    normals = np.cross(along_u, along_v)
    lengths = np.linalg.norm(normals, axis=-1, keepdims=True)
    inward = np.where(v < 0.5, 1.0, -1.0)[None, :, None]
    normals = np.where(lengths > _POLE * lengths.max(), normals, np.cross(mixed * inward, along_v))
    return points, normals / np.linalg.norm(normals, axis=-1, keepdims=True)


def _basis(t: Array) -> tuple[Array, Array]:
    """Return the four Bernstein polynomials and their derivatives at t [N], both [N, 4]."""
    powers = np.stack([np.ones_like(t), t, t**2, t**3], axis=-1)
    slopes = np.stack([np.zeros_like(t), np.ones_like(t), 2 * t, 3 * t**2], axis=-1)
    return powers @ _BERNSTEIN.T, slopes @ _BERNSTEIN.T


def _revolved(curves: tuple[tuple[tuple[float, float, float], ...], ...], scale: float) -> Array:
    """Return patches [4, B, 4, 4, 3] of B profile curves, turned by four quarters counter-clockwise seen from above."""
    profile = np.array(curves, dtype=np.float64)  # [B, 4 (v), (radius, tangent, z)]
    radius, tangent, height = scale * profile[..., 0], scale * profile[..., 1], profile[..., 2]
    zero = np.zeros_like(radius)
    x = np.stack([radius, radius, tangent, zero], axis=1)  # [B, 4 (u), 4 (v)]
    y = np.stack([zero, tangent, radius, radius], axis=1)
    z = np.broadcast_to(height[:, None], x.shape)
    quarters = ((x, y), (-y, x), (-x, -y), (y, -x))
    # Downward v and counter-clockwise u face inward; v is what can be reversed without moving the seams.
    patches = np.stack([np.stack([a, b, z], axis=-1) for a, b in quarters])
    return patches[:, ::-1, :, ::-1]


def _tube(rings: tuple[tuple[float, ...], ...]) -> Array:
    """Return patches [2, 2, 4, 4, 3] of a tube of 7 rings that is symmetric about the plane y = 0."""
    x0, z0, x1, z1, width = np.array(rings, dtype=np.float64).T
    zero = np.zeros_like(width)
    half = np.stack(  # [4 (u), 7 (v), 3]
        [
            np.stack([x, y, z], axis=-1)
            for x, y, z in ((x0, zero, z0), (x0, -width, z0), (x1, -width, z1), (x1, zero, z1))
        ]
    )
    other = half[::-1] * (1.0, -1.0, 1.0)
    return np.stack([np.stack([side[:, :4], side[:, 3:]]) for side in (half, other)])
