"""What tables share: edges of tops, legs at four corners, joints."""

from __future__ import annotations

from cnsr.scenes.furniture.curves import Array, fillet
from cnsr.scenes.furniture.surface import Surface

SUNK = 0.006
"""How far legs and rails reach into a top: joints have no gap."""


def beveled_edge(low: float, high: float, bevel: float) -> Array:
    """Return the profile of a slab that is cut back by `bevel` below: it looks thinner than it is."""
    middle = low + 0.6 * (high - low)
    return fillet([(bevel + 0.01, low), (bevel, low), (0.0, middle), (0.0, high), (0.02, high)], 0.005, 4)


def ogee_edge(low: float, high: float) -> Array:
    """Return the profile of a slab with a step under a round nose."""
    t = high - low
    corners = [(0.04, low), (0.022, low), (0.016, low + 0.35 * t), (0.006, low + 0.42 * t), (0.0, low + 0.5 * t)]
    return fillet([*corners, (0.0, high), (0.02, high)], [0, 0.004, 0.006, 0.004, 0.003, 0.012, 0], 5)


def round_under(low: float, high: float) -> Array:
    """Return the profile of a board whose lower edge is rounded."""
    return fillet([(0.02, low), (0.0, low), (0.0, high)], 0.006, 4)


def four(leg: Surface) -> list[Surface]:
    """Return a leg in the quadrant x, z > 0 and its mirror images in the others."""
    other = leg.mirrored("x")
    return [leg, other, leg.mirrored("z"), other.mirrored("z")]
