"""A mirror and its frame, flat against a wall at z = 0. They fit together if `width` and `height` agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnsr.scenes.furniture.curves import fillet
from cnsr.scenes.furniture.piece import Bounds, Furniture, Parts, ranged
from cnsr.scenes.furniture.solids import lathe, mitered, slab
from cnsr.scenes.furniture.surface import Array, Surface, joined

_LIP = 0.008
"""How far the frame covers the edge of the glass."""

_GLASS = 0.012


@dataclass(frozen=True)
class Mirror(Furniture):
    """A sheet of glass whose edge is ground to a bevel; a flat thing, of few triangles."""

    kind = "mirror"
    parts = ("glass",)
    crease = 1.0  # the face must stay flat beside its bevel

    width: float = ranged(0.8, 0.6, 1.0)
    height: float = ranged(1.1, 0.8, 1.3)
    bevel: float = ranged(0.028, 0.02, 0.04)

    def bounds(self) -> Bounds:
        """Return the box around the glass."""
        return Bounds((-self.width / 2, -self.height / 2, 0.0), (self.width / 2, self.height / 2, _GLASS))

    def shape(self) -> Parts:
        """Return the glass."""
        x, z = self.width / 2, self.height / 2
        outline = np.array([(x, -z), (x, z), (-x, z), (-x, -z)])
        ground = _LIP + self.bevel
        profile = np.array([(0.0, 0.0), (0.0, _GLASS - 0.004), (ground, _GLASS)])
        return {"glass": slab(outline, profile).turned("x", 90.0)}


@dataclass(frozen=True)
class MirrorFrame(Furniture):
    """A molded frame with a row of beads around the glass."""

    kind = "mirror_frame"
    parts = ("frame",)

    width: float = ranged(0.8, 0.6, 1.0)
    height: float = ranged(1.1, 0.8, 1.3)
    rail: float = ranged(0.075, 0.055, 0.1)
    depth: float = ranged(0.042, 0.034, 0.055)
    beads: float = ranged(0.017, 0.014, 0.022)

    def bounds(self) -> Bounds:
        """Return the box around the frame."""
        x, y = (0.5 * size - _LIP + self.rail for size in (self.width, self.height))
        return Bounds((-x, -y, 0.0), (x, y, self.depth))

    def shape(self) -> Parts:
        """Return the frame."""
        return {"frame": joined([self._molding(), *self._beads()])}

    def _molding(self) -> Surface:
        """Return the four rails, mitered: one section that is carried around the corners."""
        w, d = self.rail, self.depth
        corners = [(0.0, 0.0), (w, 0.0), (w, 0.45 * d), (0.93 * w, 0.62 * d), (0.9 * w, 0.86 * d), (0.8 * w, 1.03 * d)]
        corners += [(0.68 * w, 0.86 * d), (0.62 * w, 0.62 * d), (0.42 * w, 0.5 * d), (0.3 * w, 0.52 * d)]
        corners += [(0.26 * w, 0.66 * d), (0.0, 0.6 * d)]
        section = fillet(corners, 0.007, 5, closed=True)  # (outward, z)
        x, y = (0.5 * size - _LIP for size in (self.width, self.height))
        return mitered(np.array([(x, -y), (x, y), (-x, y), (-x, -y)]), section)

    def _beads(self) -> list[Surface]:
        radius = 0.46 * self.beads
        angle = np.linspace(-np.pi / 2, np.pi / 2, 7)
        ball = lathe(np.stack([radius * np.cos(angle).round(12), radius * np.sin(angle)], axis=-1), 8)
        inset = 0.15 * self.rail
        x, y = (0.5 * size - _LIP + inset for size in (self.width, self.height))
        z = 0.62 * self.depth
        places: list[Array] = []
        for start, end in (((-x, -y), (x, -y)), ((x, -y), (x, y)), ((x, y), (-x, y)), ((-x, y), (-x, -y))):
            count = round(float(np.hypot(end[0] - start[0], end[1] - start[1])) / self.beads)
            places.append(np.linspace(start, end, count, endpoint=False))
        return [ball.moved(px, py, z) for px, py in np.concatenate(places)]
