"""The circle about what a camera looks at, within the walls of a room."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnsr.errors import SceneError
from cnsr.scenes.bounds import Bounds
from cnsr.scenes.description import Camera
from cnsr.scenes.turntable import orbit

ROOM = Bounds(np.array([-3.0, -0.5, -3.0]), np.array([3.0, 2.5, 3.0]))
TIMES = np.linspace(0, 1, 97).tolist()


def camera(position, lookat):
    return Camera(position=position, lookat=lookat, fov=75.0, near=0.01, far=100.0)


inside = st.floats(-2.99, 2.99)
height = st.floats(-0.4, 2.4)
point = st.tuples(inside, height, inside)


@settings(deadline=None)
@given(point, point)
def test_the_path_is_closed_stays_in_the_room_and_starts_at_the_view(position, lookat):
    radius = math.hypot(position[0] - lookat[0], position[2] - lookat[2])
    if radius < 0.05:
        return
    at = orbit(camera(position, lookat), ROOM)
    np.testing.assert_allclose(at(0).position, position, atol=1e-9)
    np.testing.assert_allclose(at(1).position, position, atol=1e-9)
    places = np.array([at(t).position for t in TIMES])
    assert (np.abs(places[:, [0, 2]]) <= 3).all()
    np.testing.assert_array_equal(places[:, 1], position[1])
    distances = np.hypot(places[:, 0] - lookat[0], places[:, 2] - lookat[2])
    # A look-at nearer to a wall than the path may come (3 %) is passed at a slant.
    assert distances.max() <= math.hypot(radius, 0.03 * 6) + 1e-9
    assert distances.min() >= 0.5 * min(radius, 0.18) - 1e-9
    assert all(at(t).lookat == lookat for t in TIMES)


@pytest.mark.parametrize("x", [2.9, 2.82, 2.99])
def test_a_look_at_on_a_wall_is_passed_at_a_distance(x):
    at = orbit(camera((x, 1.0, 0.0), (x, 1.0, 2.0)), ROOM)
    places = np.array([at(t).position for t in np.linspace(0, 1, 2001)])
    assert np.hypot(places[:, 0] - x, places[:, 2] - 2).min() >= 0.09 - 1e-9


def test_within_a_wide_room_it_is_a_circle_counter_clockwise_from_above():
    at = orbit(camera((0.5, 1.0, 2.0), (0.5, 0.0, 0.0)), ROOM)
    np.testing.assert_allclose(at(0.25).position, (2.5, 1.0, 0.0), atol=1e-12)  # seen from above, +x is right of +z
    np.testing.assert_allclose(at(0.5).position, (0.5, 1.0, -2.0), atol=1e-12)
    np.testing.assert_allclose(at(0.75).position, (-1.5, 1.0, 0.0), atol=1e-12)


def test_where_the_circle_leaves_the_room_it_keeps_off_the_wall():
    at = orbit(camera((-2.0, 1.0, 0.0), (1.0, 0.0, 0.0)), ROOM)
    np.testing.assert_allclose(at(0.5).position, (3 - 0.18, 1.0, 0.0), atol=1e-12)


def test_a_view_near_a_wall_may_stay_as_near():
    at = orbit(camera((2.95, 1.0, 0.0), (0.0, 0.0, 0.0)), ROOM)
    np.testing.assert_allclose(at(0).position, (2.95, 1.0, 0.0), atol=1e-12)
    np.testing.assert_allclose(at(0.5).position, (-2.82, 1.0, 0.0), atol=1e-12)


@pytest.mark.parametrize(
    ("position", "lookat"), [((0, 1, 9), (0, 0, 0)), ((0, 1, 0), (0, 0, 9)), ((0, 9, 1), (0, 0, 0))]
)
def test_from_outside_of_what_there_is_the_circle_is_whole(position, lookat):
    at = orbit(camera(position, lookat), ROOM)
    radius = math.hypot(position[0] - lookat[0], position[2] - lookat[2])
    for t in TIMES:
        x, _, z = at(t).position
        assert math.hypot(x - lookat[0], z - lookat[2]) == pytest.approx(radius)


def test_the_rest_of_the_camera_is_the_views():
    view = camera((0, 1, 2), (0, 0, 0))
    assert orbit(view, ROOM)(0.3).model_copy(update={"position": view.position}) == view


@pytest.mark.parametrize("position", [(0, 2, 0), (0, -0.4, 0.0001)])
def test_a_camera_that_looks_straight_down_has_no_circle(position):
    with pytest.raises(SceneError, match="looks straight up or down"):
        orbit(camera(position, (0, 0, 0)), ROOM)
