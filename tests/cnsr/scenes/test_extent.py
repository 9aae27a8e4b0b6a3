"""The box about a room."""

import numpy as np

from cnsr.scenes.datasets import randomizer
from cnsr.scenes.description import parse_scene
from cnsr.scenes.extent import room_of
from cnsr.scenes.randomizer import draw_batch
from cnsr.scenes.room import CEILING, FLOOR, HALF_WIDTH

IDENTITY = np.eye(4).tolist()


def room(geometry):
    data = draw_batch(randomizer("room"), 0, "train", 0, 1, 1, partitioned=False).scenes[0].scenes[0].model_dump()
    return parse_scene(data | {"geometry": geometry})


def test_a_room_is_as_large_as_its_walls():
    for index in range(5):
        scene = draw_batch(randomizer("room"), 0, "train", index, 1, 1, partitioned=False).scenes[0].scenes[0]
        low, high = room_of(scene)
        np.testing.assert_allclose(low, (-HALF_WIDTH, FLOOR, -HALF_WIDTH))
        np.testing.assert_allclose(high, (HALF_WIDTH, CEILING, HALF_WIDTH))


def test_transforms_count_and_the_size_across_a_grid_does_not():
    moved = np.eye(4)
    moved[3, :3] = 1, 2, 3
    grid = {
        "type": "grid",
        "transform": moved.tolist(),
        "material": "ground",
        "position": [0.0, 0.0, 0.0],
        "normal": [0.0, 1.0, 0.1],
        "size": [2.0, 99.0, 4.0],
    }
    low, high = room_of(room([grid]))
    np.testing.assert_allclose(low, (0, 2, 1))
    np.testing.assert_allclose(high, (2, 2, 5))


def test_spheres_count_whole():
    sphere = {
        "type": "sphere",
        "transform": IDENTITY,
        "material": "ground",
        "position": [1.0, 0.0, 0.0],
        "radius": 0.5,
    }
    low, high = room_of(room([sphere]))
    np.testing.assert_allclose(low, (0.5, -0.5, -0.5))
    np.testing.assert_allclose(high, (1.5, 0.5, 0.5))


def test_meshes_alone_have_no_box():
    mesh = {"type": "file", "transform": IDENTITY, "material": "ground", "filename": "meshes/cube.obj"}
    assert room_of(room([mesh])) is None
