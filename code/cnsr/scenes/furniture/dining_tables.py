"""Dining tables: tapered legs, a turned pedestal, a trestle, an oval with leaning legs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cnsr.scenes.furniture.boxes import rounded_box
from cnsr.scenes.furniture.curves import fillet, line, rounded_rectangle, spline, superellipse, varying
from cnsr.scenes.furniture.joinery import SUNK, beveled_edge, four, ogee_edge, round_under
from cnsr.scenes.furniture.piece import Bounds, Furniture, Parts, ranged, standing
from cnsr.scenes.furniture.solids import lathe, loft, slab, sweep
from cnsr.scenes.furniture.surface import Array, Surface, joined


class DiningTable(Furniture):
    """What all dining tables are."""

    kind = "dining_table"
    parts: ClassVar[tuple[str, ...]] = ("wood",)
    width: float
    height: float
    depth: float

    def bounds(self) -> Bounds:
        """Return the box around the table."""
        return standing(self.width, self.height, self.depth)

    def top(self) -> float:
        """Return the height of the table's top."""
        return self.height


@dataclass(frozen=True)
class TaperedTable(DiningTable):
    """A rectangular table with an apron and four tapered legs."""

    width: float = ranged(1.8, 1.6, 2.1)
    depth: float = ranged(0.9, 0.8, 1.0)
    height: float = ranged(0.75, 0.72, 0.77)
    thickness: float = ranged(0.032, 0.024, 0.042)
    leg: float = ranged(0.068, 0.055, 0.085)
    foot: float = ranged(0.5, 0.4, 0.85)
    splay: float = ranged(0.02, 0.0, 0.05)
    apron: float = ranged(0.085, 0.065, 0.11)

    def shape(self) -> Parts:
        """Return the table."""
        under = self.height - self.thickness
        x, z = self.width / 2 - 0.115, self.depth / 2 - 0.105
        top = slab(rounded_rectangle(self.width, self.depth, 0.04, 5), beveled_edge(under, self.height, 0.022))
        path = line((x + self.splay, 0.0, z + self.splay), (x, under + SUNK, z), 16)
        section = superellipse(32, 5.0, self.leg / 2, self.leg / 2)
        straight = self.apron / under
        scale = varying(16, (0.0, self.foot), (1.0 - straight, 1.0), (1.0, 1.0))
        leg = loft(path, section, scale)
        middle = under - self.apron / 2 + SUNK / 2
        boards = []
        for side in (-1.0, 1.0):
            long = rounded_box((2 * x, self.apron + SUNK, 0.022), 0.003, 2, (8, 2, 1))
            short = rounded_box((0.022, self.apron + SUNK, 2 * z), 0.003, 2, (1, 2, 6))
            boards += [long.moved(0.0, middle, side * (z + 0.002)), short.moved(side * (x + 0.002), middle, 0.0)]
        return {"wood": joined([top, *four(leg), *boards])}


@dataclass(frozen=True)
class RoundTable(DiningTable):
    """A round table on a turned pedestal with curved feet."""

    diameter: float = ranged(1.2, 1.0, 1.35)
    height: float = ranged(0.75, 0.72, 0.77)
    thickness: float = ranged(0.03, 0.024, 0.038)
    column: float = ranged(0.062, 0.05, 0.075)
    feet: int = ranged(4, 3, 5)
    spread: float = ranged(0.36, 0.32, 0.42)

    def bounds(self) -> Bounds:
        """Return the box around the table."""
        return standing(self.diameter, self.height, self.diameter)

    def shape(self) -> Parts:
        """Return the table."""
        under = self.height - self.thickness
        radius = self.diameter / 2
        top = slab(superellipse(96, 2.0, radius, radius), ogee_edge(under, self.height))
        collar = [
            (0.0, under - 0.05),
            (2.6, under - 0.05),
            (3.0, under - 0.03),
            (3.0, under + SUNK),
            (0.0, under + SUNK),
        ]
        plate = lathe(np.array(collar) * (self.column, 1.0), 48)
        return {"wood": joined([top, self._column(under - 0.04), plate, *self._feet()])}

    def _column(self, height: float) -> Surface:
        """Return the turned column: a vase between rings."""
        low, r = 0.13, self.column
        shape = [
            (1.05, 0.0),
            (1.3, 0.05),
            (1.35, 0.2),
            (1.1, 0.28),
            (0.72, 0.33),
            (0.72, 0.36),
            (1.0, 0.39),
            (1.0, 0.42),
        ]
        shape += [
            (0.62, 0.46),
            (0.58, 0.6),
            (0.72, 0.76),
            (0.98, 0.86),
            (0.9, 0.9),
            (1.15, 0.93),
            (1.15, 0.97),
            (1.6, 1.0),
        ]
        profile = fillet(np.array(shape) * (r, height - low) + (0.0, low), 0.02, 4)
        return lathe(np.concatenate([[(0.0, low)], profile, [(0.0, height)]]), 40)

    def _feet(self) -> list[Surface]:
        reach = self.spread * self.diameter
        r = self.column
        knots = [(0.4 * r, 0.265), (0.9 * r + 0.05, 0.245), (0.5 * reach, 0.13), (0.8 * reach, 0.045), (reach, 0.024)]
        path = spline([(x, y, 0.0) for x, y in knots], 26)
        heights = varying(26, (0.0, 0.05), (0.3, 0.046), (0.75, 0.026), (0.92, 0.022), (1.0, 0.024))
        widths = varying(26, (0.0, 0.03), (0.5, 0.024), (0.9, 0.02), (1.0, 0.025))
        foot = sweep(path, superellipse(24, 3.0, 1.0, 1.0), np.stack([widths, heights], axis=-1), dome=0.02)
        lowest = foot.positions[:, 1].min()
        return [foot.moved(y=-lowest).turned("y", 360.0 * k / self.feet + 45.0) for k in range(self.feet)]


@dataclass(frozen=True)
class TrestleTable(DiningTable):
    """A table of planks on two trestles that a wedged stretcher joins."""

    width: float = ranged(2.0, 1.7, 2.3)
    depth: float = ranged(0.92, 0.82, 1.0)
    height: float = ranged(0.75, 0.73, 0.78)
    thickness: float = ranged(0.04, 0.032, 0.05)
    planks: int = ranged(5, 4, 7)
    post: float = ranged(0.15, 0.11, 0.2)
    overhang: float = ranged(0.36, 0.3, 0.42)

    def shape(self) -> Parts:
        """Return the table."""
        x = self.width / 2 - self.overhang
        under = self.height - self.thickness
        trestles = [one.moved(x=side * x) for side in (-1.0, 1.0) for one in self._trestle(under)]
        return {"wood": joined([*self._planks(), *trestles, *self._stretcher(x)])}

    def _planks(self) -> list[Surface]:
        end, gap = 0.11, 0.0012
        each = self.depth / self.planks
        middle = self.height - self.thickness / 2
        length = self.width - 2 * end - gap
        plank = rounded_box((length, self.thickness, each - gap), 0.0035, 2, (6, 1, 2))
        places = (np.arange(self.planks) - (self.planks - 1) / 2) * each
        board = rounded_box((end - gap, self.thickness, self.depth), 0.0045, 2, (2, 1, 6))
        ends = [board.moved(side * (self.width - end) / 2, middle) for side in (-1.0, 1.0)]
        return [plank.moved(0.0, middle, z) for z in places] + ends

    def _trestle(self, under: float) -> list[Surface]:
        shoe, head = 0.085, 0.075

        def shoe_of(length: float, height: float) -> Surface:
            def carve(points: Array) -> Array:
                x, y, z = points.T
                share = np.abs(z) / (length / 2)
                falling = 0.45 * height * np.clip((share - 0.25) / 0.75, 0.0, 1.0) ** 1.5
                arch = 0.3 * height * np.clip(1.0 - (share / 0.72) ** 4, 0.0, 1.0)
                return np.stack([x, y + np.where(y > 0.0, -falling, arch), z], axis=-1)

            return rounded_box((0.075, height, length), 0.008, 2, (1, 1, 40)).warped(carve)

        low = shoe_of(0.82 * self.depth, shoe).moved(y=shoe / 2)
        upper = shoe_of(0.74 * self.depth, head).turned("z", 180.0).moved(y=under - head / 2 + SUNK)
        path = line((0.0, 0.6 * shoe, 0.0), (0.0, under - 0.6 * head, 0.0), 32)
        waist = varying(32, (0.0, 1.0), (0.12, 1.0), (0.5, 0.72), (0.88, 1.0), (1.0, 1.0))
        smooth = np.convolve(np.pad(waist, 3, mode="edge"), np.full(7, 1 / 7), mode="valid")
        section = superellipse(36, 7.0, 0.03, self.post / 2)
        post = loft(path, section, np.stack([np.ones(32), smooth], axis=-1))
        return [low, upper, post]

    def _stretcher(self, x: float) -> list[Surface]:
        y, tenon = 0.4 * self.height, 0.085
        bar = rounded_box((2 * (x + tenon), 0.085, 0.03), 0.005, 2, (10, 1, 1)).moved(y=y)

        def widened(points: Array) -> Array:
            """Make a wedge of a peg: wider above."""
            px, py, pz = points.T
            return np.stack([px * (1.0 + 2.0 * py), py, pz], axis=-1)

        wedge = rounded_box((0.02, 0.16, 0.016), 0.004, 2).warped(widened)
        return [bar, *(wedge.moved(side * (x + 0.048), y, 0.0) for side in (-1.0, 1.0))]


@dataclass(frozen=True)
class OvalTable(DiningTable):
    """An oval table with a thin edge and round legs that lean outward."""

    width: float = ranged(1.9, 1.6, 2.2)
    depth: float = ranged(1.0, 0.9, 1.1)
    height: float = ranged(0.74, 0.72, 0.77)
    thickness: float = ranged(0.034, 0.028, 0.042)
    roundness: float = ranged(2.4, 2.0, 3.2)
    leg: float = ranged(0.052, 0.042, 0.062)
    lean: float = ranged(0.09, 0.04, 0.13)

    def shape(self) -> Parts:
        """Return the table."""
        under = self.height - self.thickness
        outline = superellipse(112, self.roundness, self.width / 2, self.depth / 2)
        top = slab(outline, beveled_edge(under, self.height, 0.05))
        frame = slab(0.68 * outline, round_under(under - 0.062, under + SUNK))
        x, z = 0.3 * self.width, 0.27 * self.depth
        path = spline(
            [(x + self.lean, 0.0, z + self.lean), (x + 0.02, 0.6 * under, z + 0.02), (x, under - 0.01, z)], 20
        )
        circle = superellipse(28, 2.0, self.leg / 2, self.leg / 2)
        leg = loft(path, circle, varying(20, (0.0, 0.5), (0.02, 0.54), (0.72, 1.0), (0.95, 1.0), (1.0, 0.9)))
        return {"wood": joined([top, frame, *four(leg)])}
