from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cnsr.datasets.stored import StoredBatch, cleaned, in_table_order, to_half


@given(arrays(np.float32, 20, elements=st.floats(width=32, allow_nan=True, allow_infinity=True)))
def test_halves_are_always_finite_and_the_nearest(pixels: np.ndarray) -> None:
    half = to_half(pixels)
    assert half.dtype == np.float16
    assert np.isfinite(half).all()
    expected = np.clip(np.where(np.isnan(pixels), 0, pixels), -65504, 65504).astype(np.float16)
    np.testing.assert_array_equal(half, expected)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_become_zero_with_one_note(dtype: type, value: float) -> None:
    pixels = np.ones((1, 2, 3, 4, 4), dtype)
    pixels[0, 1, 2, 3, 3] = pixels[0, 0, 0, 0, 0] = value
    batch = StoredBatch({"beauty": pixels}, np.zeros((1, 2, 16), np.float32), None, "f")
    clean = cleaned(batch)
    expected = np.ones_like(pixels)
    expected[0, 1, 2, 3, 3] = expected[0, 0, 0, 0, 0] = 0
    np.testing.assert_array_equal(clean.passes["beauty"], expected)
    assert clean.passes["beauty"].dtype == dtype
    assert clean.notes == ("f: values that are NaN or infinite were read as 0 (2 of beauty)",)


def test_finite_extremes_are_kept() -> None:
    pixels = np.array([65504, -65504, 6e-8, 0], np.float16).reshape(1, 1, 1, 2, 2)
    batch = StoredBatch({"depth": pixels}, np.zeros((1, 1, 16), np.float32), None, "f")
    clean = cleaned(batch)
    np.testing.assert_array_equal(clean.passes["depth"], pixels)
    assert clean.notes == ()


def test_only_indirect_light_is_clamped_from_below() -> None:
    pixels = np.array([-1, 2, np.nan, 0], np.float32).reshape(1, 1, 1, 2, 2)
    batch = StoredBatch({"indirect": pixels, "position": pixels}, np.zeros((1, 1, 16), np.float32), None, "f")
    clean = cleaned(batch)
    assert clean.passes["indirect"].ravel().tolist() == [0, 2, 0, 0]
    assert clean.passes["position"].ravel().tolist() == [-1, 2, 0, 0]


def test_table_order_drops_what_is_no_buffer() -> None:
    assert in_table_order(["ao", "poses", "beauty", "depth"]) == ("beauty", "depth", "ao")
