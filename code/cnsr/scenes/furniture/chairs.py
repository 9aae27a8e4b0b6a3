"""Dining chairs: slat back with turned legs, ladder back with a woven seat, upholstered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cnsr.scenes.furniture.boxes import Cushion, rounded_box
from cnsr.scenes.furniture.curves import Points, fillet, line, spline, superellipse, varying
from cnsr.scenes.furniture.piece import Bounds, Furniture, Parts, ranged, standing
from cnsr.scenes.furniture.solids import lathe, loft, rod, sweep
from cnsr.scenes.furniture.surface import Array, Surface, joined

_THICKNESS = 0.034  # of a wooden seat


class Chair(Furniture):
    """What all chairs are."""

    kind = "chair"
    parts: ClassVar[tuple[str, ...]] = ("wood",)
    width: float
    depth: float
    height: float

    def bounds(self) -> Bounds:
        """Return the box around the chair."""
        return standing(self.width, self.height, self.depth)


@dataclass(frozen=True)
class SlatBackChair(Chair):
    """A farmhouse chair: saddled seat, turned front legs, bent slats between two rails."""

    width: float = ranged(0.46, 0.42, 0.5)
    depth: float = ranged(0.53, 0.5, 0.57)
    height: float = ranged(0.94, 0.86, 1.05)
    seat_height: float = ranged(0.46, 0.44, 0.48)
    slats: int = ranged(5, 3, 7)
    beads: int = ranged(2, 1, 3)
    lean: float = ranged(0.07, 0.05, 0.1)
    bow: float = ranged(0.03, 0.015, 0.045)
    leg: float = ranged(0.021, 0.018, 0.025)

    def shape(self) -> Parts:
        """Return the chair."""
        return {"wood": joined([self._seat(), *self._front_legs(), *self._back(), *self._stretchers()])}

    @property
    def _post_z(self) -> float:
        """Where the posts pass the seat."""
        return -self.depth / 2 + self.lean + self.bow + 0.009

    @property
    def _post_x(self) -> float:
        return 0.46 * self.width - 0.03

    def _back_z(self, y: Array | float) -> Array:
        """Return where the posts are at a height above the seat."""
        share = (np.asarray(y) - self.seat_height) / (self.height - self.seat_height)
        return self._post_z - self.lean * share**1.15

    def _seat(self) -> Surface:
        front, back = self.depth / 2, self._post_z - 0.02
        depth = front - back
        board = rounded_box((self.width, _THICKNESS, depth), 0.013, 4, (24, 2, 24))

        def saddle(points: Array) -> Array:
            x, y, z = points.T
            a, b = x / (self.width / 2), z / (depth / 2)
            dish = np.clip(1 - a**2, 0.0, 1.0) * np.clip(1 - (0.95 * b - 0.05) ** 4, 0.0, 1.0)
            hollow = 0.012 * dish * (1.0 + 0.3 * np.cos(2.2 * np.pi * a)) * (y > 0.0)
            return np.stack([x * (0.96 + 0.04 * b), y - hollow, z], axis=-1)

        return board.warped(saddle).box_mapped("z").moved(0.0, self.seat_height - _THICKNESS / 2, (front + back) / 2)

    def _front_legs(self) -> list[Surface]:
        height = self.seat_height - 0.5 * _THICKNESS
        leg = turned_leg(height, self.leg, self.beads)
        x, z = self.width / 2 - 0.055, self.depth / 2 - 0.06

        def splayed(points: Array) -> Array:
            out = 0.03 * (1.0 - points[:, 1] / height)
            return points + np.stack([x + out, np.zeros(len(points)), z + out], axis=-1)

        right = leg.warped(splayed)
        return [right, right.mirrored("x")]

    def _back(self) -> list[Surface]:
        x, z, seat, top = self._post_x, self._post_z, self.seat_height, self.height - 0.035
        knots = [(x + 0.012, 0.0, z - 0.05), (x, 0.5 * seat, z - 0.012), (x, seat, z)]
        knots += [(x + 0.002, y, float(self._back_z(y))) for y in (seat + 0.4 * (top - seat), top)]
        scale = varying(36, (0.0, 0.75), (0.45, 1.1), (1.0, 0.8))
        post = loft(spline(knots, 36), superellipse(24, 3.4, 0.016, 0.018), scale)
        low, crest = seat + 0.1, self.height - 0.05
        rails = [self._rail(low, 0.034, 0.016, 1.0, 0.0), self._rail(crest, 0.076, 0.021, 1.14, 0.012)]
        places = (np.arange(self.slats) + 1) / (self.slats + 1) * 2 - 1
        return [post, post.mirrored("x"), *rails, *(self._slat(place, low, crest) for place in places)]

    def _slat(self, place: float, low: float, high: float) -> Surface:
        """Return a slat from rail to rail, at `place` from -1 to 1 between the posts; it bends with the rails."""
        knots = [
            (0.97 * place * self._post_x, y, float(self._back_z(y)) - self.bow * (1 - place**2) + forward)
            for y, forward in ((low, 0.0), (0.5 * (low + high), 0.008), (high, 0.0))
        ]
        half = min(0.018, 0.6 * self._post_x / (self.slats + 1))
        wide = varying(18, (0.0, 0.8), (0.5, 1.15), (1.0, 0.85))
        return sweep(spline(knots, 18), superellipse(16, 4.0, half, 0.005), wide, up=(0.0, 0.0, 1.0))

    def _rail(self, y: float, height: float, thickness: float, reach: float, crown: float) -> Surface:
        """Return a bent rail between the posts; its upper edge is `height` / 2 + `crown` above `y` in the middle."""
        t = np.linspace(-1.0, 1.0, 31)
        path = np.stack([reach * self._post_x * t, y + crown * (1 - t**2), self._back_z(y) - self.bow * (1 - t**2)], -1)
        slope = self.lean / (self.height - self.seat_height)
        return sweep(path, superellipse(24, 5.0, thickness / 2, height / 2), up=(0.0, 1.0, -slope), dome=0.006)

    def _stretchers(self) -> list[Surface]:
        y = 0.38 * self.seat_height
        front_x, front_z = self.width / 2 - 0.037, self.depth / 2 - 0.042
        x, z = self._post_x + 0.003, self._post_z - 0.02
        sides = [rod((s * x, y, z), (s * front_x, y, front_z), 0.009, 1.25) for s in (-1.0, 1.0)]
        share = 0.62
        cross = x + share * (front_x - x)
        middle_z = z + share * (front_z - z)
        return [*sides, rod((-cross, y, middle_z), (cross, y, middle_z), 0.009, 1.3)]


@dataclass(frozen=True)
class LadderBackChair(Chair):
    """A Shaker chair: round posts with finials, bent slats one above the other, a woven seat."""

    parts = ("wood", "fabric")

    width: float = ranged(0.47, 0.44, 0.51)
    depth: float = ranged(0.45, 0.42, 0.49)
    height: float = ranged(1.02, 0.92, 1.12)
    seat_height: float = ranged(0.45, 0.43, 0.47)
    slats: int = ranged(4, 3, 5)
    post: float = ranged(0.017, 0.015, 0.02)
    lean: float = ranged(0.055, 0.035, 0.08)
    bow: float = ranged(0.025, 0.015, 0.035)

    def shape(self) -> Parts:
        """Return the chair."""
        wood = [*self._posts(), *self._slats(), *self._rungs()]
        return {"wood": joined(wood), "fabric": self._seat()}

    @property
    def _corners(self) -> tuple[float, float, float, float]:
        """X of the front and of the back posts, z of them at the seat."""
        front = self.width / 2 - self.post
        return front, 0.84 * front, self.depth / 2 - self.post, -self.depth / 2 + self.lean + self.post

    def _back_z(self, y: float) -> float:
        above = max(y - self.seat_height, 0.0) / (self.height - self.seat_height)
        return self._corners[3] - self.lean * above

    def _posts(self) -> list[Surface]:
        front_x, back_x, front_z, back_z = self._corners
        r = self.post
        circle = superellipse(20, 2.0, r, r)
        top = self.seat_height + 0.03
        front = loft(line((front_x, 0.0, front_z), (front_x, top, front_z), 24), circle, _post_scale(24))
        knob = _knob(r).moved(front_x, top, front_z)
        end = self.height - 3.6 * r
        knots = [
            (back_x, 0.0, back_z - 0.015),
            (back_x, 0.5 * self.seat_height, back_z),
            (back_x, self.seat_height, back_z),
        ]
        knots += [(back_x, y, self._back_z(y)) for y in (0.5 * (self.seat_height + end), end)]
        back = loft(spline(knots, 40), circle, _post_scale(40))
        finial = _finial(r).moved(back_x, end - 0.002, self._back_z(end))
        return [one for right in (front, knob, back, finial) for one in (right, right.mirrored("x"))]

    def _slats(self) -> list[Surface]:
        back_x = self._corners[1]
        t = np.linspace(-1.0, 1.0, 25)
        slats = []
        first, last = self.seat_height + 0.13, self.height - 0.115
        for y in np.linspace(first, last, self.slats):
            half = min(0.03, 0.27 * (last - first) / (self.slats - 1))
            path = np.stack([back_x * t, y + 0.008 * (1 - t**2), self._back_z(y) - self.bow * (1 - t**2)], -1)
            scale = np.stack([np.ones(25), 0.62 + 0.38 * (1 - t**2)], axis=-1)
            slats.append(sweep(path, superellipse(18, 3.4, 0.005, half), scale, up=(0.0, 1.0, -0.1)))
        return slats

    def _rungs(self) -> list[Surface]:
        front_x, back_x, front_z, back_z = self._corners
        rungs = []
        for share in (0.3, 0.56):
            y = share * self.seat_height
            rungs.append(rod((-front_x, y, front_z), (front_x, y, front_z), 0.009, 1.25))
            y -= 0.035
            rungs += [rod((s * back_x, y, back_z), (s * front_x, y, front_z), 0.009, 1.25) for s in (-1.0, 1.0)]
        y = 0.42 * self.seat_height
        return [*rungs, rod((-back_x, y, back_z), (back_x, y, back_z), 0.009, 1.25)]

    def _seat(self) -> Surface:
        """Return the seat of rush: cords that run along each edge and meet in the diagonals."""
        front_x, back_x, front_z, back_z = self._corners
        depth = front_z - back_z + 0.02
        mat = rounded_box((2 * front_x + 0.02, 0.042, depth), 0.018, 3, (46, 1, 42))

        def woven(points: Array) -> Array:
            x, y, z = points.T
            a, b = x / (front_x + 0.01), z / (depth / 2)
            across = np.where(np.abs(a) > np.abs(b), x, z)
            seam = np.exp(-(((np.abs(a) - np.abs(b)) / 0.06) ** 2))
            puff = 0.012 * np.clip(1 - a**2, 0.0, 1.0) * np.clip(1 - b**2, 0.0, 1.0)
            rise = puff + 0.0014 * np.sin(2 * np.pi * across / 0.026) - 0.004 * seam
            narrow = back_x / front_x + (1 - back_x / front_x) * (0.5 + 0.5 * b)
            return np.stack([x * narrow, y + np.sign(y) * rise, z], axis=-1)

        return mat.warped(woven).moved(0.0, self.seat_height - 0.021, (front_z + back_z) / 2)


@dataclass(frozen=True)
class UpholsteredChair(Chair):
    """A padded seat and a curved padded back on tapered legs."""

    parts = ("wood", "fabric", "piping")

    width: float = ranged(0.49, 0.45, 0.54)
    depth: float = ranged(0.59, 0.54, 0.64)
    height: float = ranged(0.9, 0.82, 1.0)
    seat_height: float = ranged(0.48, 0.46, 0.5)
    cushion: float = ranged(0.1, 0.08, 0.12)
    lean: float = ranged(0.09, 0.06, 0.12)
    bow: float = ranged(0.035, 0.0, 0.05)
    leg: float = ranged(0.042, 0.034, 0.05)

    def shape(self) -> Parts:
        """Return the chair."""
        seat, cords = self._seat()
        back, edge = self._back()
        return {"wood": joined(self._legs()), "fabric": joined([seat, *back]), "piping": joined([cords, edge])}

    def _seat(self) -> tuple[Surface, Surface]:
        depth = self.depth - self.lean - 0.03
        size = (self.width - 0.03, self.cushion - 0.02, depth)
        cushion = Cushion(size, 0.028, 0.014, 0.0012, seed=1)
        place = (0.0, self.seat_height - self.cushion / 2 - 0.004, self.depth / 2 - depth / 2 - 0.01)
        return cushion.body(4, (16, 2, 16)).moved(*place), cushion.piping(0.0036, 80).moved(*place)

    def _back(self) -> tuple[list[Surface], Surface]:
        low, thick = self.seat_height - self.cushion + 0.01, 0.062
        tall, wide = self.height - low, self.width - 0.004
        z = -self.depth / 2 + self.lean + thick / 2 + self.bow

        def bent(points: Array) -> Array:
            """Lean and curve what stands upright about the origin, and narrow it towards the seat."""
            x, y, depth = points.T
            share, side = np.clip(y / tall + 0.5, 0.0, 1.0), np.clip(2 * np.abs(x) / wide, 0.0, 1.0)
            bulge = 0.01 * np.sign(depth) * (1 - side**2) * np.clip(4 * share * (1 - share), 0.0, 1.0)
            back = depth + bulge - self.bow * (1 - side**2) - self.lean * share**1.2
            narrow = 0.9 + 0.1 * share
            return np.stack([x * narrow, y + low + tall / 2 - 0.018 * side**2.5 * share, back + z], axis=-1)

        panel = rounded_box((wide, tall, thick), 0.03, 4, (20, 24, 2)).warped(bent)
        outline = superellipse(96, 9.0, wide / 2 - 0.008, tall / 2 - 0.008)
        path = bent(np.stack([outline[:, 0], outline[:, 1], np.full(96, thick / 2 - 0.006)], axis=-1))
        cord = sweep(path, superellipse(8, 2.0, 0.0036, 0.0036), up=(0.0, 0.0, 1.0), closed=True)
        return [panel], cord

    def _legs(self) -> list[Surface]:
        under = self.seat_height - self.cushion + 0.02
        x, front = self.width / 2 - 0.045, self.depth / 2 - 0.05
        back = -self.depth / 2 + self.lean + 0.07
        section = superellipse(24, 4.5, self.leg / 2, self.leg / 2)
        scale = varying(14, (0.0, 0.55), (1.0, 1.0))
        legs = []
        for z, kick in ((front, 0.012), (back, -0.055)):
            path = spline([(x + 0.008, 0.0, z + kick), (x, 0.55 * under, z + 0.25 * kick), (x, under, z)], 14)
            legs.append(loft(path, section, scale))
        frame = rounded_box((self.width - 0.07, 0.04, front - back + 0.05), 0.005, 2, (4, 1, 4))
        frame = frame.moved(0.0, under - 0.012, (front + back) / 2)
        return [frame, *legs, *(leg.mirrored("x") for leg in legs)]


def turned_leg(height: float, radius: float, beads: int, segments: int = 24) -> Surface:
    """Return a leg from y = 0 to `height` as it comes off a lathe: a tapered foot, `beads` beads, a plain block."""
    shape: list[tuple[float, float]] = [(0.56, 0.0), (0.6, 0.03), (0.5, 0.06), (0.56, 0.1), (0.8, 0.42), (0.98, 0.6)]
    shape += [(0.98, 0.64)]
    for k in range(beads):
        y = 0.66 + 0.15 * k / beads
        span = 0.15 / beads
        shape += [(0.62, y), (0.98, y + 0.25 * span), (0.98, y + 0.6 * span), (0.62, y + 0.85 * span)]
    shape += [(0.8, 0.82), (1.0, 0.835), (1.0, 1.0)]
    profile = fillet(np.array(shape) * (radius, height), 0.012, 4)
    return lathe(np.concatenate([[(0.0, 0.0)], profile, [(0.0, height)]]), segments)


def _post_scale(count: int) -> Array:
    return varying(count, (0.0, 0.72), (0.18, 1.0), (0.85, 1.0), (1.0, 0.82))


def _finial(r: float) -> Surface:
    """Return an acorn on a neck."""
    shape: Points = [(0.82, 0.0), (0.5, 0.35), (0.55, 0.7), (1.05, 1.2), (1.1, 1.9), (0.75, 2.9), (0.3, 3.5)]
    profile = spline(np.array(shape) * r, 24)
    return lathe(np.concatenate([[(0.0, 0.0)], profile, [(0.0, 3.6 * r)]]), 20)


def _knob(r: float) -> Surface:
    """Return the round end of a front post."""
    angle = np.linspace(0.0, np.pi / 2, 8)[:-1]
    profile = np.stack([0.82 * r * np.cos(angle), 0.6 * r * np.sin(angle)], axis=-1)
    return lathe(np.concatenate([[(0.0, -0.004), (0.82 * r, -0.004)], profile, [(0.0, 0.6 * r)]]), 20)
