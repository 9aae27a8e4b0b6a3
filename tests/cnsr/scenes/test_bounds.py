"""The box around a scene is that around the positions which the renderer sees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnsr.rendering import PathTracer
from cnsr.scenes.bounds import Bounds, scene_bounds
from cnsr.scenes.datasets import RANDOMIZERS
from cnsr.scenes.description import parse_scene
from cnsr.scenes.randomizer import draw_batch

IDENTITY = np.eye(4).tolist()
BLACK = {"color": [0.0] * 3, "emission": [0.0] * 3, "roughness": 1.0, "id": 0}
TRACER = PathTracer(threads=1)


def scene(*geometry, lights=(), hide_lights=True):
    return parse_scene(
        {
            "seed": 0,
            "bounces": 1,
            "hide_lights": hide_lights,
            "camera": {"position": [0.0, 0.3, 9.0], "lookat": [0.0, 0.0, 0.0], "fov": 40.0, "near": 0.0, "far": 99.0},
            "materials": {"black": BLACK, "light": {**BLACK, "emission": [1.0] * 3}},
            "lights": list(lights),
            "geometry": list(geometry),
        }
    )


def grid(position, normal, size, transform=IDENTITY):
    return {"type": "grid", "transform": transform, "material": "black", "position": position, "normal": normal,
            "size": size}  # fmt: skip


def sphere(position, radius, transform=IDENTITY, material="black"):
    return {"type": "sphere", "transform": transform, "material": material, "position": position, "radius": radius}


def turned(angle, scale, move):
    """Return a turn about y, a scale and a move as one matrix for row vectors."""
    matrix = np.eye(4)
    matrix[0, 0] = matrix[2, 2] = np.cos(angle)
    matrix[0, 2], matrix[2, 0] = -np.sin(angle), np.sin(angle)
    matrix[:3, :3] *= scale
    matrix[3, :3] = move
    return matrix.tolist()


def seen(one):
    """Return the box around the positions that the renderer sees of a scene, from all sides."""
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for camera in ([0, 0.1, 9], [9, 0.1, 0.2], [0.1, 9, 0.2]):
        shown = TRACER.render(one, 96, 1, buffers=("position", "shadows", "depth"), camera=(camera, [0, 0, 0])).buffers
        points = shown["position"][shown["depth"][..., 0] > 0]
        low, high = np.minimum(low, points.min(0)), np.maximum(high, points.max(0))
    return low, high


unit = st.floats(-1, 1).map(lambda number: round(number, 2))
vector = st.lists(unit, min_size=3, max_size=3)
extent = st.floats(0.5, 2).map(lambda number: round(number, 2))


@given(vector, vector.filter(lambda n: np.linalg.norm(n) > 0.3), st.tuples(extent, extent, extent), unit, vector)
def test_rectangles_of_any_direction(position, normal, size, angle, move):
    # A ball at the middle, so that the camera always sees something; edge-on rectangles are seen by another camera.
    one = scene(grid(position, normal, list(size), turned(3 * angle, 1.3, move)), sphere([0.0, 0.0, 0.0], 0.1))
    bounds = TRACER.bounds(one)
    low, high = seen(one)
    assert (bounds.low <= low + 1e-3).all()
    assert (bounds.high >= high - 1e-3).all()
    # A pixel is 0.07 wide; thin corners are missed.
    np.testing.assert_allclose([bounds.low, bounds.high], [low, high], atol=0.3)


def test_a_turned_scaled_sphere():
    bounds = scene_bounds(scene(sphere([1.0, 0.0, 0.0], 0.5, turned(np.pi / 2, 2.0, [0, 1, 0]))), pytest.fail)
    np.testing.assert_allclose(bounds, [[-1, 0, -3], [1, 2, -1]], atol=1e-12)


def test_a_mesh_is_bounded_by_its_corners():
    cube = {"type": "file", "transform": turned(0, 2, [1, 0, 0]), "material": "black", "filename": "meshes/cube.obj"}
    np.testing.assert_allclose(TRACER.bounds(scene(cube)), [[0, 0, -1], [2, 2, 1]], atol=1e-6)


def test_lights_count_where_they_are_seen():
    ball, light = sphere([0.0, 0.0, 0.0], 1.0), sphere([0.0, 5.0, 0.0], 1.0, material="light")
    assert scene_bounds(scene(ball, lights=[light]), pytest.fail).high[1] == 1
    assert scene_bounds(scene(ball, lights=[light], hide_lights=False), pytest.fail).high[1] == 6


def test_nothing_has_a_box_of_no_size():
    np.testing.assert_array_equal(scene_bounds(scene(), pytest.fail), np.zeros((2, 3)))


def test_a_room_is_as_large_as_its_walls():
    drawn = draw_batch(RANDOMIZERS["room"], 3, "train", 0, 1, 1, partitioned=False).scenes[0]
    np.testing.assert_allclose(TRACER.bounds(drawn.scenes[0]), [[-3, -0.5, -3], [3, 2.5, 3]], atol=1e-9)


def test_a_box_holds_its_faces_and_nothing_beyond():
    box = Bounds(np.zeros(3), np.ones(3))
    assert box.holds((0.0, 0.5, 1.0))
    assert not box.holds((0.5, 0.5, 1.01))
    assert not box.holds((0.5, -0.01, 0.5))
