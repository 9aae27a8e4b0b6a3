"""Every buffer as colors for a screen.

What is shown of a buffer follows from its ``Display`` in the buffer table. Values that are no number are shown as 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnsr.buffers import BUFFERS, Display

Floats = NDArray[np.float32]

# As a label goes from 0 to 1, its color goes from dark to bright while the hue turns. So many turns, and so much less
# than black and white at the ends, tell labels apart best: by CIEDE2000, the 12 of PrimitiveRoom and the 18 of ArchViz
# by 17, any number up to 24 by 8. The curve is smooth, so that rounded labels, and averages at edges, do not flicker.
_HUE_TURNS = 3.2
_CONTRAST = 0.65


def displayed(
    name: str,
    image: NDArray[Any],
    *,
    exposure: float = 0.0,
    like: NDArray[Any] | None = None,
    extent: tuple[ArrayLike, ArrayLike] | None = None,
) -> NDArray[np.uint8]:
    """Return a buffer as colors to look at.

    Radiance is exposed, clamped to [0, 1] and gets the sRGB curve; albedo likewise, without exposure. Directions v
    become (v + 1) / 2, labels distinct colors, shares of light and roughness greys. Positions and distances are scaled
    to a box: each axis of positions from its low to its high corner, distances by its diagonal. Without `extent`,
    positions go from the least to the largest that the image holds, distances from 0 to the largest.

    Args:
        name: of the buffer (``cnsr.buffers``).
        image: its linear values [..., H, W, C], of any float type.
        exposure: stops; each doubles what is shown of radiance.
        like: images [..., H, W, C] whose positions or distances decide the scale in place of those of `image`, such as
            the reference of a prediction; each image has its own scale.
        extent: opposite corners of a box, (low, high), three numbers each, such as the room; goes before `like`.

    Returns:
        sRGB, uint8 [..., H, W, 3].

    Raises:
        KeyError: there is no such buffer.
        ValueError: `image` has another number of channels than that buffer.
    """
    buffer = BUFFERS[name]
    pixels = np.asarray(image, np.float32)
    if pixels.ndim < 3 or pixels.shape[-1] != buffer.channels:
        raise ValueError(f"{name} is [..., H, W, {buffer.channels}], not {list(pixels.shape)}")
    measure = pixels if like is None else np.asarray(like, np.float32)
    colors: NDArray[Any]
    with np.errstate(over="ignore", invalid="ignore"):  # of values that are infinite or no number
        match buffer.display:
            case Display.RADIANCE:
                colors = srgb(pixels * np.float32(2.0**exposure))
            case Display.COLOR:
                colors = srgb(pixels)
            case Display.DIRECTION:
                colors = (pixels + 1) / 2
            case Display.POSITION:
                low, high = _range(measure) if extent is None else (np.asarray(end, np.float32) for end in extent)
                colors = (pixels - low) / _not_zero(high - low)
            case Display.DISTANCE:
                colors = pixels / _not_zero(_range(measure)[1] if extent is None else _diagonal(*extent))
            case Display.FRACTION:
                colors = pixels
            case Display.LABEL:
                colors = _label_colors(pixels)
    shown = quantized(colors)
    return shown if shown.shape[-1] == 3 else np.repeat(shown, 3, axis=-1)


def srgb(linear: NDArray[Any]) -> Floats:
    """Return linear values clamped to [0, 1], with the sRGB curve (IEC 61966-2-1)."""
    clamped: Floats = np.clip(np.asarray(linear, np.float32), 0, 1)
    curved: Floats = np.float32(1.055) * clamped ** np.float32(1 / 2.4) - np.float32(0.055)
    return np.where(clamped <= 0.0031308, np.float32(12.92) * clamped, curved)


def quantized(colors: NDArray[Any]) -> NDArray[np.uint8]:
    """Return colors as bytes: [0, 1] to 0 ... 255, what lies beyond clamped, what is no number 0."""
    shown: NDArray[Any] = np.rint(255 * np.nan_to_num(np.clip(colors, 0, 1), nan=0.0))
    return shown.astype(np.uint8)


def _label_colors(labels: Floats) -> Floats:
    """Return colors [..., 3] in [0, 1] of labels [..., 1] in [0, 1]."""
    hues = 0.5 - 0.5 * np.cos(2 * np.pi * (_HUE_TURNS * labels + np.array([0, 1 / 3, 2 / 3], np.float32)))
    brightness = -_CONTRAST * np.cos(np.pi * labels)
    black, white = np.maximum(-brightness, 0), np.maximum(brightness, 0)
    colors: Floats = (hues * (1 - white) + white) * (1 - black)
    return colors


def _range(images: Floats) -> tuple[Floats, Floats]:
    """Return the least and the largest finite value of each channel of each image, [..., 1, 1, C]."""
    finite = np.isfinite(images)
    low = images.min((-3, -2), keepdims=True, where=finite, initial=np.inf)
    high = images.max((-3, -2), keepdims=True, where=finite, initial=-np.inf)
    return low, high


def _diagonal(low: ArrayLike, high: ArrayLike) -> NDArray[np.float32]:
    return np.asarray(np.linalg.norm(np.subtract(high, low)), np.float32)


def _not_zero(scale: NDArray[np.float32]) -> Floats:
    """Return scales by which can be divided: an image of one position, or of no distances, has none of its own."""
    return np.where(scale > 1e-6, scale, np.float32(1))
