"""An armchair of the 1950s: two cushions in a frame of bent wood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnsr.scenes.furniture.boxes import Cushion
from cnsr.scenes.furniture.curves import spline, superellipse, varying
from cnsr.scenes.furniture.piece import Bounds, Furniture, Parts, ranged, standing
from cnsr.scenes.furniture.solids import loft, sweep
from cnsr.scenes.furniture.surface import Surface, joined

_CORD = 0.0045


@dataclass(frozen=True)
class Armchair(Furniture):
    """A lounge chair with a leaning back of slats, curved armrests and loose cushions."""

    kind = "armchair"
    parts = ("wood", "fabric", "piping")

    width: float = ranged(0.74, 0.68, 0.8)
    depth: float = ranged(0.82, 0.76, 0.88)
    height: float = ranged(0.82, 0.76, 0.9)
    seat_height: float = ranged(0.41, 0.38, 0.43)
    arm_height: float = ranged(0.57, 0.54, 0.61)
    lean: float = ranged(21.0, 16.0, 25.0)
    slats: int = ranged(5, 4, 7)
    cushion: float = ranged(0.13, 0.11, 0.15)

    def bounds(self) -> Bounds:
        """Return the box around the armchair."""
        return standing(self.width, self.height, self.depth)

    def shape(self) -> Parts:
        """Return the armchair."""
        fabric, piping = self._cushions()
        return {"wood": joined([*self._sides(), *self._rails()]), "fabric": joined(fabric), "piping": joined(piping)}

    @property
    def _x(self) -> float:
        """Where the legs are."""
        return self.width / 2 - 0.055

    @property
    def _slope(self) -> float:
        """How far the back leans for each metre of height."""
        return float(np.tan(np.radians(self.lean)))

    @property
    def _hinge(self) -> float:
        """Z of the back posts at 0.45 m: they end where the depth does."""
        return -self.depth / 2 + 0.015 + self._slope * (self.height - 0.45)

    def _sides(self) -> list[Surface]:
        x, front, back, arm = self._x, self.depth / 2, -self.depth / 2, self.arm_height
        square = superellipse(22, 3.0, 0.017, 0.022)
        taper = varying(24, (0.0, 0.62), (1.0, 1.0))
        legs = [
            [(x + 0.01, 0.0, front - 0.04), (x, 0.3, front - 0.075), (x, arm - 0.01, front - 0.09)],
            [(x + 0.01, 0.0, back + 0.09), (x, 0.33, back + 0.15), (x, arm - 0.03, back + 0.2)],
        ]
        parts = [loft(spline(leg, 24), square, taper) for leg in legs]
        rest = [(x, arm - 0.026, back + 0.11), (x + 0.012, arm, -0.12), (x + 0.02, arm + 0.016, front - 0.22)]
        rest.append((x + 0.015, arm, front - 0.005))
        wide = varying(40, (0.0, 0.55), (0.5, 1.05), (0.85, 1.1), (1.0, 0.65))
        rest_section = superellipse(26, 3.0, 0.033, 0.0125)
        parts.append(sweep(spline(rest, 40), rest_section, np.stack([wide, np.ones(40)], axis=-1), dome=0.012))
        rail = spline([(x, 0.225, back + 0.13), (x, 0.25, 0.0), (x, 0.27, front - 0.075)], 16)
        parts.append(sweep(rail, superellipse(20, 4.0, 0.011, 0.027)))
        post = [(x - 0.05, 0.215, self._hinge + 0.1), (x - 0.05, 0.45, self._hinge)]
        post.append((x - 0.052, self.height, self._hinge - self._slope * (self.height - 0.45)))
        parts.append(loft(spline(post, 24), superellipse(18, 3.0, 0.013, 0.015), varying(24, (0.0, 1.0), (1.0, 0.85))))
        return [one for right in parts for one in (right, right.mirrored("x"))]

    def _rails(self) -> list[Surface]:
        section = superellipse(20, 4.0, 0.012, 0.027)
        ends = np.linspace(-self._x, self._x, 9)
        rails = []
        for y, z in ((0.268, self.depth / 2 - 0.078), (0.226, -self.depth / 2 + 0.14)):
            rails.append(sweep(np.stack([ends, np.full(9, y), np.full(9, z)], axis=-1), section))
        t = np.linspace(-1.0, 1.0, 21)
        slat = superellipse(16, 3.0, 0.006, 0.016)
        for y in np.linspace(0.4, self.height - 0.045, self.slats):
            bowed = self._back_z(y) - 0.016 * (1 - t**2)
            path = np.stack([(self._x - 0.05) * t, np.full(21, y), bowed], axis=-1)
            rails.append(sweep(path, slat, up=(0.0, 1.0, -self._slope)))
        return rails

    def _back_z(self, y: float) -> float:
        return self._hinge - self._slope * (y - 0.45)

    def _cushions(self) -> tuple[list[Surface], list[Surface]]:
        wide, thick = 2 * self._x - 0.045, self.cushion
        front = self.depth / 2 - 0.02
        back = self._back_z(self.seat_height) + 0.02
        seat = Cushion((wide, thick - 0.02, front - back), 0.042, 0.026, 0.0035, seed=1)
        tall = (self.height - self.seat_height - 0.005) / np.cos(np.radians(self.lean)) - 0.01
        rest = Cushion((wide - 0.01, thick - 0.02, tall), 0.046, 0.034, 0.0045, seed=2)

        def seated(one: Surface) -> Surface:
            return one.turned("x", -4.0).moved(0.0, self.seat_height - 0.5 * thick, (front + back) / 2)

        def leaning(one: Surface) -> Surface:
            y = self.seat_height + 0.5 * tall * np.cos(np.radians(self.lean)) - 0.025
            return one.turned("x", 90.0 - self.lean).moved(0.0, y, self._back_z(y) + 0.5 * thick + 0.012)

        cushions = [seated(seat.body(4, (14, 2, 14))), leaning(rest.body(4, (14, 2, 14)))]
        return cushions, [seated(seat.piping(_CORD, 80)), leaning(rest.piping(_CORD, 80))]
