"""A rug with a carved pattern and fringes at its two short ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnsr.scenes.furniture.boxes import rounded_box
from cnsr.scenes.furniture.curves import Array, superellipse
from cnsr.scenes.furniture.piece import Bounds, Furniture, Parts, ranged, standing
from cnsr.scenes.furniture.solids import sweep
from cnsr.scenes.furniture.surface import Surface, joined

_FRINGE = 0.055
_STRAND = 0.004  # thickness


@dataclass(frozen=True)
class Rug(Furniture):
    """A woven rug; lies on the floor."""

    kind = "rug"
    parts = ("pile",)

    width: float = ranged(2.4, 1.9, 2.9)
    depth: float = ranged(1.65, 1.3, 2.0)
    thickness: float = ranged(0.014, 0.01, 0.018)
    border: float = ranged(0.16, 0.1, 0.22)
    medallions: int = ranged(4, 2, 7)
    tassels: int = ranged(56, 40, 70)

    def bounds(self) -> Bounds:
        """Return the box around the rug with its fringes."""
        return standing(self.width, self.thickness, self.depth)

    def shape(self) -> Parts:
        """Return the rug."""
        return {"pile": joined([self._pile(), *self._fringes()])}

    def _pile(self) -> Surface:
        length = self.width - 2 * _FRINGE
        box = rounded_box((length, self.thickness, self.depth), 0.45 * self.thickness, 2, (80, 1, 52))
        field = np.array([length, self.depth]) - 2 * self.border

        def carve(points: Array) -> Array:
            x, y, z = points.T
            from_edge = np.minimum(length / 2 - np.abs(x), self.depth / 2 - np.abs(z))
            # Diamonds side by side fill the field inside the border; `away` is 0 in the middle of one, 1 on its rim.
            across = (x + field[0] / 2) / field[0] * self.medallions % 1.0 - 0.5
            away = 2 * np.abs(across) + 2 * np.abs(z) / field[1]
            metres = 0.5 * min(field[0] / self.medallions, field[1])
            pattern = _groove((away - 0.85) * metres) + _groove((away - 0.4) * metres)
            lines = _groove(from_edge - self.border) + _groove(from_edge - 0.4 * self.border)
            lines += pattern * (from_edge > self.border)
            ripples = 0.5 + 0.5 * np.sin(9 * x + 2 * np.sin(4 * z))
            sunk = self.thickness * (0.35 * np.clip(lines, 0.0, 1.0) + 0.12 * ripples)
            inner = from_edge > 0.5 * self.thickness
            return np.stack([x, y - sunk * inner * (y > 0.0), z], axis=-1)

        return box.warped(carve).moved(y=self.thickness / 2).box_mapped()

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


def _groove(distance: Array) -> Array:
    """Return the depth, from 0 to 1, of a carved line at so many metres from its middle."""
    depth: Array = np.exp(-((distance / 0.022) ** 2))
    return depth
