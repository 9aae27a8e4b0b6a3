"""The camera's angles and steps."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cnsr.scenes.camera import view_matrix
from cnsr.viewers.walk_camera import STEEPEST, WalkCamera

numbers = st.floats(-5, 5).map(lambda x: round(x, 3))
points = st.tuples(numbers, numbers, numbers)


def direction(position, lookat):
    return -view_matrix(position, lookat)[2, :3]


@given(points, points)
def test_it_looks_where_it_is_told(position, lookat):
    assume(math.dist(position, lookat) > 0.01)
    assume(abs(direction(position, lookat)[1]) < math.sin(STEEPEST))
    camera = WalkCamera.looking(position, lookat)
    assert camera.forward == pytest.approx(direction(position, lookat), abs=1e-9)
    made = camera.for_rendering()
    assert view_matrix(made.position, made.lookat) == pytest.approx(view_matrix(position, lookat), abs=1e-7)


def test_straight_down_is_as_steep_as_it_gets():
    assert WalkCamera.looking((0, 2, 0), (0, 0, 0)).pitch == -STEEPEST


def test_steps_go_forward_and_to_the_right():
    camera = WalkCamera.looking((1.0, 1.0, 1.0), (1.0, 1.0, -1.0))
    assert camera.moved(0.0, 0.5).position == pytest.approx((1.0, 1.0, 0.5))
    assert camera.moved(0.5, 0.0).position == pytest.approx((1.5, 1.0, 1.0))
    turned = camera.turned(math.pi / 2, 0.0)
    assert turned.moved(0.0, 1.0).position == pytest.approx((2.0, 1.0, 1.0))
    assert turned.moved(1.0, 0.0).position == pytest.approx((1.0, 1.0, 2.0))


def test_steps_to_the_right_stay_level():
    camera = WalkCamera((0.0, 1.0, 0.0), 0.7, 0.9)
    assert camera.moved(3.0, 0.0).position[1] == 1.0
    assert camera.moved(0.0, 1.0).position[1] > 1.7


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), max_size=5))
def test_it_never_tips_over(turns):
    camera = WalkCamera((0.0, 0.0, 0.0), 0.0, 0.0)
    for right, up in turns:
        camera = camera.turned(right, up)
    assert abs(camera.pitch) <= STEEPEST
    assert abs(camera.yaw) <= math.pi
    assert math.hypot(*camera.forward) == pytest.approx(1.0)
