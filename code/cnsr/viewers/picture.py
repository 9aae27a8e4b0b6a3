"""What a front end needs to show an image: colors for the screen, and the values behind them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_CHANNELS = {1: ("",), 3: ("R ", "G ", "B ")}


@dataclass(frozen=True, eq=False)
class Legend:
    """The scale of an image that shows one number a pixel as a color.

    Attributes:
        colors: uint8 [N, 3], from the lowest to the highest number.
        low, high: the numbers at its ends.
        label: what the number is, with its unit.
    """

    colors: NDArray[np.uint8]
    low: float
    high: float
    label: str = ""


@dataclass(frozen=True, eq=False)
class Picture:
    """An image to show.

    Attributes:
        name: what its values are, such as the name of a buffer.
        colors: sRGB, uint8 [H, W, 3].
        values: [H, W, C], what is told of the pixel under the mouse.
        channels: what each of the C channels is called; by default R, G, B of three and nothing of one.
        legend: of colors that stand for numbers.
    """

    name: str
    colors: NDArray[np.uint8]
    values: NDArray[np.floating]
    channels: tuple[str, ...] | None = None
    legend: Legend | None = None

    @property
    def size(self) -> int:
        """Pixels along an edge."""
        return int(self.colors.shape[0])

    def told(self, column: int, row: int) -> str:
        """Return the line that tells a pixel's values."""
        numbers = self.values[row, column]
        names = self.channels or _CHANNELS.get(len(numbers), ("",) * len(numbers))
        told = "  ".join(f"{name}{number:.4g}" for name, number in zip(names, numbers, strict=True))
        return f"{self.name}  {told}"
