"""The parts of a window never overlap, and use the room there is."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnsr.viewers.layout import SMALLEST_EDGE, columns

GAP, TITLE, CAPTION = 8.0, 24.0, 20.0
counts = st.tuples(st.integers(0, 12), st.integers(0, 12))


def height_of(made, counts):
    tallest = 0.0
    for (edge, across), count in zip(made.thumbnails, counts, strict=True):
        tallest = max(tallest, math.ceil(count / across) * (edge + CAPTION))
    return made.edge + 2 * TITLE + tallest


@given(st.floats(500, 4000), st.floats(500, 3000), counts)
def test_everything_fits_and_one_direction_is_full(width, height, counts):
    made = columns(width, height, counts, GAP, TITLE, CAPTION)
    used = 2 * made.edge + GAP
    assert used <= width + 1e-6
    assert height_of(made, counts) <= height + 1e-6 or made.edge == SMALLEST_EDGE
    if made.edge > SMALLEST_EDGE:
        assert used == pytest.approx(width) or height_of(made, counts) == pytest.approx(height)
    for edge, across in made.thumbnails:
        assert across * edge + (across - 1) * GAP == pytest.approx(made.edge)
        assert edge < made.edge


def test_a_tiny_window_keeps_images_that_can_be_seen():
    assert columns(10, 10, (3, 3), GAP, TITLE, CAPTION).edge == SMALLEST_EDGE


@pytest.mark.parametrize(("count", "across"), [(0, 3), (1, 3), (3, 3), (5, 5), (6, 3), (9, 5), (11, 4)])
def test_rows_are_even(count, across):
    assert columns(1000, 1000, (count,), GAP, TITLE, CAPTION).thumbnails[0][1] == across
