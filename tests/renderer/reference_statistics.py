"""Statistics for tests of sampling routines: adaptive integration over bins, chi-square and mean tests.

Every test runs with fixed seeds, so a passing test stays passing; the significance levels say how far from a chance
result a failure is, and the bounds on standard errors say how small an error is still seen.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]
Density = Callable[[Floats, Floats], Floats]

SIGNIFICANCE = 0.01
"""Chance that a correct routine fails a whole family of tests, before seeds are fixed."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(4)


def _gauss(density: Density, cells: Floats) -> Floats:
    """Integrate a density over cells [n, 4] = (a0, a1, b0, b1) by a 4x4-point Gauss-Legendre rule."""
    half_a, half_b = (cells[:, 1] - cells[:, 0]) / 2, (cells[:, 3] - cells[:, 2]) / 2
    a = ((cells[:, 0] + cells[:, 1]) / 2)[:, None] + half_a[:, None] * _NODES  # [n, 4]
    b = ((cells[:, 2] + cells[:, 3]) / 2)[:, None] + half_b[:, None] * _NODES
    grid_a, grid_b = np.broadcast_arrays(a[:, :, None], b[:, None, :])  # [n, 4, 4]
    values = np.asarray(density(grid_a.ravel(), grid_b.ravel()), np.float64).reshape(grid_a.shape)
    return np.einsum("nij,i,j->n", values, _WEIGHTS, _WEIGHTS) * half_a * half_b


def _split(cells: Floats) -> Floats:
    """Split each cell in four: [n, 4] -> [n, 4, 4]."""
    a0, a1, b0, b1 = cells.T
    a, b = (a0 + a1) / 2, (b0 + b1) / 2
    quarters = [(a0, a, b0, b), (a, a1, b0, b), (a0, a, b, b1), (a, a1, b, b1)]
    return np.stack([np.stack(quarter, -1) for quarter in quarters], 1)


def integrate_bins(
    density: Density, edges_a: Floats, edges_b: Floats, tolerance: float = 1e-6, levels: int = 2
) -> Floats:
    """Integrate a density over every bin of a product grid, splitting cells until halving changes nothing.

    Args:
        density: function of two coordinate arrays of one length.
        edges_a, edges_b: bin edges, n + 1 and m + 1.
        tolerance: largest change of a cell's integral that ends its splitting.
        levels: how often every cell is split before that is asked: a corner of the support may lie between the
            points of a coarse rule.

    Returns:
        The integrals [n, m].
    """
    shape = (len(edges_a) - 1, len(edges_b) - 1)
    low_a, low_b = np.meshgrid(edges_a[:-1], edges_b[:-1], indexing="ij")
    high_a, high_b = np.meshgrid(edges_a[1:], edges_b[1:], indexing="ij")
    cells = np.stack([low_a.ravel(), high_a.ravel(), low_b.ravel(), high_b.ravel()], -1)
    owner = np.arange(len(cells))
    totals = np.zeros(len(cells))
    estimate = _gauss(density, cells)
    for level in range(14):
        children = _split(cells)
        parts = _gauss(density, children.reshape(-1, 4)).reshape(-1, 4)
        done = (np.abs(parts.sum(1) - estimate) < tolerance) & (level >= levels) | (level == 13)
        np.add.at(totals, owner[done], parts[done].sum(1))
        if done.all():
            break
        cells, estimate = children[~done].reshape(-1, 4), parts[~done].ravel()
        owner = np.repeat(owner[~done], 4)
    return totals.reshape(shape)


def chi_square_p(counts: npt.NDArray[np.int64], expected: Floats, least: float = 8.0) -> float:
    """Return the p-value of Pearson's chi-square test of bin counts against expected counts.

    Bins expecting fewer than `least` are pooled. A bin that expects nothing and holds samples makes it 0, unless
    these are few enough (one in 10^5) to be samples rounded over the edge of the support.
    """
    counts, expected = np.ravel(counts), np.ravel(expected)
    total = counts.sum()
    impossible = counts[expected < 1e-9 * total].sum()
    if impossible > 1 + 1e-5 * total:
        return 0.0
    order = np.argsort(expected)
    counts, expected = counts[order].astype(np.float64), expected[order]
    # The smallest bins are pooled one after another until the pool expects enough.
    small = int(np.searchsorted(expected, least))
    if small:
        if expected[:small].sum() < least and small < len(expected):
            small += 1
        counts = np.append(counts[:small].sum(), counts[small:])
        expected = np.append(expected[:small].sum(), expected[small:])
    assert len(counts) > 4, "too few bins are left to test anything"
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return float(special.gammaincc((len(counts) - 1) / 2, statistic / 2))


def direction_counts(
    directions: Floats, polar_edges: Floats, azimuth_edges: Floats, frame: Floats | None = None
) -> npt.NDArray[np.int64]:
    """Count directions [n, 3] in bins of polar angle and azimuth about a frame's z-axis (rows: x, y, z)."""
    local = np.asarray(directions, np.float64)
    if frame is not None:
        local = local @ frame.T
    polar = np.arctan2(np.hypot(local[:, 0], local[:, 1]), local[:, 2])
    azimuth = np.mod(np.arctan2(local[:, 1], local[:, 0]), 2 * np.pi)
    return np.histogram2d(polar, azimuth, bins=(polar_edges, azimuth_edges))[0].astype(np.int64)


def directions_at(polar: Floats, azimuth: Floats, frame: Floats | None = None) -> Floats:
    """Return the unit vectors [n, 3] at these angles about a frame's z-axis."""
    sine = np.sin(polar)
    local = np.stack([sine * np.cos(azimuth), sine * np.sin(azimuth), np.cos(polar)], -1)
    return local if frame is None else local @ frame


def frame_about(axis: npt.ArrayLike) -> Floats:
    """Return an orthonormal frame (rows: x, y, z) with z along the axis."""
    z = np.asarray(axis, np.float64)
    z = z / np.linalg.norm(z)
    helper = np.array([1.0, 0.0, 0.0]) if abs(z[0]) < 0.8 else np.array([0.0, 1.0, 0.0])
    x = np.cross(helper, z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


def uniforms(shape: tuple[int, ...], seed: int) -> npt.NDArray[np.float32]:
    """Return independent float32 numbers in [0, 1)."""
    return np.random.Generator(np.random.Philox(seed)).random(shape, dtype=np.float32)


def assert_mean(values: npt.ArrayLike, expected: float, precision: float = 0.01, deviations: float = 5.0) -> None:
    """Assert that independent values have this mean: within some standard errors, and these being small enough.

    Args:
        values: independent, equally distributed values (pixels that see the same).
        expected: the true mean.
        precision: the standard error must be below this share of the mean, else the test would see nothing.
        deviations: allowed distance in standard errors (5: chance of a false alarm below 1e-5 for 64 values).
    """
    flat = np.asarray(values, np.float64).ravel()
    error = flat.std(ddof=1) / np.sqrt(len(flat))
    assert error <= precision * expected, f"too noisy to test: {error:.3g} of {expected:.3g}"
    distance = abs(flat.mean() - expected)
    bound = deviations * error + 2e-5 * expected  # the second: single precision
    assert distance <= bound, f"mean {flat.mean():.6g}, expected {expected:.6g} within {bound:.2g}"
