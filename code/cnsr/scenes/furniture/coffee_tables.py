"""Coffee tables: a round one on three legs, a rectangular one with a shelf."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnsr.scenes.furniture.boxes import rounded_box
from cnsr.scenes.furniture.curves import fillet, line, rounded_rectangle, spline, superellipse, varying
from cnsr.scenes.furniture.joinery import SUNK, beveled_edge, four
from cnsr.scenes.furniture.piece import Bounds, Furniture, Parts, ranged, standing
from cnsr.scenes.furniture.solids import lathe, loft, slab
from cnsr.scenes.furniture.surface import Surface, joined


@dataclass(frozen=True)
class RoundCoffeeTable(Furniture):
    """A round dish of wood on a tripod of tapered legs."""

    kind = "coffee_table"
    parts = ("wood",)

    diameter: float = ranged(0.86, 0.7, 1.0)
    height: float = ranged(0.4, 0.36, 0.45)
    thickness: float = ranged(0.034, 0.028, 0.04)
    rim: float = ranged(0.01, 0.004, 0.014)
    leg: float = ranged(0.046, 0.038, 0.054)
    lean: float = ranged(0.1, 0.06, 0.12)

    def bounds(self) -> Bounds:
        """Return the box around the table."""
        return standing(self.diameter, self.height, self.diameter)

    def top(self) -> float:
        """Return the height of the dish inside its rim."""
        return self.height - self.rim

    def shape(self) -> Parts:
        """Return the table."""
        return {"wood": joined([self._dish(), *self._legs()])}

    def _dish(self) -> Surface:
        r, floor, under = self.diameter / 2, self.height - self.rim, self.height - self.thickness
        corners = [
            (r - 0.06, under),
            (r - 0.012, under + 0.3 * self.thickness),
            (r, self.height),
            (r - 0.014, self.height),
        ]
        profile = fillet([*corners, (r - 0.03, floor), (r - 0.06, floor)], [0, 0.012, 0.004, 0.005, 0.012, 0], 5)
        return lathe(np.concatenate([[(0.0, under)], profile, [(0.0, floor)]]), 96).box_mapped()

    def _legs(self) -> list[Surface]:
        under = self.height - self.thickness
        x = 0.24 * self.diameter
        path = spline([(x + self.lean, 0.0, 0.0), (x + 0.3 * self.lean, 0.6 * under, 0.0), (x, under + SUNK, 0.0)], 16)
        circle = superellipse(28, 2.0, self.leg / 2, self.leg / 2)
        leg = loft(path, circle, varying(16, (0.0, 0.5), (0.04, 0.56), (0.8, 1.0), (1.0, 0.95)))
        beam_height = 0.03
        beam = rounded_box((x, beam_height, 0.03), 0.006, 2, (4, 1, 1)).moved(x / 2, under - beam_height / 2 + SUNK)
        return [one.turned("y", 90.0 + 120.0 * k) for k in range(3) for one in (leg, beam)]


@dataclass(frozen=True)
class RectangularCoffeeTable(Furniture):
    """A rectangular table with a slatted shelf below."""

    kind = "coffee_table"
    parts = ("wood",)

    width: float = ranged(1.1, 0.9, 1.25)
    depth: float = ranged(0.58, 0.5, 0.66)
    height: float = ranged(0.42, 0.38, 0.46)
    thickness: float = ranged(0.026, 0.022, 0.034)
    leg: float = ranged(0.044, 0.036, 0.052)
    shelf: float = ranged(0.13, 0.1, 0.16)
    slats: int = ranged(7, 5, 10)

    def bounds(self) -> Bounds:
        """Return the box around the table."""
        return standing(self.width, self.height, self.depth)

    def top(self) -> float:
        """Return the height of the table's top."""
        return self.height

    def shape(self) -> Parts:
        """Return the table."""
        under = self.height - self.thickness
        x, z = self.width / 2 - 0.06, self.depth / 2 - 0.055
        top = slab(rounded_rectangle(self.width, self.depth, 0.05, 6), beveled_edge(under, self.height, 0.014))
        section = superellipse(28, 4.0, self.leg / 2, self.leg / 2)
        path = line((x + 0.012, 0.0, z + 0.012), (x, under + SUNK, z), 12)
        leg = loft(path, section, varying(12, (0.0, 0.62), (1.0, 1.0)))
        rails = []
        for side in (-1.0, 1.0):
            apron = rounded_box((2 * x, 0.04, 0.02), 0.003, 2, (6, 1, 1)).moved(0.0, under - 0.017, side * z)
            across = rounded_box((0.02, 0.04, 2 * z), 0.003, 2, (1, 1, 4)).moved(side * x, under - 0.017, 0.0)
            bearer = rounded_box((0.022, 0.026, 2 * z), 0.004, 2, (1, 1, 4)).moved(side * x, self.shelf, 0.0)
            rails += [apron, across, bearer]
        share = 2 * z / self.slats
        slat = rounded_box((2 * x + 0.07, 0.012, 0.72 * share), 0.004, 2, (8, 1, 2)).moved(y=self.shelf + 0.017)
        slats = [slat.moved(z=(k - (self.slats - 1) / 2) * 0.94 * share) for k in range(self.slats)]
        return {"wood": joined([top, *four(leg), *rails, *slats])}
