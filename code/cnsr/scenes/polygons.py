"""Cutting of polygons into triangles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Indices = NDArray[np.int64]


def cut_polygons(points: Points, corners: Indices, sizes: Indices) -> Indices:
    """Cut many polygons into triangles, polygon by polygon, each as ``cut_polygon`` does.

    Args:
        points: where the corners lie, [N, 3].
        corners: index into `points` of every corner of every polygon, one polygon after another, [sum of sizes].
        sizes: how many corners each polygon has, at least 3, [P].

    Returns:
        Places in `corners`, [T, 3].
    """
    first = np.cumsum(sizes) - sizes  # place of each polygon's first corner
    counts = sizes - 2
    target = np.cumsum(counts) - counts  # row of each polygon's first triangle
    triangles = np.empty((int(counts.sum()), 3), np.int64)
    threes = sizes == 3
    triangles[target[threes]] = first[threes, None] + np.arange(3)
    # Nearly all others are quadrilaterals whose corner 1 is an ear; these are found all at once.
    fours = np.flatnonzero(sizes == 4)
    outlines = points[corners[first[fours, None] + np.arange(4)]]  # [Q, 4, 3]
    easy = _second_is_ear(_flattened(outlines))
    places, rows = first[fours[easy], None], target[fours[easy]]
    triangles[rows] = places + np.array([0, 1, 2])
    triangles[rows + 1] = places + np.array([0, 2, 3])
    for polygon in np.concatenate([fours[~easy], np.flatnonzero(sizes > 4)]):
        start, row = first[polygon], target[polygon]
        cut = cut_polygon(points[corners[start : start + sizes[polygon]]])
        triangles[row : row + len(cut)] = start + np.array(cut)
    return triangles


def cut_polygon(outline: Points) -> list[tuple[int, int, int]]:
    """Cut a simple, roughly plane polygon [N, 3] into N - 2 triangles of corner indices, in its orientation.

    Ears are clipped one by one (Meisters 1975). Where no ear is left, as in polygons that cross themselves, the rest
    becomes a fan, so that the number of triangles is right.
    """
    flat = _flattened(outline[None])[0]
    left = np.arange(len(outline))
    triangles = []
    while len(left) > 3:
        ear = _find_ear(flat[left])
        if ear is None:
            break
        triangles.append(tuple(int(left[i]) for i in (ear - 1, ear, (ear + 1) % len(left))))
        left = np.delete(left, ear)
    triangles += [(int(left[0]), int(left[i]), int(left[i + 1])) for i in range(1, len(left) - 1)]
    return triangles  # type: ignore[return-value] # tuples of 3


def _flattened(outlines: Points) -> Points:
    """Return polygons [P, N, 3] in the plane that each faces most, with their orientation counter-clockwise."""
    following = np.roll(outlines, -1, axis=1)
    normals = np.cross(outlines, following).sum(axis=1)  # Newell's method: twice the area vector
    axes = np.abs(normals).argmax(axis=1)
    facing = np.take_along_axis(normals, axes[:, None], axis=1)[:, 0]
    kept = np.array([(1, 2), (0, 2), (0, 1)])[axes]
    swapped = (facing > 0) == (axes == 1)
    kept[swapped] = kept[swapped, ::-1]
    return np.take_along_axis(outlines, kept[:, None, :], axis=2)


def _second_is_ear(flat: Points) -> NDArray[np.bool_]:
    """Tell of quadrilaterals [Q, 4, 2] whether corner 1 is an ear."""
    a, b, c, d = (flat[:, i] for i in range(4))
    holds = (_doubled_area(a, b, d) >= 0) & (_doubled_area(b, c, d) >= 0) & (_doubled_area(c, a, d) >= 0)
    return (_doubled_area(a, b, c) > 0) & ~holds


def _find_ear(flat: Points) -> int | None:
    """Return the first corner of [N, 2], counted from 1, that is convex and whose triangle holds no other corner."""
    before, after = np.roll(flat, 1, axis=0), np.roll(flat, -1, axis=0)
    turns = _doubled_area(before, flat, after)
    # A triangle of three neighbors that holds any corner of a simple polygon holds one that is not convex.
    blocking = np.flatnonzero(~(turns > 0.0))
    for corner in [*np.flatnonzero(turns[1:] > 0.0) + 1, *([0] if turns[0] > 0.0 else [])]:
        a, b, c = before[corner], flat[corner], after[corner]
        neighbors = ((corner - 1) % len(flat), (corner + 1) % len(flat))
        others = flat[blocking[(blocking != neighbors[0]) & (blocking != neighbors[1])]]
        inside = (_doubled_area(a, b, others) >= 0) & (_doubled_area(b, c, others) >= 0)
        if not (inside & (_doubled_area(c, a, others) >= 0)).any():
            return int(corner)
    return None


def _doubled_area(a: Points, b: Points, c: Points) -> Points:
    """Return twice the signed area of triangles in the plane, [..., 2] each; positive if counter-clockwise."""
    return (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (c[..., 0] - a[..., 0])
