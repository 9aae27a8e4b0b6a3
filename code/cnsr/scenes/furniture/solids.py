"""Solids that furniture is made of: tubes about paths, turned and sawn wood."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnsr.scenes.furniture.curves import Array, Points, arc_lengths, line, superellipse
from cnsr.scenes.furniture.surface import Indices, Surface

Scales = Array | float


def tube(rings: Array, around: Array, along: Array, ends: Array | None) -> Surface:
    """Return the skin of a stack of rings.

    Args:
        rings: [R, S, 3], each closed and counter-clockwise seen from the ring after it.
        around: texture coordinate u of the ring's points, [S + 1]; the last one is that of the first, once around.
        along: texture coordinate v of the rings, [R], or [R + 1] where the last ring is joined to the first.
        ends: the points [2, 3] that the first and the last ring are closed to; None to join the last ring to the first.
    """
    count, size = rings.shape[:2]
    layers = count if ends is None else count - 1
    vertices = grid_triangles(layers, size, wrap_rows=count, wrap_columns=size)
    corners = grid_triangles(layers, size, wrap_rows=layers + 1, wrap_columns=size + 1)
    u, v = np.meshgrid(around, along)
    uvs = np.stack([u, v], axis=-1).reshape(-1, 2)
    positions = rings.reshape(-1, 3)
    if ends is None:
        return Surface(positions, vertices, uvs, corners)
    triangles, uv_triangles = [vertices], [corners]
    for end, ring in enumerate((0, count - 1)):
        first = ring * size
        cap = _fan(size, first, len(positions) + end, reverse=end == 0)
        triangles.append(cap)
        corner = len(uvs) + end * (size + 1)
        uv_triangles.append(_fan(size, corner, corner + size, reverse=end == 0))
    flat = [_in_plane(rings[ring], ends[end]) for end, ring in enumerate((0, -1))]
    return Surface(
        np.concatenate([positions, ends]),
        np.concatenate(triangles),
        np.concatenate([uvs, *flat]),
        np.concatenate(uv_triangles),
    )


def sweep(
    path: Points,
    section: Array,
    scale: Scales = 1.0,
    up: Sequence[float] = (0.0, 1.0, 0.0),
    dome: float = 0.0,
    closed: bool = False,
) -> Surface:
    """Return a closed `section` that is carried along `path`, upright on it.

    Args:
        path: [N, 3].
        section: [S, 2], counter-clockwise; where the path runs along +z and `up` is +y, its axes are x and y.
        scale: of the section: a number, one a point [N], or one a point and axis [N, 2].
        up: which way the section's second axis points, as far as the path allows; never parallel to the path.
        dome: height of the round ends; 0 for flat ones.
        closed: whether the path comes back to its beginning (which `path` does not repeat).
    """
    points = np.asarray(path, np.float64)
    scales = _scales(scale, len(points))
    tangents = np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0) if closed else np.gradient(points, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    sideways = np.cross(np.asarray(up, np.float64), tangents)
    sideways /= np.linalg.norm(sideways, axis=1, keepdims=True)
    upward = np.cross(tangents, sideways)
    ends = None if closed else np.stack([points[0] - dome * tangents[0], points[-1] + dome * tangents[-1]])
    if dome > 0.0 and not closed:
        points, scales, sideways, upward = _with_domes(points, scales, sideways, upward, tangents, dome)
    axes = np.stack([sideways, upward], axis=1)  # [N, 2, 3]
    return _carried(points, scales[:, None] * section, axes, ends)


def loft(path: Points, section: Array, scale: Scales = 1.0) -> Surface:
    """Return a closed `section` that is carried along an ascending `path` and stays level.

    Legs are made so: whichever way they lean, they are cut flush with the floor.

    Args:
        path: [N, 3], from the bottom up.
        section: [S, 2], counter-clockwise; its axes are x and -z.
        scale: of the section: a number, one a point [N], or one a point and axis [N, 2].
    """
    points = np.asarray(path, np.float64)
    axes = np.broadcast_to(np.array([(1.0, 0.0, 0.0), (0.0, 0.0, -1.0)]), (len(points), 2, 3))
    return _carried(points, _scales(scale, len(points))[:, None] * section, axes, points[[0, -1]])


def lathe(profile: Points, segments: int = 32) -> Surface:
    """Return what turning a `profile` about the y axis makes.

    Args:
        profile: points (radius, y) [N, 2] from the bottom up, first and last on the axis; or the closed section of a
            ring, counter-clockwise, away from the axis.
        segments: how many pieces around; a multiple of 4 reaches the full radius along both x and z.
    """
    outline = np.asarray(profile, np.float64)
    solid = outline[0, 0] == 0.0
    turned = outline[1:-1] if solid else outline
    angle = np.linspace(0.0, 2 * np.pi, segments, endpoint=False)
    circle = np.stack([np.cos(angle), -np.sin(angle)], axis=-1)
    rings = np.empty((len(turned), segments, 3))
    rings[..., [0, 2]] = turned[:, None, :1] * circle
    rings[..., 1] = turned[:, 1, None]
    around = np.linspace(0.0, 2 * np.pi * turned[:, 0].max(), segments + 1)
    if solid:
        return tube(
            rings, around, arc_lengths(turned), np.array([(0.0, outline[0, 1], 0.0), (0.0, outline[-1, 1], 0.0)])
        )
    return tube(rings, around, arc_lengths(np.concatenate([turned, turned[:1]])), None)


def slab(outline: Array, profile: Points) -> Surface:
    """Return a board of any convex outline with a shaped edge.

    Args:
        outline: [S, 2] in (x, -z), counter-clockwise.
        profile: of the edge, from the bottom up: (distance inward from the outline, y) [N, 2].
    """
    edge = np.asarray(profile, np.float64)
    plane = outline - edge[:, None, :1] * _miters(outline)  # [N, S, 2]
    rings = np.stack([plane[..., 0], np.broadcast_to(edge[:, 1, None], plane.shape[:2]), -plane[..., 1]], axis=-1)
    around = arc_lengths(np.concatenate([outline, outline[:1]]))
    ends = np.array([(0.0, edge[0, 1], 0.0), (0.0, edge[-1, 1], 0.0)])
    return tube(rings, around, arc_lengths(edge), ends).box_mapped()


def mitered(corners: Array, section: Array) -> Surface:
    """Return a molding around a polygon, its pieces joined by miters.

    Args:
        corners: of the convex polygon in the plane z = 0, [K, 2], counter-clockwise.
        section: [S, 2] in (outward from the polygon, z), counter-clockwise.
    """
    plane = corners[:, None] + section[:, :1] * _miters(corners)[:, None]  # [K, S, 2]
    rings = np.concatenate([plane, np.broadcast_to(section[:, 1:], (*plane.shape[:2], 1))], axis=-1)[::-1]
    around = arc_lengths(np.concatenate([section, section[:1]]))
    return tube(rings, around, arc_lengths(np.concatenate([corners, corners[:1]])[::-1]), None)


def round_edge(low: float, high: float, radius: float, steps: int = 4) -> Array:
    """Return the `profile` of a ``slab`` from y = `low` to y = `high` with both edges rounded by quarter circles."""
    radius = min(radius, 0.499 * (high - low))
    angle = np.linspace(0.0, np.pi / 2, steps + 1)
    lower = np.stack([radius * (1 - np.sin(angle)), low + radius * (1 - np.cos(angle))], axis=-1)
    return np.concatenate([lower, lower[::-1] * (1.0, -1.0) + (0.0, low + high)])


def rod(start: Sequence[float], end: Sequence[float], radius: float, belly: float = 1.0) -> Surface:
    """Return a round rod from `start` to `end`, thicker in the middle by the factor `belly`; never along y."""
    path = line(start, end, 9)
    bulge = 1.0 + (belly - 1.0) * np.sin(np.linspace(0.0, np.pi, len(path)))
    return sweep(path, superellipse(14, 2.0, radius, radius), bulge)


def _carried(points: Array, sections: Array, axes: Array, ends: Array | None) -> Surface:
    """Return the tube of `sections` [N, S, 2] at `points` [N, 3], in planes spanned by `axes` [N, 2, 3]."""
    rings = points[:, None] + sections @ axes
    widest = sections[np.abs(sections).max(axis=(1, 2)).argmax()]
    around = arc_lengths(np.concatenate([widest, widest[:1]]))
    along = arc_lengths(points if ends is not None else np.concatenate([points, points[:1]]))
    return tube(rings, around, along, ends)


def _miters(outline: Array) -> Array:
    """Return what moves the corners of an outline [S, 2] when all its edges move outward by 1, [S, 2]."""
    edges = np.roll(outline, -1, axis=0) - outline
    outward = np.stack([edges[:, 1], -edges[:, 0]], axis=-1) / np.linalg.norm(edges, axis=1, keepdims=True)
    both = outward + np.roll(outward, 1, axis=0)
    miters: Array = 2.0 * both / (both**2).sum(axis=1, keepdims=True)
    return miters


def _with_domes(
    points: Array, scales: Array, sideways: Array, upward: Array, tangents: Array, dome: float, steps: int = 4
) -> tuple[Array, Array, Array, Array]:
    """Return points, scales and axes with the rings of elliptic domes added before the first and after the last."""
    angle = np.linspace(0.0, np.pi / 2, steps + 1)[1:-1, None]
    before = points[0] - dome * np.sin(angle) * tangents[0], np.cos(angle) * scales[0]
    after = points[-1] + dome * np.sin(angle) * tangents[-1], np.cos(angle) * scales[-1]
    lower, upper = np.repeat(0, len(angle)), np.repeat(-1, len(angle))
    rows = np.concatenate([lower, np.arange(len(points)), upper])
    return (
        np.concatenate([before[0][::-1], points, after[0]]),
        np.concatenate([before[1][::-1], scales, after[1]]),
        sideways[rows],
        upward[rows],
    )


def _scales(scale: Scales, count: int) -> Array:
    scales = np.asarray(scale, np.float64)
    if scales.ndim == 1:
        scales = scales[:, None]
    return np.broadcast_to(scales, (count, 2))


def grid_triangles(rows: int, columns: int, wrap_rows: int, wrap_columns: int, reverse: bool = False) -> Indices:
    """Return the triangles [2 rows columns, 3] of a grid of vertices whose last row or column may be its first."""
    i, j = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    down, right = (i + 1) % wrap_rows, (j + 1) % wrap_columns
    a, b = i * wrap_columns + j, i * wrap_columns + right
    c, d = down * wrap_columns + right, down * wrap_columns + j
    triangles = np.stack([a, b, c, a, c, d], axis=-1).reshape(-1, 3)
    return triangles[:, ::-1] if reverse else triangles


def _fan(size: int, first: int, center: int, reverse: bool) -> Indices:
    ring = first + np.arange(size)
    after = first + np.roll(np.arange(size), -1)
    pair = (after, ring) if reverse else (ring, after)
    return np.stack([np.full(size, center), *pair], axis=-1)


def _in_plane(ring: Array, center: Array) -> Array:
    """Return the texture coordinates [S + 1, 2] of a ring and its center: metres in the ring's plane."""
    spokes = ring - center
    normal = np.cross(spokes, np.roll(spokes, -1, axis=0)).sum(axis=0)
    normal /= np.linalg.norm(normal)
    right = spokes[0] - normal * (spokes[0] @ normal)
    right /= np.linalg.norm(right)
    flat = spokes @ np.stack([right, np.cross(normal, right)], axis=-1)
    return np.concatenate([flat, np.zeros((1, 2))])
