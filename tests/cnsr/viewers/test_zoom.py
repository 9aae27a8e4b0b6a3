"""Zooming keeps what is under the mouse where it is, and never leaves the image."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnsr.viewers.zoom import LARGEST_ZOOM, Zoom

share = st.floats(0, 1)
steps = st.lists(st.tuples(st.sampled_from(["scale", "move"]), st.floats(0.5, 2), share, share), max_size=8)


def walked(steps):
    zoom = Zoom()
    for kind, by, x, y in steps:
        zoom = zoom.scaled(by, x, y) if kind == "scale" else zoom.moved(x - 0.5, y - 0.5)
    return zoom


@given(steps)
def test_it_stays_within_the_image(steps):
    zoom = walked(steps)
    assert 1 <= zoom.factor <= LARGEST_ZOOM
    assert 0 <= zoom.left <= zoom.left + zoom.extent <= 1 + 1e-12
    assert 0 <= zoom.top <= zoom.top + zoom.extent <= 1 + 1e-12


@given(steps, share, share)
def test_enlarging_keeps_the_place_under_the_mouse(steps, x, y):
    zoom = walked(steps)
    assert zoom.scaled(1.5, x, y).at(x, y) == pytest.approx(zoom.at(x, y), abs=1e-9)


@given(steps, share, share, st.integers(1, 500))
def test_every_place_has_a_pixel(steps, x, y, size):
    column, row = walked(steps).pixel(x, y, size)
    assert 0 <= column < size
    assert 0 <= row < size


def test_pixels_are_counted_from_the_top_left():
    assert Zoom().pixel(0.0, 0.99, 10) == (0, 9)
    assert Zoom(2.0, 0.5, 0.0).pixel(0.0, 0.99, 10) == (5, 4)


def test_dragging_moves_the_content_with_the_mouse():
    zoom = Zoom(4.0, 0.5, 0.5)
    assert zoom.moved(0.25, -0.25) == Zoom(4.0, 0.4375, 0.5625)
