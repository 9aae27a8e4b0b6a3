"""Outlines in a floor plan: placing, keeping apart, shifting into a room."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnsr.scenes.elements import mesh
from cnsr.scenes.plan import Outline, Placement, shift_inside

coordinates = st.floats(-3, 3)
angles = st.floats(-7, 7)
placements = st.builds(Placement, coordinates, coordinates, angles)
sizes = st.floats(0.1, 3)
outlines = st.builds(Outline.rectangle, sizes, sizes) | st.builds(Outline.ellipse, sizes, sizes)


@given(placements, coordinates, coordinates)
def test_a_placement_moves_points_like_the_mesh_that_stands_there(placement, x, z):
    matrix = np.array(mesh("", "", (placement.x, 0.0, placement.z), placement.angle)["transform"])
    moved = np.array((x, 0.0, z, 1.0)) @ matrix
    assert placement.apply((x, z)) == pytest.approx((moved[0], moved[2]))


@given(placements, placements, coordinates, coordinates)
def test_a_group_carries_what_stands_in_it(inner, outer, x, z):
    assert inner.within(outer).apply((x, z)) == pytest.approx(outer.apply(inner.apply((x, z))), abs=1e-9)


def test_at_angle_0_things_face_z_and_turn_counter_clockwise():
    assert Placement(0, 0, 0).apply((0, 1)) == (0, 1)
    assert Placement(0, 0, math.pi / 2).apply((0, 1)) == pytest.approx((1, 0))


@given(sizes, sizes)
def test_outlines_contain_what_they_stand_for(width, depth):
    assert Outline.rectangle(width, depth).bounds == ((-width / 2, -depth / 2), (width / 2, depth / 2))
    around = Outline.ellipse(width, depth)
    for angle in np.linspace(0, 2 * np.pi, 50):
        direction = np.cos(angle), np.sin(angle)
        exact = np.hypot(width / 2 * direction[0], depth / 2 * direction[1])
        low, high = around.span(direction)
        assert -exact * 1.02 <= low <= -exact + 1e-9
        assert exact - 1e-9 <= high <= exact * 1.02


def distance(one, other):
    """The distance of two convex polygons by brute force: 0 if they overlap."""

    def points(outline):
        corners = np.array(outline.corners)
        t = np.linspace(0, 1, 41)[:, None, None]
        return (corners * (1 - t) + np.roll(corners, -1, axis=0) * t).reshape(-1, 2)

    def contains(outline, tested):
        corners = np.array(outline.corners)
        edges = np.roll(corners, -1, axis=0) - corners
        offsets = tested[:, None] - corners
        turns = edges[:, 0] * offsets[..., 1] - edges[:, 1] * offsets[..., 0]
        return (turns >= 0).all(axis=1) | (turns <= 0).all(axis=1)

    a, b = points(one), points(other)
    if contains(one, b).any() or contains(other, a).any():
        return 0.0
    return np.sqrt(((a[:, None] - b) ** 2).sum(axis=-1)).min()


@given(outlines, placements, outlines, placements, st.sampled_from([0.0, 0.1, 0.5]))
def test_outlines_that_keep_apart_have_the_gap_between_them(one, place, other, other_place, gap):
    a, b = one.placed(place), other.placed(other_place)
    exact = distance(a, b)
    if a.keeps_from(b, gap):
        assert exact >= gap - 1e-9
        assert b.keeps_from(a, gap)
    else:
        # Corner to corner, the strip is at most sqrt(2) narrower than the distance.
        assert exact <= 1.5 * gap + 0.1


def test_corners_that_come_near_are_noticed():
    square = Outline.rectangle(1, 1)
    turned = square.placed(Placement(1.2, 0, math.pi / 4))
    assert square.keeps_from(turned, -0.01 + 1.2 - 0.5 - math.sqrt(0.5))
    assert not square.keeps_from(turned, 0.0)
    beside = square.placed(Placement(1.05, 1.05, 0))
    assert square.keeps_from(beside, 0.05 - 1e-9)


def test_boxes_are_shifted_inside_no_farther_than_needed():
    room = (-3.0, -2.0), (3.0, 2.0)
    assert shift_inside((-1, -1), (1, 1), *room) == (0, 0)
    assert shift_inside((2, -3), (4, -1), *room) == (-1, 1)
    outline = Outline.rectangle(2, 2).placed(Placement(3, 0, 0))
    assert not outline.is_inside(*room)
    assert outline.placed(Placement(-1, 0, 0)).is_inside(*room)
