"""Tests whether two Monte Carlo estimates of an image have the same mean.

An estimate is a number of independent renderings with different seeds, which tell its variance as well. Means are
compared pixel by pixel, in blocks of 4x4 pixels and over the whole image: the first finds what is wrong in one place,
the last a small error everywhere. The statistic of each value is z, the difference of the means over its standard
error; that of a scale is the largest |z|.

How large a |z| chance makes: with two sets of renderings, their labels are shuffled PERMUTATIONS times, and the
unshuffled |z| must not be among the largest (`compare`). That holds for skewed noise, and for values that are
correlated, where the normal distribution promises too much (a few bright paths in few renderings). Against a stored
mean and variance nothing can be shuffled; there limits are those of normal values, with a margin
(`compare_with_reference`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]

FALSE_ALARM = 1e-3
"""Chance that the comparison of two equal means fails."""
PERMUTATIONS = 1999
ROUNDING = 1e-4
"""Relative difference of means that no test sees: single precision and the ends of shadow rays."""
TAILS = 1.3
"""How much farther noise may reach than normal values do. Measured: in 320 sets of 16 renderings with 32 samples, of
ten scenes, the largest |z| was 1.1 times the normal limit in a pixel, and below it in blocks and images."""
BLOCK = 4


@dataclass(frozen=True)
class Estimate:
    """Mean [H, W, C] of a number of renderings, and the variance of one of them."""

    mean: Floats
    variance: Floats
    count: int

    @classmethod
    def of(cls, images: npt.ArrayLike) -> Estimate:
        """Return the estimate that independent renderings [N, H, W, C] make together."""
        stack = np.asarray(images, np.float64)
        return cls(stack.mean(0), stack.var(0, ddof=1), len(stack))


@dataclass(frozen=True)
class Scale:
    """The comparison at one scale.

    Attributes:
        name: of the scale.
        z: differences of the means over their standard errors.
        limit: what |z| may be.
        error: median standard error of the difference, relative to the median mean.
    """

    name: str
    z: Floats
    limit: float
    error: float


@dataclass(frozen=True)
class Comparison:
    """Two estimates compared at all scales."""

    scales: tuple[Scale, ...]

    @property
    def agree(self) -> bool:
        """Whether the differences are within chance."""
        return all(bool((np.abs(scale.z) <= scale.limit).all()) for scale in self.scales)

    def __str__(self) -> str:
        """Return a line for people: of each scale, the largest |z|, its limit and the precision."""
        parts = (
            f"{scale.name}: |z| {np.abs(scale.z).max():.1f} of {scale.limit:.1f} (precision {scale.error:.2%})"
            for scale in self.scales
        )
        return "; ".join(parts)


def compare(first: npt.ArrayLike, second: npt.ArrayLike) -> Comparison:
    """Compare independent renderings [N, H, W, C] by one renderer with those [M, H, W, C] by another.

    The limits of the three scales keep the same proportion to each other as the 99 % quantiles of their largest |z|
    when labels are shuffled; they are such that FALSE_ALARM of all shuffles exceed one of them.
    """
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    shape = one.shape[1]
    chosen = _labels(len(one), len(one) + len(other))
    largest, values, errors = [], [], []
    for width in _widths(shape):
        stack = np.concatenate([blocks(one, width), blocks(other, width)])
        z, error = _shuffled_z(stack.reshape(len(stack), -1), chosen)
        values.append(z[0].reshape(stack.shape[1:]))
        errors.append(error)
        largest.append(np.abs(z).max(1))
    ratios = np.array(largest)  # [scales, 1 + PERMUTATIONS]
    quantiles = np.quantile(ratios[:, 1:], 0.99, axis=1)
    together = (ratios[:, 1:] / quantiles[:, None]).max(0)
    # The unshuffled labels are one of 1 + PERMUTATIONS equally probable ones: to be beyond the limit is to be among
    # the FALSE_ALARM * (1 + PERMUTATIONS) most extreme.
    rank = round(FALSE_ALARM * (1 + PERMUTATIONS))
    limit = np.sort(together)[-rank]
    return Comparison(
        tuple(
            Scale(name, z, float(limit * quantile), error)
            for name, z, quantile, error in zip(_widths(shape).values(), values, quantiles, errors, strict=True)
        )
    )


def compare_with_reference(images: npt.ArrayLike, reference: Estimate) -> Comparison:
    """Compare independent renderings [N, H, W, C] with a reference whose pixels are independent of each other.

    The renderings must have as many samples a pixel as those of the reference, whose variance is taken for theirs.
    """
    stack = np.asarray(images, np.float64)
    scales = []
    for width, name in _widths(stack.shape[1]).items():
        means = blocks(stack, width).mean(0)
        expected = blocks(reference.mean[None], width)[0]
        variance = blocks(reference.variance[None], width)[0] / width**2 * (1 / len(stack) + 1 / reference.count)
        z = _ratio(means - expected, np.sqrt(variance), np.maximum(np.abs(means), np.abs(expected)))
        limit = TAILS * float(special.ndtri(1 - FALSE_ALARM / 3 / z.size / 2))
        scales.append(Scale(name, z, limit, _precision(np.sqrt(variance), expected)))
    return Comparison(tuple(scales))


def blocks(images: Floats, width: int) -> Floats:
    """Return the means [N, H / width, W / width, C] over square blocks of pixels."""
    count, height, columns, channels = images.shape
    return images.reshape(count, height // width, width, columns // width, width, channels).mean((2, 4))


def _widths(size: int) -> dict[int, str]:
    return {1: "pixels", BLOCK: "blocks", size: "image"}


def _labels(first: int, count: int) -> Floats:
    """Return which of `count` renderings are of the first set, [1 + PERMUTATIONS, count]: truly, then shuffled."""
    labels = np.zeros((1 + PERMUTATIONS, count))
    labels[:, :first] = 1.0
    np.random.default_rng(0).permuted(labels[1:], axis=1, out=labels[1:])
    return labels


def _shuffled_z(values: Floats, chosen: Floats) -> tuple[Floats, float]:
    """Return z [1 + PERMUTATIONS, K] of values [N, K] for sets as of `_labels`, and the precision of the true one."""
    count, first = len(values), int(chosen[0].sum())
    magnitude = np.abs(values).mean(0)
    # Centering changes no difference and no variance, and saves digits.
    centered = values - values.mean(0)
    result = np.empty((len(chosen), values.shape[1]))
    totals, squares = centered.sum(0), (centered**2).sum(0)
    precision = 0.0
    for start in range(0, len(chosen), 250):
        part = chosen[start : start + 250]
        sums, sums2 = part @ centered, part @ centered**2
        means, others = sums / first, (totals - sums) / (count - first)
        within = np.maximum(sums2 - first * means**2, 0.0) / (first - 1) / first
        without = np.maximum(squares - sums2 - (count - first) * others**2, 0.0) / (count - first - 1) / (count - first)
        error = np.sqrt(within + without)
        result[start : start + 250] = _ratio(means - others, error, magnitude)
        if start == 0:
            precision = _precision(error[0], magnitude)
    return result, precision


def _ratio(difference: Floats, error: Floats, magnitude: Floats) -> Floats:
    """Return differences over their errors; what is below ROUNDING counts as 0, and any other over 0 as infinite."""
    beyond = np.maximum(np.abs(difference) - ROUNDING * magnitude, 0.0)
    z = np.divide(beyond, error, out=np.where(beyond > 0, np.inf, 0.0), where=error > 1e-12 * magnitude)
    return np.copysign(z, difference)


def _precision(error: Floats, magnitude: Floats) -> float:
    return float(np.median(error)) / max(float(np.median(np.abs(magnitude))), 1e-30)
