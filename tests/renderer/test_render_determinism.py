"""The same request gives the same bits: for any number of threads, alone or among others, and only for that request."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scene_building as build

from cnsr import rendering
from cnsr.buffers import BUFFERS

ALL = tuple(BUFFERS)


def assert_same(first: Any, second: Any) -> None:
    assert list(first.buffers) == list(second.buffers)
    for name in first.buffers:
        assert np.array_equal(first.buffers[name], second.buffers[name]), name
    assert np.array_equal(first.view_matrix, second.view_matrix)
    assert np.array_equal(first.pose, second.pose)
    assert first.samples == second.samples
    assert first.dropped == second.dropped


@pytest.mark.parametrize("size", [1, 37, 64])
def test_threads_do_not_change_a_bit(tracer: Any, size: int) -> None:
    scene = build.small_room()
    alone = tracer.render(scene, size=size, samples=5, seed=3, buffers=ALL)
    for threads in (2, 4):
        several = rendering.PathTracer(device="cpu", threads=threads)
        assert_same(several.render(scene, size=size, samples=5, seed=3, buffers=ALL), alone)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_render_views_equals_render(threads: int) -> None:
    tracer = rendering.PathTracer(device="cpu", threads=threads)
    scenes = [build.small_room(hide_lights=bool(n % 2), bounces=1 + n % 4, roughness=0.1 * n) for n in range(7)]
    views = tracer.render_views(scenes, 16, 4, list(range(7)), ALL)
    assert len(views) == 7
    for number, (scene, view) in enumerate(zip(scenes, views, strict=True)):
        assert_same(view, tracer.render(scene, size=16, samples=4, seed=number, buffers=ALL))


def test_a_loaded_scene_is_the_scene(tracer: Any) -> None:
    scene = build.small_room()
    loaded = tracer.load_scene(scene)
    first = tracer.render(loaded, size=8, samples=4, buffers=ALL)
    assert_same(first, tracer.render(scene, size=8, samples=4, buffers=ALL))
    assert_same(first, tracer.render(loaded, size=8, samples=4, buffers=ALL))


def test_a_camera_override_equals_a_rebuilt_scene(tracer: Any) -> None:
    scene = build.small_room()
    position, target = (-1.0, 1.7, -2.0), (0.5, 0.1, 0.7)
    moved = {**scene, "camera": {**scene["camera"], "position": list(position), "lookat": list(target)}}
    rebuilt = tracer.render(moved, size=12, samples=4, buffers=ALL)
    loaded = tracer.load_scene(scene)
    before = tracer.render(loaded, size=12, samples=4, buffers=ALL)
    assert_same(tracer.render(loaded, size=12, samples=4, buffers=ALL, camera=(position, target)), rebuilt)
    assert_same(tracer.render(loaded, size=12, samples=4, buffers=ALL), before)
    assert not np.array_equal(before.pose, rebuilt.pose)


def test_neighboring_pixels_have_independent_noise(tracer: Any) -> None:
    # A floor seen so narrowly that all pixels have one expected value: what is left is noise, without structure.
    materials = {"floor": build.material(0.8), "light": build.material(0, 10.0)}
    floor = build.grid([0, 0, 0], [0, 1, 0], [40, 0, 40], "floor")
    light = build.sphere([0.6, 1.0, 0], 0.5, "light")
    scene = build.scene(build.camera([1, 2, 2], [0, 0, 0], 1e-3), materials, [light], [floor], 2)
    image = tracer.render(scene, size=64, samples=1).buffers["beauty"][..., 0].astype(np.float64)
    noise = (image - image.mean()) / image.std()
    bound = 5 / 64
    assert abs((noise[:, 1:] * noise[:, :-1]).mean()) < bound
    assert abs((noise[1:] * noise[:-1]).mean()) < bound
    other = tracer.render(scene, size=64, samples=1, seed=1).buffers["beauty"][..., 0].astype(np.float64)
    assert abs((noise * (other - other.mean()) / other.std()).mean()) < bound
