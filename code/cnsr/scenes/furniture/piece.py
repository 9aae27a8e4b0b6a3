"""What every piece of furniture is: a frozen dataclass whose fields are its proportions, and a shape made of them.

Coordinates: metres, y up, the floor at y = 0, centered on the origin in x and z, the front towards +z.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np

from cnsr.scenes.furniture.surface import CREASE, Array, Surface

DECIMALS = 4
"""Of parameters: a tenth of a millimetre."""

Parts = dict[str, Surface]
Vector = tuple[float, float, float]


class Bounds(NamedTuple):
    """The box around a piece: its lowest and its highest corner."""

    low: Vector
    high: Vector


@dataclass(frozen=True)
class Furniture(ABC):
    """Base of all pieces. Fields are made by ``ranged``; every combination within their ranges is a sound piece.

    Attributes:
        kind: what it is used as.
        parts: what it is made of; each part has one material.
        crease: edges of more degrees are sharp.
    """

    kind: ClassVar[str]
    parts: ClassVar[tuple[str, ...]]
    crease: ClassVar[float] = CREASE

    @abstractmethod
    def bounds(self) -> Bounds:
        """Return the box that the piece fills in all three directions."""

    @abstractmethod
    def shape(self) -> Parts:
        """Return a closed surface of each part. It may miss the bounds by some percent: ``fitted`` sees to that."""

    def top(self) -> float | None:
        """Return the height of the face that things can stand on; None where there is none."""
        return None


def ranged(default: float, low: float, high: float) -> Any:
    """Return a field that is drawn from [low, high]; from the whole numbers in it if `default` is one."""
    return field(default=default, metadata={"low": low, "high": high})


def standing(width: float, height: float, depth: float) -> Bounds:
    """Return the bounds of a piece on the floor."""
    return Bounds((-width / 2, 0.0, -depth / 2), (width / 2, height, depth / 2))


_F = TypeVar("_F", bound=Furniture)


def drawn(kind: type[_F], rng: np.random.Generator) -> _F:
    """Draw all parameters of a kind of piece, evenly from their ranges."""
    values: dict[str, float] = {}
    for one in fields(kind):
        low, high = one.metadata["low"], one.metadata["high"]
        if isinstance(one.default, int):
            values[one.name] = int(rng.integers(low, high + 1))
        else:
            values[one.name] = round(float(rng.uniform(low, high)), DECIMALS)
    return kind(**values)


def fitted(parts: Mapping[str, Surface], bounds: Bounds) -> Parts:
    """Return the parts stretched together, so that their box is exactly `bounds`.

    Joints, leaning legs and soft cushions make the exact size hard to tell beforehand; a stretch of a few percent at
    most gives a piece the size that its parameters promise.
    """
    positions = [part.positions for part in parts.values()]
    lowest = np.min([one.min(axis=0) for one in positions], axis=0)
    highest = np.max([one.max(axis=0) for one in positions], axis=0)
    low, high = np.array(bounds.low), np.array(bounds.high)
    stretch = (high - low) / (highest - lowest)

    def into_bounds(points: Array) -> Array:
        inside: Array = np.clip(low + (points - lowest) * stretch, low, high)  # rounding must not leave the box
        return inside

    return {name: part.warped(into_bounds) for name, part in parts.items()}
