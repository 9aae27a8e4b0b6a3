"""Floor plans: convex outlines seen from above, turning and moving them, and whether they keep apart.

Points are (x, z) in metres. Angles turn counter-clockwise seen from above (from +y), as ``elements.mesh`` does: a
thing that faces +z at angle 0 faces (sin, cos) of its angle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

Point = tuple[float, float]

# Sides of the polygon around an ellipse: it is 1.3 % larger than the ellipse.
_ELLIPSE_SIDES = 20


@dataclass(frozen=True)
class Placement:
    """Where a thing stands: first turned by `angle`, then moved to (x, z)."""

    x: float
    z: float
    angle: float

    @cached_property
    def _turn(self) -> tuple[float, float]:
        return math.cos(self.angle), math.sin(self.angle)

    def apply(self, point: Point) -> Point:
        """Return where a point of the thing comes to lie."""
        (cosine, sine), (x, z) = self._turn, point
        return x * cosine + z * sine + self.x, z * cosine - x * sine + self.z

    def within(self, outer: Placement) -> Placement:
        """Return the placement of a thing in a group that is placed itself."""
        x, z = outer.apply((self.x, self.z))
        return Placement(x, z, self.angle + outer.angle)


@dataclass(frozen=True)
class Outline:
    """A convex polygon.

    Attributes:
        corners: in order, either way round.
    """

    corners: tuple[Point, ...]

    @classmethod
    def rectangle(cls, width: float, depth: float) -> Outline:
        """Return a rectangle about the origin, `width` along x."""
        x, z = width / 2, depth / 2
        return cls(((-x, -z), (x, -z), (x, z), (-x, z)))

    @classmethod
    def ellipse(cls, width: float, depth: float) -> Outline:
        """Return a polygon that just contains the ellipse about the origin."""
        grow = 0.5 / math.cos(math.pi / _ELLIPSE_SIDES)
        angles = (2 * math.pi * side / _ELLIPSE_SIDES for side in range(_ELLIPSE_SIDES))
        return cls(tuple((grow * width * math.cos(a), grow * depth * math.sin(a)) for a in angles))

    def placed(self, placement: Placement) -> Outline:
        """Return the outline at its place."""
        return Outline(tuple(map(placement.apply, self.corners)))

    @cached_property
    def bounds(self) -> tuple[Point, Point]:
        """The lowest and the highest x and z."""
        x, z = zip(*self.corners, strict=True)
        return (min(x), min(z)), (max(x), max(z))

    @cached_property
    def _directions(self) -> tuple[Point, ...]:
        """Unit vectors across all sides."""
        directions = []
        for (x0, z0), (x1, z1) in zip(self.corners, (*self.corners[1:], self.corners[0]), strict=True):
            length = math.hypot(x1 - x0, z1 - z0)
            directions.append(((z1 - z0) / length, (x0 - x1) / length))
        return tuple(directions)

    def span(self, direction: Point) -> Point:
        """Return the lowest and the highest coordinate along a unit vector."""
        along = [x * direction[0] + z * direction[1] for x, z in self.corners]
        return min(along), max(along)

    def keeps_from(self, other: Outline, gap: float) -> bool:
        """Tell whether some line with a strip of width `gap` on it lies between the two (separating axis theorem).

        At least `gap` metres are between them then. Past a corner it can be a little more before this is noticed.
        """
        (low, high), (other_low, other_high) = self.bounds, other.bounds
        if any(low[i] - other_high[i] >= gap or other_low[i] - high[i] >= gap for i in (0, 1)):
            return True
        for direction in (*self._directions, *other._directions):
            (a, b), (c, d) = self.span(direction), other.span(direction)
            if c - b >= gap or a - d >= gap:
                return True
        return False

    def is_inside(self, low: Point, high: Point) -> bool:
        """Tell whether it lies in a box."""
        ours_low, ours_high = self.bounds
        return all(low[i] <= ours_low[i] and ours_high[i] <= high[i] for i in (0, 1))


def shift_inside(low: Point, high: Point, outer_low: Point, outer_high: Point) -> Point:
    """Return the smallest shift that brings a box into another one, which is large enough."""

    def along(axis: int) -> float:
        return max(outer_low[axis] - low[axis], 0.0) + min(outer_high[axis] - high[axis], 0.0)

    return along(0), along(1)
