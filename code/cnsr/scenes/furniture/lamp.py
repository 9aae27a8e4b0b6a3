"""A hanging lamp. Its origin is where its light is; the ceiling is ``drop`` above."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnsr.scenes.furniture.curves import Array, fillet
from cnsr.scenes.furniture.piece import Bounds, Furniture, Parts, ranged
from cnsr.scenes.furniture.solids import lathe
from cnsr.scenes.furniture.surface import Surface

_NECK = 0.036  # radius where the shade ends above
_WALL = 0.004


@dataclass(frozen=True)
class Lamp(Furniture):
    """A shade, open below, on a cord with a rose at the ceiling. A light of 0.2 m by 0.2 m at y = 0 fits inside."""

    kind = "lamp"
    parts = ("shade", "metal")

    diameter: float = ranged(0.46, 0.38, 0.58)
    height: float = ranged(0.23, 0.18, 0.3)
    rim: float = ranged(0.045, 0.02, 0.06)
    fullness: float = ranged(2.0, 1.7, 2.8)
    drop: float = ranged(0.7625, 0.5, 1.2)

    def bounds(self) -> Bounds:
        """Return the box around the lamp: from its rim, below the light, to the ceiling."""
        r = self.diameter / 2
        return Bounds((-r, -self.rim, -r), (r, self.drop, r))

    def shape(self) -> Parts:
        """Return the lamp."""
        return {"shade": self._shade(), "metal": self._metal()}

    def _dome(self, inset: float) -> Array:
        """Return the line (radius, y) of the shade, from its rim up, at a distance inside of its outer face."""
        r, h = self.diameter / 2 - inset, self.height - inset
        # A quarter of a superellipse, up to the neck.
        end = np.arccos((_NECK / r) ** (self.fullness / 2))
        angle = np.linspace(0.0, end, 40)
        power = 2.0 / self.fullness
        return np.stack([r * np.cos(angle) ** power, h * np.sin(angle) ** power - self.rim], axis=-1)

    def _shade(self) -> Surface:
        outer, inner = self._dome(0.0), self._dome(_WALL)
        r = self.diameter / 2
        bead = [(r - _WALL, -self.rim), (r, -self.rim)]
        return lathe(np.concatenate([bead[1:], outer[1:], inner[:0:-1], bead[:1]]), 72)

    def _metal(self) -> Surface:
        neck, top = self._dome(0.0)[-1, 1], self.drop
        corners = [(0.02, neck - 0.07), (0.024, neck - 0.065), (0.024, neck - 0.012), (_NECK + 0.006, neck - 0.01)]
        corners += [(_NECK + 0.008, neck + 0.006), (0.03, neck + 0.014), (0.022, neck + 0.05), (0.009, neck + 0.062)]
        corners += [(0.007, neck + 0.085), (0.0035, neck + 0.088), (0.0035, top - 0.04), (0.008, top - 0.038)]
        corners += [(0.014, top - 0.03), (0.05, top - 0.018), (0.055, top - 0.01), (0.055, top)]
        profile = fillet(corners, 0.004, 4)
        return lathe(np.concatenate([[(0.0, neck - 0.07)], profile, [(0.0, top)]]), 40)
