"""The Owen-scrambled Sobol points: stratified in each dimension and in pairs, independent between seeds."""

from __future__ import annotations

import numpy as np
import pytest
from cnsr._native import sampling
from reference_statistics import SIGNIFICANCE, chi_square_p

DIMENSIONS = [*range(0, 24), 31, 47, 64, 101]


def points(count: int, dimension: int, seed: int, first: int = 0) -> np.ndarray:
    return sampling.sobol(np.arange(first, first + count, dtype=np.uint32), dimension, seed)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_every_dimension_puts_one_point_in_each_interval(dimension: int) -> None:
    for seed in (0, 1, 0xDEADBEEF):
        values = points(1024, dimension, seed)
        assert values.dtype == np.float32
        assert values.min() >= 0
        assert values.max() < 1
        for first in (0, 256, 768):  # any aligned run of 2^k points is a net of its own
            cells = np.floor(values[first : first + 256].astype(np.float64) * 256).astype(int)
            assert np.array_equal(np.sort(cells), np.arange(256))


@pytest.mark.parametrize("pair", [(2 * k, 2 * k + 1) for k in range(12)])
def test_pairs_of_dimensions_are_nets(pair: tuple[int, int]) -> None:
    # A (0, m, 2)-net has one point in every dyadic box of area 2^-m, whatever its shape (Owen 1998).
    m = 8
    for seed in (0, 7):
        x, y = (points(1 << m, dimension, seed).astype(np.float64) for dimension in pair)
        for bits in range(m + 1):
            column, row = np.floor(x * 2**bits), np.floor(y * 2 ** (m - bits))
            boxes = (column * 2 ** (m - bits) + row).astype(int)
            assert np.array_equal(np.sort(boxes), np.arange(1 << m)), f"boxes of 2^-{bits} x 2^-{m - bits}"


def test_one_point_is_uniform_over_seeds() -> None:
    # Owen scrambling makes every single point uniform, also the first, which unscrambled would be 0.
    seeds = np.random.default_rng(5).integers(0, 2**32, 20_000, dtype=np.uint32)
    p_values = []
    for dimension in (0, 1, 2, 9):
        for index in (0, 1, 2, 63):
            values = [float(points(1, dimension, int(seed), index)[0]) for seed in seeds[:6000]]
            counts = np.histogram(values, bins=60, range=(0, 1))[0]
            p_values.append(chi_square_p(counts, np.full(60, len(values) / 60)))
    assert min(p_values) > SIGNIFICANCE / len(p_values)


def test_neighboring_seeds_and_dimensions_are_uncorrelated() -> None:
    # Points of two seeds, or of dimensions of different pairs, must fill the square like independent numbers.
    count = 4096
    bound = 5 / np.sqrt(count)
    for dimension in (0, 1, 2, 3, 10, 11):
        for seed in range(6):
            a, b = points(count, dimension, seed), points(count, dimension, seed + 1)
            assert abs(np.corrcoef(a, b)[0, 1]) < bound, f"dimension {dimension}, seeds {seed} and {seed + 1}"
    columns = [points(count, dimension, 3) for dimension in range(24)]
    correlation = np.corrcoef(columns) - np.eye(len(columns))
    assert np.abs(correlation).max() < bound
    # Each run of 16 points puts one in every row and every column of 16 x 16 cells, where only the tree of bits is
    # shuffled; Pearson's statistic then has the mean 240 and, in the basis of Haar, the variance
    # 2 (16^2 + 4 8^2 + 16 4^2 + 64 2^2) = 2048. Dependent dimensions come near 4096 x 15.
    statistics = []
    for first in range(0, 22, 2):
        for second in range(first + 2, 24, 2):
            counts = np.histogram2d(columns[first], columns[second], bins=16, range=((0, 1), (0, 1)))[0]
            statistics.append(((counts - 16) ** 2 / 16).sum())
    error = np.sqrt(2048)
    assert max(statistics) < 240 + 8 * error
    assert abs(np.mean(statistics) - 240) < 5 * error / np.sqrt(len(statistics))


def test_scrambled_points_integrate_better_than_chance() -> None:
    # For a smooth function in two dimensions the variance over seeds falls far below that of independent points.
    count = 256
    estimates = []
    for seed in range(200):
        x, y = points(count, 0, seed).astype(np.float64), points(count, 1, seed).astype(np.float64)
        estimates.append(np.mean(x * x + x * y))
    exact = 1 / 3 + 1 / 4
    independent = np.random.default_rng(0).random((200_000, 2))
    variance = np.var(independent[:, 0] ** 2 + independent[:, 0] * independent[:, 1]) / count
    assert np.var(estimates) < variance / 50
    assert abs(np.mean(estimates) - exact) < 5 * np.std(estimates) / np.sqrt(len(estimates)) + 1e-6


def test_a_point_depends_on_its_index_alone() -> None:
    whole = points(512, 5, 11)
    shuffled = np.random.default_rng(1).permutation(512).astype(np.uint32)
    assert np.array_equal(sampling.sobol(shuffled, 5, 11), whole[shuffled])
    far = np.array([2**20, 2**24 + 3, 2**31 - 1], np.uint32)
    values = sampling.sobol(far, 5, 11)
    assert np.all((values >= 0) & (values < 1))
    assert len(np.unique(values)) == 3
