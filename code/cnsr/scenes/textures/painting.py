"""What all textures are painted with: coordinates, periodic noise, soft edges.

Textures are float arrays [H, W] of reflectance in [0, 1], row 0 at the top. Lengths are given as shares of the
texture's height unless said otherwise; everything repeats along both axes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def pixel_centers(height: int, width: int) -> tuple[Array, Array]:
    """Return x (to the right) and y (upwards) of all pixel centers, each [H, W], in shares of the height."""
    x = (np.arange(width) + 0.5) / height
    y = 1.0 - (np.arange(height) + 0.5) / height
    across, up = np.meshgrid(x, y)
    return across, up


def periodic_noise(
    rng: np.random.Generator, height: int, width: int, slope: float, stretch: tuple[float, float] = (1.0, 1.0)
) -> Array:
    """Return Gaussian noise [H, W] that tiles, of mean 0 and standard deviation 1.

    Args:
        rng: of the noise.
        height: number of rows.
        width: number of columns.
        slope: the amplitude of a frequency f is f^-slope: 0 is white noise, 1.5 looks like clouds.
        stretch: how many times longer features are along x and y.
    """
    # Frequencies are cycles per height, so that noise is isotropic on oblong textures, too.
    along_x = np.fft.fftfreq(width)[None, :] * height * stretch[0]
    along_y = np.fft.fftfreq(height)[:, None] * height * stretch[1]
    frequency = np.hypot(along_x, along_y)
    frequency[0, 0] = 1.0
    spectrum = np.fft.fft2(rng.standard_normal((height, width)))
    spectrum[0, 0] = 0.0  # the mean
    noise = np.fft.ifft2(spectrum * frequency**-slope).real
    scaled: Array = noise / noise.std()
    return scaled


def soft_step(low: float, high: float, values: Array) -> Array:
    """Return a smooth step (Hermite) from 0 at `low` to 1 at `high`, or down if `low` is larger."""
    t = np.clip((values - low) / (high - low), 0.0, 1.0)
    smooth: Array = t * t * (3.0 - 2.0 * t)
    return smooth


def inside(distance: Array, pixel: float) -> Array:
    """Return the coverage of shapes whose signed distance (negative inside) is given, with edges a pixel wide."""
    return soft_step(0.5 * pixel, -0.5 * pixel, distance)


def blend(weight: Array, below: Array | float, above: Array | float) -> Array:
    """Return `above` where `weight` is 1, `below` where it is 0."""
    mixed: Array = below + (above - below) * weight
    return mixed


def centered(values: Array, period: float = 1.0) -> Array:
    """Return values folded into [-period/2, period/2)."""
    folded: Array = (values + 0.5 * period) % period - 0.5 * period
    return folded
