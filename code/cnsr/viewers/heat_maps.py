"""Numbers as colors: perceptual scales, laid over images or multiplied with them."""

from __future__ import annotations

from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from cnsr.display import quantized

Scale = Literal["cividis", "blue to red"]
Style = Literal["heat map", "multiplied"]
SCALES: tuple[Scale, ...] = get_args(Scale)

# (place of 255, red, green, blue); between them colors are interpolated. Cividis is even in lightness and looks alike
# with and without red-green blindness (Nuñez, Anderton, Renslow, PLOS ONE 13(7), 2018); these points are within 5/255.
_CIVIDIS = (
    (0, 0, 34, 78), (4, 0, 37, 84), (8, 0, 40, 91), (12, 0, 43, 98), (16, 0, 46, 106), (20, 0, 48, 112),
    (24, 5, 51, 113), (32, 26, 56, 111), (48, 50, 67, 109), (64, 67, 78, 108), (80, 83, 90, 109), (96, 97, 101, 111),
    (112, 111, 112, 115), (128, 125, 124, 120), (144, 140, 136, 120), (160, 155, 148, 118), (176, 171, 160, 114),
    (192, 188, 174, 108), (208, 205, 187, 99), (224, 222, 201, 88), (240, 240, 216, 70), (255, 254, 232, 56),
)  # fmt: skip
_BLUE_TO_RED = ((0, 0, 0, 255), (255, 255, 0, 0))
_POINTS = {"cividis": _CIVIDIS, "blue to red": _BLUE_TO_RED}
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)  # Rec. 709

Colors = NDArray[np.uint8]


class Look(Protocol):
    """How numbers are to be shown."""

    @property
    def style(self) -> Style:
        """Colors of a scale over a grey image, or the image multiplied."""

    @property
    def scale(self) -> Scale:
        """Of colors."""

    @property
    def opacity(self) -> float:
        """Of the colors over the image."""


def scale_colors(scale: Scale, count: int = 64) -> Colors:
    """Return `count` colors of a scale from its lowest to its highest, uint8 [count, 3]."""
    return quantized(_interpolated(scale, np.linspace(0, 1, count)))


def shares(values: NDArray[np.floating], low: float, high: float) -> NDArray[np.float32]:
    """Return where values lie between `low` (0) and `high` (1), cut off beyond."""
    extent = max(high - low, float(np.finfo(np.float32).tiny))
    found: NDArray[np.float32] = np.clip((values - low) / extent, 0, 1).astype(np.float32)
    return found


def heat(share: NDArray[np.float32], scale: Scale, below: Colors, opacity: float) -> Colors:
    """Return the colors of numbers, laid over a grey version of an image.

    Args:
        share: of the scale, [H, W] in [0, 1].
        scale: of the colors.
        below: sRGB image [H, W, 3].
        opacity: 1 hides the image, 0 shows it alone.
    """
    grey = (below / np.float32(255)) @ _LUMINANCE
    return quantized(opacity * _interpolated(scale, share) + (1 - opacity) * grey[..., None])


def multiplied(share: NDArray[np.float32], image: Colors) -> Colors:
    """Return an sRGB image [H, W, 3], darker where the share [H, W] is lower."""
    return quantized(share[..., None] * (image / np.float32(255)))


def painted(share: NDArray[np.float32], image: Colors, look: Look) -> Colors:
    """Return numbers as `look` wants them: laid over an image, or multiplied with it."""
    if look.style == "heat map":
        return heat(share, look.scale, image, look.opacity)
    return multiplied(share, image)


def legend_colors(look: Look) -> Colors:
    """Return the colors of the scale that `look` wants, from lowest to highest, uint8 [64, 3]."""
    if look.style == "heat map":
        return scale_colors(look.scale)
    return np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[:, None], 3, axis=1)


def _interpolated(scale: Scale, share: NDArray[np.floating]) -> NDArray[np.float64]:
    points = np.array(_POINTS[scale], np.float64) / 255
    return np.stack([np.interp(share, points[:, 0], points[:, channel]) for channel in (1, 2, 3)], axis=-1)
