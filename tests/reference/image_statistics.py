"""Tests whether two Monte Carlo estimates of an image have the same mean.

Each estimate is a number of independent renderings with different seeds, which tell its variance as well. The means
are compared pixel by pixel, in blocks of 4x4 pixels and over the whole image, by Welch's t-test (which for many
renderings is the z-test): the first finds what is wrong in one place, the last a small error everywhere. All values
of one scale share its chance of a false alarm (Bonferroni), and so do the three scales: a correct renderer fails with
probability FALSE_ALARM at most, however values are correlated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]

FALSE_ALARM = 1e-3
"""Chance that the comparison of two equal means fails."""
ROUNDING = 1e-4
"""Relative difference of means that no test sees: single precision and the ends of shadow rays."""
BLOCK = 4


@dataclass(frozen=True)
class Estimate:
    """Mean of an image [H, W, C], the variance of this mean, and how many renderings they are from."""

    mean: Floats
    variance: Floats
    count: int

    @classmethod
    def of(cls, images: npt.ArrayLike) -> Estimate:
        """Return the estimate that independent renderings [N, H, W, C] make together."""
        stack = np.asarray(images, np.float64)
        return cls(stack.mean(0), stack.var(0, ddof=1) / len(stack), len(stack))


@dataclass(frozen=True)
class Scale:
    """The comparison at one scale.

    Attributes:
        name: of the scale.
        t: differences of the means over their standard errors.
        p: probability, for equal means, that the largest of all |t| is as large as it is (at most).
        error: median standard error of the difference, relative to the median mean.
    """

    name: str
    t: Floats
    p: float
    error: float


@dataclass(frozen=True)
class Comparison:
    """Two estimates compared at all scales."""

    scales: tuple[Scale, ...]

    @property
    def p(self) -> float:
        """Probability, for equal means, of differences as large as these at any scale (at most)."""
        return min(1.0, len(self.scales) * min(scale.p for scale in self.scales))

    @property
    def agree(self) -> bool:
        """Whether the differences are within chance."""
        return self.p > FALSE_ALARM

    def __str__(self) -> str:
        """Return a line for people: of each scale, the largest |t| and the precision."""
        parts = (
            f"{scale.name}: |t| <= {np.abs(scale.t).max():.1f} (p = {scale.p:.2g}, precision {scale.error:.2%})"
            for scale in self.scales
        )
        return "; ".join(parts)


def compare(first: npt.ArrayLike, second: npt.ArrayLike) -> Comparison:
    """Compare independent renderings [N, H, W, C] by one renderer with those [M, H, W, C] by another."""
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    size = one.shape[1]
    return Comparison(
        tuple(
            _scale(name, Estimate.of(blocks(one, width)), Estimate.of(blocks(other, width)))
            for name, width in (("pixels", 1), ("blocks", BLOCK), ("image", size))
        )
    )


def compare_with_reference(images: npt.ArrayLike, reference: Estimate) -> Comparison:
    """Compare independent renderings [N, H, W, C] with an estimate whose pixels are independent of each other."""
    stack = np.asarray(images, np.float64)
    size = stack.shape[1]
    scales = []
    for name, width in (("pixels", 1), ("blocks", BLOCK), ("image", size)):
        mean = blocks(reference.mean[None], width)[0]
        variance = blocks(reference.variance[None], width)[0] / width**2
        scales.append(_scale(name, Estimate.of(blocks(stack, width)), Estimate(mean, variance, reference.count)))
    return Comparison(tuple(scales))


def blocks(images: Floats, width: int) -> Floats:
    """Return the means [N, H / width, W / width, C] over square blocks of pixels."""
    count, height, columns, channels = images.shape
    return images.reshape(count, height // width, width, columns // width, width, channels).mean((2, 4))


def _scale(name: str, first: Estimate, second: Estimate) -> Scale:
    difference = first.mean - second.mean
    variance = first.variance + second.variance
    magnitude = np.maximum(np.abs(first.mean), np.abs(second.mean))
    beyond = np.maximum(np.abs(difference) - ROUNDING * magnitude, 0.0)
    error = np.sqrt(variance)
    t = np.divide(beyond, error, out=np.where(beyond > 0, np.inf, 0.0), where=error > 0)
    # Welch and Satterthwaite's degrees of freedom.
    squares = first.variance**2 / (first.count - 1) + second.variance**2 / (second.count - 1)
    freedom = np.divide(variance**2, squares, out=np.ones_like(variance), where=squares > 0)
    p = 2 * special.stdtr(freedom, -t)
    typical = max(float(np.median(magnitude)), 1e-30)
    return Scale(name, np.sign(difference) * t, min(1.0, float(p.min()) * p.size), float(np.median(error)) / typical)
