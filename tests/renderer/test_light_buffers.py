"""How radiance is split: direct and indirect, diffuse and specular; the clamp; hidden lights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scene_building as build
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference_material import reflectance_cosine
from reference_statistics import assert_mean

LIGHT_BUFFERS = ("beauty", "direct", "indirect", "diffuse", "specular")


def assert_splits_exactly(buffers: dict[str, np.ndarray]) -> None:
    assert np.array_equal(buffers["direct"] + buffers["indirect"], buffers["beauty"])
    assert np.array_equal(buffers["diffuse"] + buffers["specular"], buffers["beauty"])


@pytest.mark.parametrize("samples", [1, 3, 64])
@pytest.mark.parametrize("hide", [False, True])
def test_parts_add_up_exactly(tracer: Any, samples: int, hide: bool) -> None:
    scene = build.small_room(hide_lights=hide)
    buffers = tracer.render(scene, size=32, samples=samples, buffers=LIGHT_BUFFERS).buffers
    assert_splits_exactly(buffers)
    for name in LIGHT_BUFFERS:
        assert np.isfinite(buffers[name]).all()
        assert buffers[name].min() >= 0, name
        assert buffers[name].max() > 0, name


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    roughness=st.floats(0.0, 1.0),
    color=st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3),
    emission=st.floats(1e-6, 1e9),
    seed=st.integers(0, 2**63 - 1),
    clamp=st.sampled_from([None, 25.0, 1e-3]),
)
def test_parts_add_up_exactly_for_any_material(
    tracer: Any, roughness: float, color: list[float], emission: float, seed: int, clamp: float | None
) -> None:
    scene = build.small_room(roughness=roughness)
    scene["materials"]["white"]["color"] = color
    scene["materials"]["light"]["emission"] = [emission, emission / 3, 0.0]
    buffers = tracer.render(scene, size=6, samples=3, seed=seed, buffers=LIGHT_BUFFERS, clamp=clamp).buffers
    assert_splits_exactly(buffers)


def lit_floor(roughness: float, bounces: int = 2) -> dict:
    materials = {"floor": build.material(0.8, roughness=roughness), "light": build.material(0, 10.0)}
    floor = build.grid([0, 0, 0], [0, 1, 0], [2, 0, 2], "floor")
    light = build.sphere([-1.0, 1.6, -1.4], 0.004, "light")
    return build.scene(build.camera([1.5, 2.0, 2.0], [0, 0, 0], 0.05), materials, [light], [floor], bounces)


def test_matt_surfaces_scatter_diffuse_light_only(tracer: Any) -> None:
    buffers = tracer.render(lit_floor(1.0), size=8, samples=16, buffers=LIGHT_BUFFERS).buffers
    assert buffers["beauty"].min() > 0
    assert np.array_equal(buffers["diffuse"], buffers["beauty"])
    assert np.array_equal(buffers["direct"], buffers["beauty"])


def test_mirrors_scatter_specular_light_only(tracer: Any) -> None:
    scene = lit_floor(0.05)
    scene["lights"] = [build.sphere([-1.5, 2.0, -2.0], 0.5, "light")]  # where the reflected ray goes
    buffers = tracer.render(scene, size=8, samples=16, buffers=LIGHT_BUFFERS).buffers
    assert buffers["beauty"].min() > 0
    assert buffers["diffuse"].max() == 0


def test_glossy_surfaces_scatter_both_in_known_shares(tracer: Any) -> None:
    # A light small enough to lie in one direction, near the mirrored one.
    scene = lit_floor(0.5)
    image = tracer.render(scene, size=8, samples=64, buffers=LIGHT_BUFFERS, clamp=None).buffers
    toward, view = np.array([-1.0, 1.6, -1.4]), np.array([1.5, 2.0, 2.0])
    d2 = toward @ toward
    wi, wo = (v[[0, 2, 1]] / np.linalg.norm(v) for v in (toward, view))
    intensity = 10.0 / 4 / d2  # L pi r^2 / d^2
    diffuse = intensity * (0.5 - 0.05) / 0.95 * 0.8 / np.pi * wi[2]
    specular = intensity * reflectance_cosine(wo, wi, 0.0, 0.5, 15.0)[0]
    assert_mean(image["diffuse"], diffuse, deviations=6)
    assert_mean(image["specular"], specular, deviations=6)


def test_directly_seen_light_is_direct_and_not_diffuse(tracer: Any) -> None:
    materials = {"light": build.material(0.7, 12.0)}
    light = build.grid([0, 0, 0], [0, 0, 1], [2, 2, 0], "light")
    scene = build.scene(build.camera([0, 0, 2], [0, 0, 0], 10.0), materials, [light], [], 4)
    buffers = tracer.render(scene, size=4, samples=4, buffers=LIGHT_BUFFERS).buffers
    np.testing.assert_allclose(buffers["direct"], 3.0, rtol=1e-6)
    assert buffers["diffuse"].max() == 0
    assert buffers["indirect"].max() == 0


def test_indirect_light_starts_with_the_second_bounce(tracer: Any) -> None:
    # In a furnace each bounce is known: direct holds the first two orders, indirect the others.
    walls = build.box_walls([-1, -1, -1], [1, 1, 1], "wall")
    scene = build.scene(build.camera([0, 0, 0.5], [0, 0, 0], 60), {"wall": build.material(0.5, 8.0)}, walls, [], 5)
    for choice in (True, False):
        buffers = tracer.render(
            scene, size=8, samples=64, buffers=LIGHT_BUFFERS, clamp=None, next_event_estimation=choice
        ).buffers
        assert_mean(buffers["direct"], 2 * (1 + 0.5))
        assert_mean(buffers["indirect"], 2 * (0.25 + 0.125 + 0.0625))
        assert_mean(buffers["diffuse"], 2 * (0.5 + 0.25 + 0.125 + 0.0625))
        assert_mean(buffers["specular"], 2.0)


def test_the_clamp_bounds_indirect_light_alone(tracer: Any) -> None:
    walls = build.box_walls([-1, -1, -1], [1, 1, 1], "wall")
    materials = {"wall": build.material(0.5, [400.0, 4.0, 4.0])}
    scene = build.scene(build.camera([0, 0, 0.5], [0, 0, 0], 60), materials, walls, [], 12)
    options = {"size": 8, "samples": 16, "buffers": LIGHT_BUFFERS, "next_event_estimation": False}
    free = tracer.render(scene, clamp=None, **options).buffers
    clamped = tracer.render(scene, **options).buffers
    lower = tracer.render(scene, clamp=7.0, **options).buffers
    assert np.array_equal(free["direct"], clamped["direct"])
    assert free["indirect"][..., 0].min() > 45  # 100 (1/4 + 1/8 + ...) in every sample
    np.testing.assert_allclose(clamped["indirect"][..., 0], 25.0, rtol=1e-6)
    np.testing.assert_allclose(lower["indirect"][..., 0], 7.0, rtol=1e-6)
    for buffers in (free, clamped, lower):
        assert_splits_exactly(buffers)
    gentle = {**scene, "materials": {"wall": build.material(0.5, 4.0)}}
    assert np.array_equal(
        tracer.render(gentle, clamp=None, **options).buffers["beauty"],
        tracer.render(gentle, **options).buffers["beauty"],
    )


def mirror_room(hide: bool) -> dict:
    """A sphere light between camera and back wall, in front of a mirror floor, with a matt wall behind."""
    materials = {
        "wall": build.material(0.5, id=1),
        "mirror": build.material(1.0, roughness=0.05, id=2),
        "light": build.material(0, 40.0, id=5),
    }
    objects = [
        build.grid([0, 0, 0], [0, 1, 0], [20, 0, 20], "mirror"),
        build.grid([0, 5, -4], [0, 0, 1], [20, 10, 0], "wall"),
    ]
    light = build.sphere([0, 1, 0], 0.4, "light")
    return build.scene(build.camera([0, 1, 3], [0, 1, 0], 5.0), materials, [light], objects, 4, hide)


def test_hidden_lights_are_invisible_to_camera_rays(tracer: Any) -> None:
    names = ("id", "depth", "direct", "position")
    shown = tracer.render(mirror_room(False), size=4, samples=8, buffers=names).buffers
    np.testing.assert_allclose(shown["id"], 5 / 6)
    np.testing.assert_allclose(shown["direct"], 40 / (4 * np.pi * 0.16), rtol=1e-5)
    hidden = tracer.render(mirror_room(True), size=4, samples=8, buffers=names).buffers
    np.testing.assert_allclose(hidden["id"], 1 / 6)
    np.testing.assert_allclose(hidden["position"][..., 2], -4, atol=1e-5)
    assert 0 < hidden["direct"].max() < 1  # the wall behind, lit


def test_hidden_lights_are_invisible_to_mirror_rays(tracer: Any) -> None:
    # Looking down into the mirror floor such that the reflected ray meets the light, and the wall behind it.
    for hide, z in ((False, 0.4), (True, -4.0)):
        scene = mirror_room(hide)
        scene["camera"] = build.camera([0, 2, 3], [0, 0, 1.0], 0.01)
        buffers = tracer.render(scene, size=2, samples=4, buffers=("mirror_hit", "mirror_normal")).buffers
        if hide:
            np.testing.assert_allclose(buffers["mirror_hit"][..., 2], z, atol=1e-4)
            np.testing.assert_allclose(buffers["mirror_normal"], np.full((2, 2, 3), [0, 0, 1.0]), atol=1e-5)
        else:
            offset = buffers["mirror_hit"] - np.array([0, 1, 0])
            np.testing.assert_allclose(np.linalg.norm(offset, axis=-1), 0.4, atol=1e-4)
            np.testing.assert_allclose(buffers["mirror_normal"], offset / 0.4, atol=1e-3)


def test_hidden_lights_cast_no_shadow_and_no_occlusion(tracer: Any) -> None:
    materials = {"floor": build.material(), "light": build.material(0, 3.0)}
    floor = build.grid([0, 0, 0], [0, 1, 0], [10, 0, 10], "floor")
    # The lower light stands between the point and the upper one.
    lights = [build.sphere([0, 0.5, 0], 0.3, "light"), build.sphere([0, 2, 0], 0.1, "light")]
    view = build.camera([1.0, 0.8, 2.0], [0, 0, 0], 0.01)
    for hide, lit in ((False, 0.5), (True, 1.0)):
        scene = build.scene(view, materials, lights, [floor], 1, hide)
        buffers = tracer.render(scene, size=8, samples=256, buffers=("shadows", "ao")).buffers
        assert_mean(buffers["shadows"], lit)
        assert (buffers["ao"].min() == 1) == hide
        if not hide:
            assert_mean(buffers["ao"], 1 - 0.36)  # form factor of the sphere: (r / d)^2


def test_lights_hidden_behind_a_blocker_stay_behind_it(tracer: Any) -> None:
    # Hidden lights are met by scattered rays only up to the first thing in their way.
    materials = {"floor": build.material(0.8), "light": build.material(0, 30.0)}
    objects = [
        build.grid([0, 0, 0], [0, 1, 0], [10, 0, 10], "floor"),
        build.grid([0, 1, 0], [0, 1, 0], [100, 0, 100], "floor"),
    ]
    light = build.sphere([0, 2, 0], 0.5, "light")
    for choice in (True, False):
        scene = build.scene(build.camera([1, 0.8, 2], [0, 0, 0]), materials, [light], objects, 4, True)
        assert tracer.render(scene, size=4, samples=64, next_event_estimation=choice).buffers["beauty"].max() == 0


@pytest.mark.parametrize("hide", [False, True])
def test_both_estimators_agree_in_a_whole_room(tracer: Any, hide: bool) -> None:
    # All orders of light, several lights and materials: the mean over the image, with and without light sampling.
    scene = build.small_room(hide_lights=hide, bounces=5)
    scene["lights"] = [
        build.sphere([0.5, 1.4, -0.5], 0.5, "light"),
        build.grid([-1, 2.4, 1], [0, -1, 0], [1.5, 0, 1.0], "light"),
    ]
    means = []
    for choice in (True, False):
        images = [
            tracer.render(
                scene, size=8, samples=256, seed=seed, clamp=None, next_event_estimation=choice, buffers=LIGHT_BUFFERS
            ).buffers
            for seed in range(12)
        ]
        means.append({name: np.array([image[name].mean() for image in images]) for name in LIGHT_BUFFERS})
    for name in LIGHT_BUFFERS:
        first, second = means[0][name], means[1][name]
        error = np.hypot(first.std(ddof=1), second.std(ddof=1)) / np.sqrt(len(first))
        assert error < 0.04 * first.mean()
        assert abs(first.mean() - second.mean()) < 5 * error, name
