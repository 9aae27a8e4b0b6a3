"""Images of half floats are the float images, rounded as data sets are."""

from __future__ import annotations

from typing import Any

import numpy as np
import scene_building as build
from cnsr._native import sampling
from hypothesis import given
from hypothesis import strategies as st

from cnsr.buffers import BUFFERS
from cnsr.datasets.stored import to_half


def assert_rounded_alike(numbers: Any) -> None:
    numbers = np.asarray(numbers, np.float32)
    np.testing.assert_array_equal(sampling.to_half(numbers), to_half(numbers).view(np.uint16))


def test_every_half_and_all_between_two_of_them() -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    halves = np.unique(halves[np.isfinite(halves)].astype(np.float32))
    middles = (halves[1:] + halves[:-1]) / 2
    numbers = np.concatenate([halves, middles, np.nextafter(middles, -np.inf), np.nextafter(middles, np.inf)])
    # -0 is a half of its own, but all zeros are one here.
    assert_rounded_alike(numbers.astype(np.float32)[numbers != 0])
    assert list(sampling.to_half(np.array([0.0, -0.0], np.float32))) == [0, 0x8000]


def test_what_halves_cannot_hold() -> None:
    assert_rounded_alike([np.nan, np.inf, -np.inf, 65504, 65519.9, 65520, 1e30, -1e30, 1e-8, -1e-8, 1e-45])


@given(st.lists(st.floats(width=32), min_size=1))
def test_any_numbers(numbers: list[float]) -> None:
    assert_rounded_alike(numbers)


def test_half_images_are_the_float_images_rounded(tracer: Any) -> None:
    scenes = [build.small_room(), build.small_room(hide_lights=False)]
    scenes[1]["materials"]["light"]["emission"] = [1e9, 1.0, 0.0]
    options = {"size": 9, "samples": 5, "buffers": tuple(BUFFERS), "seeds": [3, 4]}
    for whole, half in zip(tracer.render_views(scenes, **options), tracer.render_views(scenes, **options, half=True),
                           strict=True):  # fmt: skip
        assert half.dropped == whole.dropped
        for name in BUFFERS:
            assert half.buffers[name].dtype == np.float16
            np.testing.assert_array_equal(half.buffers[name], to_half(whole.buffers[name]), err_msg=name)
    assert half.buffers["beauty"].max() == np.float16(65504)
