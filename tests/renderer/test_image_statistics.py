"""The comparison of images: false alarms as rare as it says, and errors of a few percent seen."""

from __future__ import annotations

import numpy as np
import pytest
from image_statistics import Comparison, Estimate, compare, compare_with_reference

SHAPE = (16, 8, 8, 3)  # renderings, height, width, channels


def noise(seed: int, shape: float = 4.0, mean: float = 1.0, renderings: int = SHAPE[0]) -> np.ndarray:
    """Return skewed noise as of a path tracer, whose relative variance is 1 / shape."""
    random = np.random.default_rng(seed)
    return random.gamma(shape, mean / shape, (renderings, *SHAPE[1:]))


def excess(comparison: Comparison) -> float:
    """Return the largest |z| over its limit."""
    return max(float(np.abs(scale.z).max()) / scale.limit for scale in comparison.scales)


@pytest.mark.parametrize("shape", [0.3, 4.0])
def test_equal_means_agree(shape: float) -> None:
    # 0.3: where one pixel of twenty is ten times as bright as the mean.
    excesses = [excess(compare(noise(2 * n, shape), noise(2 * n + 1, shape))) for n in range(12)]
    assert max(excesses) <= 1
    assert max(excesses) > 0.6, "limits that chance never comes near see little"


def test_noise_of_other_size_and_shape_agrees() -> None:
    assert max(excess(compare(noise(2 * n, 20.0), noise(2 * n + 1, 4.0))) for n in range(12)) <= 1


@pytest.mark.parametrize("seed", range(3))
def test_a_small_error_everywhere_is_seen(seed: int) -> None:
    # While a pixel's standard error is 18 %.
    comparison = compare(noise(seed), noise(100 + seed, mean=0.85))
    assert not comparison.agree
    pixels = comparison.scales[0]
    assert (np.abs(pixels.z) < pixels.limit).all(), "pixels alone do not show it"


@pytest.mark.parametrize("seed", range(3))
def test_a_local_error_is_seen(seed: int) -> None:
    wrong = noise(seed, 30.0)
    wrong[:, 5, 7, 1] *= 2
    comparison = compare(noise(100 + seed, 30.0), wrong)
    assert not comparison.agree
    z = comparison.scales[0].z
    assert np.unravel_index(np.abs(z).argmax(), SHAPE[1:]) == (5, 7, 1)
    assert z[5, 7, 1] < 0, "the sign says who is brighter"


def test_noiseless_pixels_must_be_equal() -> None:
    one, other = noise(1), noise(2)
    one[:, 0, 0], other[:, 0, 0] = 0.5, 0.5
    assert compare(one, other).agree
    other[:, 0, 0] = 0.501
    assert not compare(one, other).agree
    one[:, 0, 0], other[:, 0, 0] = 0.0, 0.0
    assert compare(one, other).agree


def test_a_stored_estimate_serves_as_well() -> None:
    reference = Estimate.of(noise(1, renderings=512))
    assert reference.count == 512
    trials = [compare_with_reference(noise(100 + n), reference) for n in range(50)]
    assert all(comparison.agree for comparison in trials)
    assert not compare_with_reference(noise(99, mean=1.1), reference).agree
    # z has variance 1 at each scale, whose blocks have the variance of means of independent pixels.
    for scale in range(3):
        assert np.std([comparison.scales[scale].z for comparison in trials]) == pytest.approx(1, abs=0.2)


def test_a_stored_pixel_without_noise_must_be_met() -> None:
    images = noise(3, renderings=64)
    images[:, 2, 2] = 0.25
    reference = Estimate.of(images)
    again = noise(4)
    again[:, 2, 2] = 0.25
    assert compare_with_reference(again, reference).agree
    again[:, 2, 2] = 0.26
    assert not compare_with_reference(again, reference).agree
