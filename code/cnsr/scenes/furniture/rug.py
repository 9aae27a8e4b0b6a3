"""A woven rug: a field of pile, bands of another color in relief, fringes at its two short ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnsr.scenes.furniture.boxes import rounded_box
from cnsr.scenes.furniture.curves import Array, rounded_rectangle, superellipse
from cnsr.scenes.furniture.piece import Bounds, Furniture, Parts, ranged, standing
from cnsr.scenes.furniture.solids import mitered, slab, sweep
from cnsr.scenes.furniture.surface import Surface, joined

_FRINGE = 0.055
_STRAND = 0.004  # thickness of a tassel
_PILE = 0.8  # height of the field as a share of that of the bands


@dataclass(frozen=True)
class Rug(Furniture):
    """A rug with a border around a row of diamonds."""

    kind = "rug"
    parts = ("pile", "piping")

    width: float = ranged(2.4, 1.9, 2.9)
    depth: float = ranged(1.65, 1.3, 2.0)
    thickness: float = ranged(0.014, 0.01, 0.018)
    border: float = ranged(0.17, 0.12, 0.22)
    diamonds: int = ranged(3, 2, 6)
    rings: int = ranged(2, 1, 3)
    tassels: int = ranged(56, 40, 70)

    def bounds(self) -> Bounds:
        """Return the box around the rug with its fringes."""
        return standing(self.width, self.thickness, self.depth)

    def shape(self) -> Parts:
        """Return the rug."""
        return {"pile": self._pile(), "piping": joined([*self._border(), *self._diamonds(), *self._fringes()])}

    @property
    def _length(self) -> float:
        """Width without the fringes."""
        return self.width - 2 * _FRINGE

    def _pile(self) -> Surface:
        height = _PILE * self.thickness
        box = rounded_box((self._length, height, self.depth), 0.45 * height, 2, (60, 1, 40))

        def rippled(points: Array) -> Array:
            x, y, z = points.T
            from_edge = np.minimum(self._length / 2 - np.abs(x), self.depth / 2 - np.abs(z))
            ripple = 0.5 - 0.5 * np.sin(9 * x + 2 * np.sin(4 * z))
            sunk = 0.1 * self.thickness * ripple * (from_edge > 0.5 * self.thickness) * (y > 0.0)
            return np.stack([x, y - sunk, z], axis=-1)

        return box.warped(rippled).moved(y=height / 2).box_mapped()

    def _band(self, corners: Array, width: float) -> Surface:
        """Return a band on the floor along a polygon [K, 2] in (x, -z), counter-clockwise; that is its inner edge."""
        low, high = 0.3 * self.thickness, self.thickness
        section = rounded_rectangle(width, high - low, 0.3 * (high - low), 3)
        return mitered(corners, section + np.array((width / 2, (low + high) / 2))).turned("x", -90.0)

    def _border(self) -> list[Surface]:
        bands = []
        for inset, width in ((0.03, 0.012), (0.45 * self.border, 0.012), (self.border, 0.035)):
            x, z = self._length / 2 - inset - width, self.depth / 2 - inset - width
            bands.append(self._band(np.array([(x, -z), (x, z), (-x, z), (-x, -z)]), width))
        return bands

    def _diamonds(self) -> list[Surface]:
        """Return diamonds side by side in the field, each of some rings around a filled one."""
        field = np.array([self._length, self.depth]) - 2 * (self.border + 0.06)
        half = 0.5 * field / (self.diamonds, 1)
        unit = np.array([(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)])
        low, high = 0.3 * self.thickness, self.thickness
        pieces = [slab(0.14 * half * unit, [(0.0, low), (0.0, 0.9 * high), (0.002, high)])]
        for ring in range(self.rings):
            size = 0.9 - 0.66 * ring / self.rings
            pieces.append(self._band(size * half * unit, 0.022 if ring == 0 else 0.012))
        places = (np.arange(self.diamonds) - (self.diamonds - 1) / 2) * 2 * half[0]
        return [piece.moved(x=x) for x in places for piece in pieces]

    def _fringes(self) -> list[Surface]:
        section = superellipse(8, 2.0, _STRAND / 2, _STRAND / 2)
        strands = []
        for number, z in enumerate(np.linspace(-0.49, 0.49, self.tassels) * self.depth):
            bend = 0.004 * np.sin(2.4 * number)
            for side in (-1.0, 1.0):
                inner, outer = side * (self.width / 2 - _FRINGE - 0.01), side * self.width / 2
                path = [(inner, 1.2 * _STRAND, z), (0.5 * (inner + outer), 0.7 * _STRAND, z + bend)]
                path.append((outer - 0.004 * side * (1 + np.sin(1.7 * number)), 0.5 * _STRAND, z + 2 * bend))
                strands.append(sweep(path, section, np.array([1.0, 0.9, 1.1])))
        return strands
