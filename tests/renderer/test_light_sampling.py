"""Sampling of sphere and rectangle lights seen from near, far and inside, against its densities."""

from __future__ import annotations

import numpy as np
import pytest
from cnsr._native import sampling
from reference_statistics import (
    SIGNIFICANCE,
    chi_square_p,
    direction_counts,
    directions_at,
    frame_about,
    integrate_bins,
    uniforms,
)

SAMPLES = 100_000
AZIMUTHS = np.linspace(0, 2 * np.pi, 13)
CENTER = np.array([0.4, -0.3, 0.9], np.float32)
RADIUS = 0.5
AXIS = np.array([0.36, 0.48, 0.8])

# Distance of the point from the center, in radii: far to just outside, then inside and at the center.
DISTANCES = [400.0, 20.0, 2.0, 1.1, 1.001, 0.999, 0.5, 1e-3, 0.0]


def point_at(distance: float) -> np.ndarray:
    return (CENTER - AXIS * distance * RADIUS).astype(np.float32)


def polar_edges(distance: float) -> np.ndarray:
    """Return polar angles about the direction to the center that part the sphere seen, and the rest, evenly."""
    if distance <= 1:
        return np.arccos(np.linspace(1, -1, 17))
    half_angle = np.arcsin(1 / distance)
    inside = 2 * np.arcsin(np.sqrt(np.linspace(0, 1, 13)) * np.sin(half_angle / 2))
    inside[-1] += 2e-7  # rounding of directions carries samples over the rim
    return np.append(inside, np.linspace(half_angle, np.pi, 4)[1:])


@pytest.mark.parametrize("distance", DISTANCES)
def test_sphere_samples_follow_their_density(distance: float) -> None:
    point, frame = point_at(distance), frame_about(AXIS)
    directions, distances, pdf = sampling.sample_sphere_light(point, CENTER, RADIUS, uniforms((SAMPLES, 2), 1))
    np.testing.assert_allclose(np.linalg.norm(directions.astype(np.float64), axis=1), 1, atol=2e-6)
    assert (pdf > 0).all()
    assert (distances > 0).all()
    edges = polar_edges(distance)

    def density(polar: np.ndarray, azimuth: np.ndarray) -> np.ndarray:
        toward = directions_at(polar, azimuth, frame).astype(np.float32)
        return sampling.sphere_light_pdf(point, toward, CENTER, RADIUS).astype(np.float64) * np.sin(polar)

    expected = integrate_bins(density, edges, AZIMUTHS, 3e-6)
    # Of a sphere of 1/400 rad, single precision of directions blurs the rim by 1 in 10^4.
    assert expected.sum() == pytest.approx(1, abs=2e-3)
    counts = direction_counts(directions, edges, AZIMUTHS, frame)
    assert chi_square_p(counts, expected * SAMPLES) > SIGNIFICANCE / len(DISTANCES)


@pytest.mark.parametrize("distance", DISTANCES)
def test_sphere_samples_return_their_density_and_lie_on_the_sphere(distance: float) -> None:
    point = point_at(distance)
    directions, distances, pdf = sampling.sample_sphere_light(point, CENTER, RADIUS, uniforms((5000, 2), 2))
    again = sampling.sphere_light_pdf(point, directions, CENTER, RADIUS)
    # Directions at the rim may be rounded off the sphere; they are few.
    agree = np.isclose(again, pdf, rtol=5e-3)
    assert np.count_nonzero(~agree) <= 0.002 * len(agree) + 1
    hit = point.astype(np.float64) + distances.astype(np.float64)[:, None] * directions.astype(np.float64)
    offset = np.linalg.norm(hit - CENTER, axis=1) - RADIUS
    # The chord near the rim turns rounding of angles (6e-8) into depth: a root of it times the distance.
    assert np.abs(offset).max() <= 2e-3 * RADIUS * max(distance, 1) ** 0.5


def test_sphere_seen_from_outside_is_sampled_by_solid_angle() -> None:
    point = point_at(3.0)
    _, _, pdf = sampling.sample_sphere_light(point, CENTER, RADIUS, uniforms((100, 2), 3))
    solid_angle = 2 * np.pi * (1 - np.sqrt(1 - 1 / 9))
    np.testing.assert_allclose(pdf, 1 / solid_angle, rtol=1e-4)
    aside = sampling.sphere_light_pdf(point, -AXIS[None].astype(np.float32), CENTER, RADIUS)
    assert aside[0] == 0


@pytest.mark.parametrize("distance", [1e5, 1e7])
def test_very_far_spheres_keep_a_finite_density(distance: float) -> None:
    center = np.zeros(3, np.float32)
    point = np.array([0, 0, -distance], np.float32)
    directions, distances, pdf = sampling.sample_sphere_light(point, center, 1.0, uniforms((1000, 2), 4))
    assert np.isfinite(directions).all()
    np.testing.assert_allclose(distances, distance, rtol=1e-4)
    np.testing.assert_allclose(pdf, distance**2 / np.pi, rtol=1e-2)


def test_degenerate_sphere_requests_give_no_nan() -> None:
    corners = np.array([[0, 0], [0, 1 - 2**-24], [1 - 2**-24, 0], [1 - 2**-24, 1 - 2**-24], [0.5, 0.5]], np.float32)
    on_surface = (CENTER - AXIS * RADIUS).astype(np.float32)
    nearly = np.nextafter(on_surface, np.float32(10))
    for point in (on_surface, nearly, CENTER, point_at(1 + 1e-6), point_at(1 - 1e-6)):
        for array in sampling.sample_sphere_light(point, CENTER, RADIUS, corners):
            assert np.isfinite(array).all()
        for direction in (AXIS, -AXIS, [1.0, 0, 0]):
            toward = np.array([direction], np.float32)
            assert np.isfinite(sampling.sphere_light_pdf(point, toward, CENTER, RADIUS)).all()


# A rectangle of 1.2 x 0.7 that lies askew; its front is where EDGE_U x EDGE_V points.
_ROTATION = frame_about([0.3, 0.9, -0.4])
RECTANGLE = np.array([1.0, 2.0, -0.5], np.float32)
EDGE_U = (1.2 * _ROTATION[0]).astype(np.float32)
EDGE_V = (0.7 * _ROTATION[1]).astype(np.float32)
FRONT = _ROTATION[2]

# Points as (along u, along v, height) from the center, in metres.
PLACES = {
    "middle": (0.0, 0.0, 1.0),
    "near": (0.2, -0.1, 0.05),
    "very near": (0.31, 0.2, 0.004),
    "far": (5.0, -3.0, 30.0),
    "very far": (100.0, 50.0, 300.0),
    "grazing": (3.0, 0.5, 0.05),
    "corner": (0.6, 0.35, 0.3),
}


def point_before(place: tuple[float, float, float]) -> np.ndarray:
    return (RECTANGLE + np.asarray(place) @ _ROTATION).astype(np.float32)


@pytest.mark.parametrize("place", PLACES)
def test_rectangle_samples_follow_their_density(place: str) -> None:
    # Bins lie on the rectangle; a density of directions becomes one of places by cos / distance^2.
    point = point_before(PLACES[place])
    directions, distances, pdf = sampling.sample_rectangle_light(
        point, RECTANGLE, EDGE_U, EDGE_V, uniforms((SAMPLES, 2), 5)
    )
    assert (pdf > 0).all()
    hit = point.astype(np.float64) + distances.astype(np.float64)[:, None] * directions.astype(np.float64)
    local = (hit - RECTANGLE) @ _ROTATION.T / [1.2, 0.7, 1.0]  # [-0.5, 0.5] within the rectangle
    scale = 1e-6 * (np.linalg.norm(PLACES[place]) + 3)
    assert np.abs(local[:, 2]).max() < 2 * scale
    assert np.abs(local[:, :2]).max() < 0.5 + 4 * scale

    def density(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        target = RECTANGLE + (u[:, None] * 1.2) * _ROTATION[0] + (v[:, None] * 0.7) * _ROTATION[1]
        offset = target - point.astype(np.float64)
        squared = (offset**2).sum(1)
        toward = offset / np.sqrt(squared)[:, None]
        cosine = np.abs(toward @ FRONT)
        density = sampling.rectangle_light_pdf(point, toward.astype(np.float32), RECTANGLE, EDGE_U, EDGE_V)
        return density.astype(np.float64) * cosine / squared * 1.2 * 0.7

    edges_u, edges_v = np.linspace(-0.5, 0.5, 17), np.linspace(-0.5, 0.5, 13)
    expected = integrate_bins(density, edges_u, edges_v, 3e-6)
    assert expected.sum() == pytest.approx(1, abs=4e-3)
    inside = np.clip(local[:, :2], -0.5, 0.5)
    counts = np.histogram2d(inside[:, 0], inside[:, 1], bins=(edges_u, edges_v))[0].astype(np.int64)
    assert chi_square_p(counts, expected / expected.sum() * SAMPLES) > SIGNIFICANCE / len(PLACES)


@pytest.mark.parametrize("place", PLACES)
def test_rectangle_samples_return_their_density(place: str) -> None:
    point = point_before(PLACES[place])
    directions, _, pdf = sampling.sample_rectangle_light(point, RECTANGLE, EDGE_U, EDGE_V, uniforms((5000, 2), 6))
    np.testing.assert_allclose(np.linalg.norm(directions.astype(np.float64), axis=1), 1, atol=2e-6)
    again = sampling.rectangle_light_pdf(point, directions, RECTANGLE, EDGE_U, EDGE_V)
    agree = np.isclose(again, pdf, rtol=1e-2 if place == "very near" else 2e-3)
    assert np.count_nonzero(~agree) <= 0.002 * len(agree) + 1  # rounded over the border


@pytest.mark.parametrize("place", ["middle", "near", "far"])
def test_rectangles_shine_to_their_front_only(place: str) -> None:
    u, v, height = PLACES[place]
    behind = point_before((u, v, -height))
    _, _, pdf = sampling.sample_rectangle_light(behind, RECTANGLE, EDGE_U, EDGE_V, uniforms((100, 2), 7))
    assert (pdf == 0).all()
    toward = (RECTANGLE - behind)[None] / np.linalg.norm(RECTANGLE - behind)
    assert sampling.rectangle_light_pdf(behind, toward.astype(np.float32), RECTANGLE, EDGE_U, EDGE_V)[0] == 0
    front = point_before(PLACES[place])
    aside = sampling.rectangle_light_pdf(front, FRONT[None].astype(np.float32), RECTANGLE, EDGE_U, EDGE_V)
    assert aside[0] == 0


def test_degenerate_rectangle_requests_give_no_nan() -> None:
    corners = np.array([[0, 0], [0, 1 - 2**-24], [1 - 2**-24, 0], [1 - 2**-24, 1 - 2**-24], [0.5, 0.5]], np.float32)
    edges = [(EDGE_U, EDGE_V), (EDGE_U, np.zeros(3, np.float32)), (np.zeros(3, np.float32), np.zeros(3, np.float32))]
    for place in ((0.0, 0.0, 0.0), (0.6, 0.35, 0.0), (3.0, 0.0, 0.0), (0.0, 0.0, 1e-30), (0.0, 0.0, 1e-6)):
        point = point_before(place)
        for edge_u, edge_v in edges:
            for array in sampling.sample_rectangle_light(point, RECTANGLE, edge_u, edge_v, corners):
                assert np.isfinite(array).all()
            for direction in (FRONT, -FRONT, _ROTATION[0]):
                toward = np.array([direction], np.float32)
                assert np.isfinite(sampling.rectangle_light_pdf(point, toward, RECTANGLE, edge_u, edge_v)).all()
