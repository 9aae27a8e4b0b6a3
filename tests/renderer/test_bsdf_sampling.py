"""Sampling of materials: distributions against densities, values against plain formulas, energy, reciprocity."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from cnsr._native import sampling
from reference_material import (
    bounded_normal_density,
    fresnel,
    ggx,
    reflectance_cosine,
    smith_lambda,
    specular_share,
    stretched_reflections,
    visible_normal_density,
)
from reference_statistics import (
    SIGNIFICANCE,
    assert_mean,
    chi_square_p,
    direction_counts,
    directions_at,
    integrate_bins,
    uniforms,
)

IOR = 15.0
ALPHAS = [0.001, 0.0025, 0.01, 0.05, 0.2, 0.5, 1.0]
ROUGHNESSES = [0.05, 0.06, 0.1, 0.3, 0.5, 0.8, 0.999, 1.0]
SMOOTHEST = ALPHAS[0] ** 0.5
ANGLES = [0.0, 30.0, 60.0, 80.0, 89.0, 89.9]  # degrees from the normal
SAMPLES = 100_000
AZIMUTHS = np.linspace(0, 2 * np.pi, 13)
WHITE = np.ones(3, np.float32)


AZIMUTH = 0.7  # of the outgoing directions


def outgoing(degrees: float, azimuth: float = AZIMUTH) -> np.ndarray:
    angle = np.radians(degrees)
    direction = [np.sin(angle) * np.cos(azimuth), np.sin(angle) * np.sin(azimuth), np.cos(angle)]
    return np.array(direction, np.float32)


def lobe_edges(alpha: float, count: int = 14) -> np.ndarray:
    """Return polar angles that part the GGX normals seen along the normal in equal shares, and the rest to 90°."""
    shares = np.arange(count) / count
    inner = np.arctan(alpha * np.sqrt(shares / (1 - shares)))
    tail = np.geomspace(inner[-1], np.radians(30), 8)[1:] if inner[-1] < np.radians(20) else np.radians([30])
    outer = np.append(tail, np.radians([40, 45, 50, 60, 75, 90]))
    return np.append(inner, outer[outer > inner[-1] * 1.05])


def spread(wo: np.ndarray, count: int) -> np.ndarray:
    return np.repeat(wo[None], count, 0)


def cap_limit(polar: np.ndarray, wo: np.ndarray, alpha: float) -> np.ndarray:
    """Return how far from the azimuth of wo a visible normal of the bounded cap may turn, between 0 and pi."""
    # In the stretched space, normals at one polar angle have one polar angle, too. Their reflection of wo ends at the
    # cap where 2 (wo . h) h_z - wo_z = least, which is linear in the cosine of the azimuth.
    stretched = wo * [alpha, alpha, 1]
    stretched /= np.linalg.norm(stretched)
    tangent = np.tan(polar) / alpha
    cosine, sine = 1 / np.hypot(1, tangent), tangent / np.hypot(1, tangent)
    _, least = stretched_reflections(wo, np.array([[0.0, 0.0, 1.0]]), alpha)
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = (least + stretched[2]) / (2 * cosine) - cosine * stretched[2]
        limit = needed / (sine * np.hypot(stretched[0], stretched[1]))
    limit = np.where(np.isnan(limit), np.where(needed > 0, 1.0, -1.0), limit)
    return np.arccos(np.clip(limit, -1, 1))


@pytest.mark.parametrize("alpha", ALPHAS)
def test_visible_normals_follow_their_density(alpha: float) -> None:
    # The azimuth is measured as a share of what the bounded cap allows, so that the cap's rim is an edge of the bins.
    p_values = []
    for degrees in ANGLES:
        wo = outgoing(degrees)
        exact = wo.astype(np.float64)
        normals = sampling.sample_visible_normal(wo, alpha, uniforms((SAMPLES, 2), 1)).astype(np.float64)
        np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=2e-6)
        # Azimuths begin to be cut where even the farthest turned normal meets the cap's rim, and end where the
        # nearest does.
        angles = np.geomspace(1e-7, np.pi / 2 - 1e-9, 200_000)
        limits = cap_limit(angles, exact, alpha)
        rims = [angles[limits < np.pi][0], angles[limits > 0][-1]] if (limits < np.pi).any() else []
        edges = lobe_edges(alpha)
        edges = np.unique(np.append(edges, rims))
        shares = np.linspace(-1, 1, 13)

        def density(polar: np.ndarray, share: np.ndarray, wo: np.ndarray = exact) -> np.ndarray:
            limit = cap_limit(polar, wo, alpha)
            # A hair within the rim, where the plain formula is not yet 0.
            directions = directions_at(polar, AZIMUTH + share * limit * (1 - 1e-9))
            return bounded_normal_density(wo, directions, alpha) * np.sin(polar) * limit

        expected = integrate_bins(density, edges, shares, 1e-7)
        assert expected.sum() == pytest.approx(1, abs=2e-3), f"{degrees} degrees: the density is not normalized"
        polar = np.arctan2(np.hypot(normals[:, 0], normals[:, 1]), normals[:, 2])
        turn = np.mod(np.arctan2(normals[:, 1], normals[:, 0]) - AZIMUTH + np.pi, 2 * np.pi) - np.pi
        share = np.clip(turn / np.maximum(cap_limit(polar, exact, alpha), 1e-12), -1, 1)
        counts = np.histogram2d(polar, share, bins=(edges, shares))[0].astype(np.int64)
        p_values.append(chi_square_p(counts, expected * SAMPLES))
    assert min(p_values) > SIGNIFICANCE / (len(ALPHAS) * len(ANGLES)), dict(zip(ANGLES, p_values, strict=True))


@pytest.mark.parametrize("alpha", [0.05, 0.5, 1.0])
def test_bounded_caps_waste_few_samples(alpha: float) -> None:
    # Of all visible normals, those of the cap keep each one that reflects upwards. At normal incidence no sample is
    # wasted; elsewhere fewer than without the bound.
    roughness = alpha**0.5
    for degrees in ANGLES:
        wo = outgoing(degrees)
        normals = sampling.sample_visible_normal(wo, alpha, uniforms((SAMPLES, 2), 11)).astype(np.float64)
        reflected_height = 2 * (normals @ wo) * normals[:, 2] - wo[2]
        wasted = float(np.mean(reflected_height <= 0))
        exact = wo.astype(np.float64)
        _, least = stretched_reflections(exact, np.array([[0.0, 0.0, 1.0]]), alpha)
        kept = (1 - least) / (1 + wo[2] / np.linalg.norm(exact * [alpha, alpha, 1]))
        # What lies above the surface is the same set: its share of all visible normals is kept times (1 - wasted).
        wasted_by_all = 1 - kept * (1 - wasted)
        assert kept <= 1 + 1e-6
        assert wasted <= wasted_by_all + 1e-6
        if degrees == 0:
            assert wasted < 1e-4
            assert alpha < 0.5 or wasted_by_all > 0.1
    _, _, pdf = sampling.sample_bsdf(
        spread(outgoing(0), 10_000), WHITE * 0.0, roughness, IOR, uniforms((10_000, 3), 12)
    )
    assert alpha == 1.0 or np.mean(pdf > 0) > 0.999


@pytest.mark.parametrize("alpha", ALPHAS[:-1])
def test_the_density_of_reflections_is_that_of_bounded_visible_normals(alpha: float) -> None:
    # Without a diffuse part, sample_bsdf's density is that of the normals over the Jacobian of reflection.
    for degrees in ANGLES:
        wo = outgoing(degrees)
        exact = wo.astype(np.float64)
        wi, _, pdf = sampling.sample_bsdf(spread(wo, 2000), WHITE * 0.0, alpha**0.5, IOR, uniforms((2000, 3), 3))
        half = exact + wi.astype(np.float64)
        half /= np.linalg.norm(half, axis=1, keepdims=True)
        facing = half @ exact
        expected = bounded_normal_density(exact, half, alpha) / (4 * facing)
        heights, least = stretched_reflections(exact, half, alpha)
        solid = (pdf > 0) & (facing > 1e-3) & (np.abs(heights - least) > 1e-5)  # lost digits; the cap's rim
        assert solid.mean() > 0.3
        # Half vectors of a narrow lobe are differences of nearly equal numbers in single precision.
        np.testing.assert_allclose(pdf[solid], expected[solid], rtol=2e-3 + 2e-6 / alpha / np.cos(np.radians(degrees)))


def test_cosine_hemisphere_follows_its_density() -> None:
    directions = sampling.sample_cosine_hemisphere(uniforms((SAMPLES, 2), 2))
    assert (directions[:, 2] >= 0).all()
    pdf = sampling.cosine_hemisphere_pdf(directions)
    np.testing.assert_allclose(pdf, np.maximum(directions[:, 2], 0) / np.pi, rtol=1e-5, atol=1e-7)
    edges = np.arcsin(np.sqrt(np.linspace(0, 1, 15)))
    below = sampling.cosine_hemisphere_pdf(np.array([[0.6, 0.0, -0.8]], np.float32))
    assert below[0] == 0

    def density(polar: np.ndarray, azimuth: np.ndarray) -> np.ndarray:
        pdf = sampling.cosine_hemisphere_pdf(directions_at(polar, azimuth).astype(np.float32))
        return pdf.astype(np.float64) * np.sin(polar)

    expected = integrate_bins(density, edges, AZIMUTHS)
    assert expected.sum() == pytest.approx(1, abs=1e-5)
    assert chi_square_p(direction_counts(directions, edges, AZIMUTHS), expected * SAMPLES) > SIGNIFICANCE


def reach(polar: np.ndarray, wo: np.ndarray) -> np.ndarray:
    """Return how far from the azimuth of wo a half vector may turn before it reflects wo below the surface.

    The reflection of wo about h is above it where 2 (wo . h) h_z > wo_z, that is cos(azimuth) > -cot(wo) cot(2 polar).
    """
    sine, cosine = np.hypot(wo[0], wo[1]), wo[2]
    with np.errstate(divide="ignore"):
        limit = -cosine * np.cos(2 * polar) / (sine * np.sin(2 * polar))
    return np.arccos(np.clip(limit, -1, 1))


@pytest.mark.parametrize("roughness", [SMOOTHEST, *ROUGHNESSES])
def test_scattered_directions_follow_their_density(roughness: float) -> None:
    # Bins lie in the space of half vectors, where the lobe has one place and size for all angles; their
    # Jacobian is d(wi) = 4 (wo . h) d(h). The azimuth is measured as a share of its reach, so that the horizon, where
    # the density drops to zero, is an edge of the bins. Directions below the surface are the share that is missing.
    p_values = []
    for degrees in ANGLES:
        wo = outgoing(degrees)
        exact = wo.astype(np.float64)
        wi, _, pdf = sampling.sample_bsdf(spread(wo, SAMPLES), WHITE * 0.5, roughness, IOR, uniforms((SAMPLES, 3), 4))
        valid = pdf > 0
        half = exact + wi[valid].astype(np.float64)
        polar = np.arctan2(np.hypot(half[:, 0], half[:, 1]), half[:, 2])
        turn = np.mod(np.arctan2(half[:, 1], half[:, 0]) - AZIMUTH + np.pi, 2 * np.pi) - np.pi
        # The reach begins to shrink, and ends, where wi is at the horizon on either side.
        middle, last = (np.pi / 2 + sign * np.arctan2(np.hypot(*exact[:2]), exact[2]) for sign in (-1, 1))
        edges = lobe_edges(roughness**2)
        edges = np.unique(np.append(edges[edges < last / 2], [middle / 2, last / 2]))
        shares = np.linspace(-1, 1, 13)

        def density(polar: np.ndarray, share: np.ndarray, wo: np.ndarray = exact) -> np.ndarray:
            farthest = reach(polar, wo)
            normals = directions_at(polar, AZIMUTH + share * farthest)
            facing = normals @ wo
            reflected = 2 * facing[:, None] * normals - wo
            _, pdf = sampling.evaluate_bsdf(
                wo.astype(np.float32), reflected.astype(np.float32), WHITE * 0.5, roughness, IOR
            )
            return pdf.astype(np.float64) * 4 * facing * np.sin(polar) * farthest

        expected = integrate_bins(density, edges, shares, 1e-7)
        assert expected.sum() < 1 + 1e-4
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.nan_to_num(turn / reach(polar, exact))
        places = np.clip(polar, 0, last / 2), np.clip(share, -1, 1)  # rounded over the horizon
        counts = np.histogram2d(*places, bins=(edges, shares))[0].astype(np.int64)
        missing = [np.count_nonzero(~valid), max(1 - expected.sum(), 0) * SAMPLES]
        p_values.append(chi_square_p(np.append(counts, missing[0]), np.append(expected * SAMPLES, missing[1])))
    tests = (1 + len(ROUGHNESSES)) * len(ANGLES)
    assert min(p_values) > SIGNIFICANCE / tests, dict(zip(ANGLES, p_values, strict=True))


@pytest.mark.parametrize("roughness", ROUGHNESSES)
def test_samples_agree_with_evaluation(roughness: float) -> None:
    albedo = np.array([0.9, 0.5, 0.0], np.float32)
    for degrees in ANGLES:
        wo = outgoing(degrees)
        wi, weight, pdf = sampling.sample_bsdf(spread(wo, 4000), albedo, roughness, IOR, uniforms((4000, 3), 5))
        valid = pdf > 0
        assert np.isfinite(weight).all()
        assert (weight >= 0).all()
        assert (weight[~valid] == 0).all()
        assert valid.any()
        value, density = sampling.evaluate_bsdf(wo, wi[valid], albedo, roughness, IOR)
        # Rounding of wi (6e-8) moves the half vector by that much over the width of the lobe, alpha; and wi at
        # grazing angles has lost digits of its cosine.
        cosine = np.minimum(wi[valid][:, 2], wo[2])
        tolerance = 1e-3 + 4e-6 / roughness**2 + 2e-6 / np.maximum(cosine, 1e-9)
        assert (np.abs(density - pdf[valid]) <= tolerance * pdf[valid]).all()
        product = weight[valid] * pdf[valid][:, None]
        assert (np.abs(product - value) <= tolerance[:, None] * (np.abs(value) + 1e-6 * pdf[valid][:, None])).all()


@pytest.mark.parametrize("roughness", ROUGHNESSES)
def test_values_are_those_of_the_plain_formula(roughness: float) -> None:
    for degrees, ior in itertools.product(ANGLES, (1.5, IOR)):
        wo = outgoing(degrees)
        wi, _, pdf = sampling.sample_bsdf(spread(wo, 3000), WHITE * 0.7, roughness, ior, uniforms((3000, 3), 6))
        wi = wi[(pdf > 0) & (wi[:, 2] > 1e-3)]
        value, _ = sampling.evaluate_bsdf(wo, wi, WHITE * 0.7, roughness, ior)
        expected = reflectance_cosine(wo, wi, 0.7, roughness, ior)
        tolerance = 2e-3 + 1e-5 / roughness**2
        np.testing.assert_allclose(value[:, 0], expected, rtol=tolerance, atol=1e-6)
        np.testing.assert_array_equal(value[:, 0], value[:, 1])  # the lobe is white


def test_color_tints_the_diffuse_part_only() -> None:
    wo = outgoing(40)
    wi = outgoing(20, 2.0)[None]
    black, _ = sampling.evaluate_bsdf(wo, wi, np.zeros(3, np.float32), 0.5, IOR)
    colored, _ = sampling.evaluate_bsdf(wo, wi, np.array([1.0, 0.5, 0.0], np.float32), 0.5, IOR)
    assert black.max() > 0
    diffuse = (1 - specular_share(0.5)) * wi[0, 2] / np.pi
    np.testing.assert_allclose(colored - black, [[diffuse, diffuse / 2, 0]], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("roughness", ROUGHNESSES)
def test_reflection_is_reciprocal(roughness: float) -> None:
    # f(wo, wi) = f(wi, wo), at directions that matter: those the material scatters to.
    for degrees in ANGLES[:-1]:
        wo = outgoing(degrees)
        wi, _, pdf = sampling.sample_bsdf(spread(wo, 60), WHITE, roughness, IOR, uniforms((60, 3), 7))
        for direction in wi[(pdf > 0) & (wi[:, 2] > 1e-3)]:
            there, _ = sampling.evaluate_bsdf(wo, direction[None], WHITE, roughness, IOR)
            back, _ = sampling.evaluate_bsdf(direction, wo[None], WHITE, roughness, IOR)
            forward, backward = there[0, 0] / direction[2], back[0, 0] / wo[2]
            assert forward == pytest.approx(backward, rel=1e-3 + 4e-6 / roughness**2)


def directional_albedo(wo: np.ndarray, roughness: float, ior: float) -> float:
    """Return the share of light that the plain formula reflects from wo, by integration over half vectors."""
    share = specular_share(roughness)
    out = wo.astype(np.float64)

    def density(polar: np.ndarray, azimuth: np.ndarray) -> np.ndarray:
        normals = directions_at(polar, azimuth)
        facing = normals @ out
        reflected = 2 * facing[:, None] * normals - out
        value = reflectance_cosine(out, reflected, 0.0, roughness, ior)
        return np.where((facing > 0) & (reflected[:, 2] > 0), value * 4 * facing * np.sin(polar), 0)

    lobe = integrate_bins(density, lobe_edges(roughness**2), AZIMUTHS[::2], 2e-6, levels=0).sum() if share > 0 else 0.0
    return float(1 - share + lobe)


@pytest.mark.parametrize("roughness", [0.05, 0.1, 0.3, 0.7, 1.0])
def test_no_white_material_reflects_more_than_it_receives(roughness: float) -> None:
    for degrees, ior in itertools.product(ANGLES, (1.5, IOR, 1000.0)):
        wo = outgoing(degrees)
        expected = directional_albedo(wo, roughness, ior)
        assert expected <= 1 + 1e-4
        _, weight, _ = sampling.sample_bsdf(spread(wo, 40_000), WHITE, roughness, ior, uniforms((40_000, 3), 8))
        assert weight.max() < 2, "one heavy sample is what makes a firefly"
        mean = weight[:, 0].astype(np.float64).mean()
        error = weight[:, 0].astype(np.float64).std() / 200
        assert mean <= 1 + 5 * error + 1e-5
        assert abs(mean - expected) <= 5 * error + 2e-3, f"{degrees} degrees, index {ior}"


def test_a_white_diffuse_material_keeps_every_sample_whole() -> None:
    for degrees in ANGLES:
        _, weight, pdf = sampling.sample_bsdf(
            spread(outgoing(degrees), 5000), WHITE * 0.25, 1.0, IOR, uniforms((5000, 3), 9)
        )
        np.testing.assert_allclose(weight[pdf > 0], 0.25, rtol=1e-5)
        assert np.count_nonzero(pdf == 0) <= 5  # cosines rounded to nothing


def test_the_smoothest_material_reflects_by_fresnel() -> None:
    for degrees in ANGLES[:4]:
        wo = outgoing(degrees)
        _, weight, _ = sampling.sample_bsdf(spread(wo, 5000), WHITE, 0.05, IOR, uniforms((5000, 3), 10))
        expected = fresnel(wo[2:3].astype(np.float64), IOR)[0]
        assert_mean(weight[:, 0], expected, precision=1e-3, deviations=8)


@pytest.mark.parametrize("roughness", [0.0, 0.05, 0.3, 1.0])
def test_grazing_and_impossible_directions_give_no_nan(roughness: float) -> None:
    corners = np.array(list(itertools.product([0.0, 0.5, 1 - 2.0**-24], repeat=3)), np.float32)
    for cosine in (1.0, 1e-3, 1e-6, 1e-20, 0.0, -0.5):
        wo = np.array([np.sqrt(1 - cosine**2), 0, cosine], np.float32)
        wi, weight, pdf = sampling.sample_bsdf(spread(wo, len(corners)), WHITE, roughness, IOR, corners)
        for array in (wi, weight, pdf):
            assert np.isfinite(array).all(), f"cosine {cosine}"
        assert weight.max() < 2
        for direction in ([1.0, 0, 0], [-1.0, 0, 0], [0, 0, 1.0], [0, 0, -1.0], [0.6, 0, -0.8], -wo, wo):
            value, density = sampling.evaluate_bsdf(wo, np.array([direction], np.float32), WHITE, roughness, IOR)
            assert np.isfinite(value).all()
            assert np.isfinite(density).all()
            assert (value >= 0).all()
            if direction[2] <= 0 or cosine <= 0:
                assert (value == 0).all()


def test_reference_formulas_are_consistent() -> None:
    # The oracle itself: visible normals integrate to one, and masking vanishes along the normal.
    wo = outgoing(70).astype(np.float64)
    alpha = 0.3

    def density(polar: np.ndarray, azimuth: np.ndarray) -> np.ndarray:
        return visible_normal_density(wo, directions_at(polar, azimuth), alpha) * np.sin(polar)

    assert integrate_bins(density, lobe_edges(alpha), AZIMUTHS).sum() == pytest.approx(1, abs=1e-4)
    up = np.array([[0.0, 0.0, 1.0]])
    assert smith_lambda(up, alpha)[0] == 0
    assert ggx(up, alpha)[0] == pytest.approx(1 / (np.pi * alpha**2))
    assert fresnel(np.ones(1), IOR)[0] == pytest.approx(((IOR - 1) / (IOR + 1)) ** 2)
