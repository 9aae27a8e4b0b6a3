"""Curves that furniture is shaped along: splines, fillets, outlines. Points are float64 [N, 2] or [N, 3], metres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Points = Array | Sequence[Sequence[float]]


def arc_lengths(points: Array) -> Array:
    """Return the length of a polyline [..., N, K] up to each of its points, [..., N]."""
    steps = np.linalg.norm(np.diff(points, axis=-2), axis=-1)
    return np.concatenate([np.zeros((*steps.shape[:-1], 1)), np.cumsum(steps, axis=-1)], axis=-1)


def line(start: Sequence[float], end: Sequence[float], count: int) -> Array:
    """Return `count` points evenly from `start` to `end`."""
    share = np.linspace(0.0, 1.0, count)[:, None]
    points: Array = (1.0 - share) * np.asarray(start, np.float64) + share * np.asarray(end, np.float64)
    return points


def spline(points: Points, count: int) -> Array:
    """Return `count` points of the smooth curve through `points`, the first and last of them included.

    The natural cubic spline over chord lengths (de Boor, *A Practical Guide to Splines*, chapter IV): two continuous
    derivatives, none of second order at the ends.
    """
    knots = np.asarray(points, np.float64)
    lengths = arc_lengths(knots)
    spans = np.diff(lengths)
    slopes = np.diff(knots, axis=0) / spans[:, None]
    system, right = np.eye(len(knots)), np.zeros_like(knots)
    for i in range(1, len(knots) - 1):
        system[i, i - 1 : i + 2] = spans[i - 1], 2 * (spans[i - 1] + spans[i]), spans[i]
        right[i] = 6 * (slopes[i] - slopes[i - 1])
    bends = np.linalg.solve(system, right)  # second derivatives at the knots
    at = np.linspace(0.0, lengths[-1], count)
    k = np.clip(np.searchsorted(lengths, at, side="right") - 1, 0, len(spans) - 1)
    span, behind = spans[k, None], (at - lengths[k])[:, None]
    left = span - behind
    curve: Array = (
        (bends[k] * left**3 + bends[k + 1] * behind**3) / (6 * span)
        + (knots[k] / span - bends[k] * span / 6) * left
        + (knots[k + 1] / span - bends[k + 1] * span / 6) * behind
    )
    return curve


def fillet(points: Points, radius: float | Sequence[float], steps: int = 4, closed: bool = False) -> Array:
    """Return a polyline [N, 2] whose corners are rounded by arcs of `steps` pieces.

    Args:
        points: the corners; the ends of an open line stay as they are.
        radius: of all arcs, or of each corner (ends included, though they have none); 0 keeps a corner. Arcs take up
            at most 45 % of the edges beside them, with a smaller radius if need be.
        steps: pieces of each arc.
        closed: whether the last point is joined to the first.
    """
    corners = np.asarray(points, np.float64)
    radii = np.broadcast_to(np.asarray(radius, np.float64), len(corners))
    before, after = np.roll(corners, 1, axis=0), np.roll(corners, -1, axis=0)
    arcs = []
    for i, corner in enumerate(corners):
        if radii[i] == 0.0 or (not closed and i in (0, len(corners) - 1)):
            arcs.append(corner[None])
            continue
        come, go = corner - before[i], after[i] - corner
        shorter = min(np.linalg.norm(come), np.linalg.norm(go))
        come, go = come / np.linalg.norm(come), go / np.linalg.norm(go)
        turn = np.arccos(np.clip(come @ go, -1.0, 1.0))
        if turn < 1e-6:
            arcs.append(corner[None])
            continue
        taken = min(radii[i] * np.tan(turn / 2), 0.45 * shorter)
        size = taken / np.tan(turn / 2)
        inward = (go - come * (come @ go)) / np.sin(turn)
        angle = np.linspace(0.0, turn, steps + 1)[:, None]
        arcs.append(corner - taken * come + size * (np.sin(angle) * come + (1 - np.cos(angle)) * inward))
    return np.concatenate(arcs)


def superellipse(count: int, exponent: float, half_width: float, half_height: float) -> Array:
    """Return a closed outline [count, 2], counter-clockwise: |x / half_width|^e + |y / half_height|^e = 1.

    Exponent 2 is an ellipse; larger ones come closer to a rectangle with soft corners.
    """
    angle = np.linspace(0.0, 2 * np.pi, count, endpoint=False)
    cosine, sine = np.cos(angle), np.sin(angle)
    power = 2.0 / exponent
    x = half_width * np.sign(cosine) * np.abs(cosine) ** power
    y = half_height * np.sign(sine) * np.abs(sine) ** power
    return np.stack([x, y], axis=-1)


def rounded_rectangle(width: float, height: float, radius: float, steps: int = 4) -> Array:
    """Return the closed outline [4 (steps + 1), 2] of a rectangle about the origin, counter-clockwise."""
    x, y = 0.5 * width, 0.5 * height
    return fillet([(x, -y), (x, y), (-x, y), (-x, -y)], radius, steps, closed=True)


def varying(count: int, *stops: tuple[float, float]) -> Array:
    """Return [count] values along a curve, interpolated between `stops`: (place in [0, 1], value)."""
    places, values = zip(*stops, strict=True)
    values_between: Array = np.interp(np.linspace(0.0, 1.0, count), places, values)
    return values_between
