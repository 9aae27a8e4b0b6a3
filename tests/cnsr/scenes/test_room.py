"""PrimitiveRoom and its variants: what each factor draws, in which proportions."""

import colorsys
import itertools
import math
from typing import get_args

import numpy as np
import pytest
from scipy.stats import binomtest, kstest

from cnsr.config import Dataset
from cnsr.errors import ConfigError
from cnsr.scenes.assets import load_mesh, resolve_asset
from cnsr.scenes.datasets import RANDOMIZERS, randomizer
from cnsr.scenes.description import parse_scene
from cnsr.scenes.elements import WALLS
from cnsr.scenes.randomizer import Contents, draw_batch
from cnsr.scenes.room import MATERIAL_IDS, OBJECTS, PrimitiveRoom, is_free

ROOM = RANDOMIZERS["room"]
ROOMS = [name for name, one in RANDOMIZERS.items() if isinstance(one, PrimitiveRoom)]
SCENES = 400


def generator(seed=0):
    return np.random.default_rng(seed)


def drawn(factor, name="room", count=SCENES):
    rng = generator(len(name))
    return [getattr(RANDOMIZERS[name], factor)(rng) for _ in range(count)]


def scale_of(values, low, high):
    return (np.asarray(values) - low) / (high - low)


def is_uniform(values, low, high):
    return kstest(scale_of(values, low, high), "uniform").pvalue > 1e-3


def place_of(item):
    return tuple(item["position"] if item["type"] == "sphere" else item["transform"][3][:3])


@pytest.mark.parametrize("name", ROOMS)
def test_every_scene_is_a_valid_description_with_ids_up_to_11(name):
    batch = draw_batch(randomizer(name), 3, "train", 0, size=20, views=2, partitioned=False)
    for one in batch.scenes:
        for scene in one.scenes:
            assert (scene.bounces, scene.hide_lights) == (4, True)
            for label, material in scene.materials.items():
                assert material.id == MATERIAL_IDS["light" if label.startswith("light") else label]
                assert material.ior == 15
            assert set(MATERIAL_IDS) - {"light"} <= set(scene.materials), "hidden objects count for the id buffer"


def test_walls_close_the_room_and_face_inward():
    grids = ROOM.surroundings().geometry
    assert [grid["material"] for grid in grids] == ["ground", "ceiling", "back", "left", "right", "front"]
    middle = np.array([0, 1, 0])
    low, high = [], []
    for grid in grids:
        position, normal, half = (np.array(grid[key]) for key in ("position", "normal", "size"))
        half = half / 2
        assert half @ np.abs(normal) == 0
        assert normal @ (middle - position) > 0
        low.append(position - half)
        high.append(position + half)
    np.testing.assert_array_equal(np.min(low, axis=0), (-3, -0.5, -3))
    np.testing.assert_array_equal(np.max(high, axis=0), (3, 2.5, 3))
    # Six rectangles with the area of the box's surface, each in another plane, leave no gap.
    areas = [np.prod([extent for extent in grid["size"] if extent]) for grid in grids]
    assert sum(areas) == 2 * (6 * 6 + 2 * 6 * 3)
    places = {grid["material"]: grid["position"] for grid in grids}
    assert places["back"][2] == -3
    assert places["left"][0] == -3


def test_one_light_of_the_given_size_and_power_in_the_given_space():
    lightings = drawn("lighting")
    for lighting in lightings:
        assert [light["radius"] for light in lighting.lights] == [0.125]
        assert lighting.materials["light"]["emission"] == [35.0, 35.0, 35.0]
    places = np.array([lighting.lights[0]["position"] for lighting in lightings])
    for axis, (low, high) in enumerate([(-2.25, 2.25), (1, 1.85), (-2.25, 2.25)]):
        assert is_uniform(places[:, axis], low, high)


@pytest.mark.parametrize(("name", "low"), [("manylightroom", 1.5), ("manymanyroom", 1.5), ("fewmaterialroom", 0.0)])
def test_many_lights_are_on_half_of_the_time(name, low):
    lightings = drawn("lighting", name)
    counts = [len(lighting.lights) for lighting in lightings]
    assert max(counts) <= 10
    assert binomtest(sum(counts), 10 * SCENES).pvalue > 1e-3
    emissions = np.array([one["emission"] for lighting in lightings for one in lighting.materials.values()])
    if name == "fewmaterialroom":
        assert all(is_uniform(emissions[:, channel], 0, 15) for channel in range(3))
        assert abs(np.corrcoef(emissions.T)[0, 1]) < 0.1
    else:
        assert (emissions == emissions[:, :1]).all(), "white"
        assert is_uniform(emissions[:, 0], low, 15)
    for lighting in lightings:
        assert [light["material"] for light in lighting.lights] == list(lighting.materials)


def test_objects_stand_on_the_floor_apart_from_each_other():
    layouts = drawn("geometry")
    for layout in layouts:
        places = [place_of(item) for item in layout.geometry]
        for index, (x, y, z) in enumerate(places):
            assert max(abs(x), abs(z)) <= 2.25
            assert y == (0 if layout.geometry[index]["type"] == "sphere" else -0.5)
            assert all(math.dist((x, z), other[::2]) >= 1.55 for other in places[:index])
    # Real numbers, not integers.
    assert any(x != round(x) for layout in layouts for x, _, _ in map(place_of, layout.geometry))


def test_each_object_is_there_half_of_the_time_less_where_there_is_no_room():
    layouts = drawn("geometry", count=2000)
    first = [layout.geometry[0]["material"] for layout in layouts if layout.geometry]
    assert {*first} == set(OBJECTS), "the order is random"
    for name in OBJECTS:
        share = np.mean([any(item["material"] == name for item in layout.geometry) for layout in layouts])
        assert 0.44 < share < 0.53  # a standard deviation is 0.011
    # Whether one is there does not depend on the others: none at all is as rare as (1/2)^5.
    assert binomtest(sum(not layout.geometry for layout in layouts), len(layouts), 1 / 32).pvalue > 1e-3


def test_objects_are_turned_about_the_vertical_by_any_angle():
    turns = []
    for layout in drawn("geometry"):
        for item in layout.geometry:
            matrix = np.array(item["transform"])
            assert (item["type"] == "sphere") == (item["material"] == "sphere")
            if item["type"] == "file":
                np.testing.assert_allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-12)
                assert np.linalg.det(matrix[:3, :3]) > 0
                np.testing.assert_array_equal((0, 1, 0) @ matrix[:3, :3], (0, 1, 0))
                turns.append(math.atan2(matrix[2, 0], matrix[0, 0]))
    assert is_uniform(turns, -math.pi, math.pi)


def test_meshes_are_the_projects_own_named_without_folders_of_this_machine():
    names = {
        item["filename"] for layout in drawn("geometry", count=50) for item in layout.geometry if "filename" in item
    }
    assert names == {f"meshes/{name}.obj" for name in OBJECTS if name != "sphere"}
    for name in names:
        mesh = load_mesh(resolve_asset(name, None))
        assert mesh.positions[:, 1].max() <= 1 + 1e-6, "cameras start above all objects"


def test_walls_and_objects_have_saturated_colors_and_three_roughnesses():
    palettes = [palette.materials for palette in drawn("materials")]
    for palette in palettes:
        for name in ("ground", "ceiling"):
            assert (palette[name]["color"], palette[name]["roughness"]) == ([1, 1, 1], 1)
        for name in (*WALLS, *OBJECTS):
            assert colorsys.rgb_to_hsv(*palette[name]["color"])[1:] == (1, 1)
        assert {palette[name]["roughness"] for name in WALLS} == {1.0}
    hues = [colorsys.rgb_to_hsv(*palette[name]["color"])[0] for palette in palettes for name in (*WALLS, *OBJECTS)]
    assert is_uniform(hues, 0, 1)
    roughnesses = [palette[name]["roughness"] for palette in palettes for name in OBJECTS]
    for roughness in (1.0, 0.5, 0.05):
        assert binomtest(roughnesses.count(roughness), len(roughnesses), 1 / 3).pvalue > 1e-3


@pytest.mark.parametrize("name", ["manymaterialroom", "manymanyroom"])
def test_many_materials_are_any_color_and_roughness(name):
    palettes = [palette.materials for palette in drawn("materials", name)]
    for part in (WALLS, OBJECTS):
        surfaces = [palette[label] for palette in palettes for label in part]
        assert is_uniform(np.ravel([surface["color"] for surface in surfaces]), 0, 1)
        assert is_uniform([surface["roughness"] for surface in surfaces], 0.05, 1)
    assert all(palette["ground"]["color"] == [1, 1, 1] for palette in palettes)


def test_few_materials_are_white_objects_in_colored_walls():
    for palette in drawn("materials", "fewmaterialroom"):
        assert all(palette.materials[name]["color"] == [1, 1, 1] for name in OBJECTS)
        assert all(palette.materials[name]["roughness"] == 1 for name in OBJECTS)
        assert all(colorsys.rgb_to_hsv(*palette.materials[name]["color"])[1] == 1 for name in WALLS)


@pytest.mark.parametrize("name", ["manymaterialroom", "room"])
def test_variants_without_many_lights_have_the_one_light(name):
    assert all(len(lighting.lights) == 1 for lighting in drawn("lighting", name, 20))


def test_cameras_stay_in_the_room_above_the_objects_and_look_at_its_middle():
    rng = generator()
    lighting = RANDOMIZERS["manylightroom"].lighting(rng)
    cameras = [ROOM.view(rng, lighting) for _ in range(SCENES)]
    for camera in cameras:
        assert (camera.fov, camera.near, camera.far) == (75, 0.01, 100)
        assert is_free(camera.position, lighting.lights)
        assert max(abs(camera.position[0]), abs(camera.position[2])) <= 2.9
        assert 1 <= camera.position[1] <= 2
    lookats = np.array([camera.lookat for camera in cameras])
    assert all(is_uniform(lookats[:, axis], 0, high) for axis, high in enumerate((1, 2, 1)))
    # The median of |sin| times 1.5 to 3 is about 1.5; uniform in the room would be, too, but not so often beyond.
    assert 0.45 < np.mean([abs(camera.position[0]) > 1.5 for camera in cameras]) < 0.65


def test_a_camera_in_a_light_or_a_wall_is_drawn_again():
    light = {"position": [0.5, 1.5, 0.5], "radius": 0.125}
    assert is_free((0, 1.5, 0), [light])
    assert not is_free((0.5, 1.6, 0.5), [light])
    assert not is_free((2.95, 1.5, 0), [])
    assert not is_free((0, 1.5, -3), [])
    # A light that fills most of the room leaves only cameras outside of it.
    huge = Contents(lights=[{"position": [0, 1.5, 0], "radius": 2.0}])
    rng = generator()
    for _ in range(50):
        assert math.dist(ROOM.view(rng, huge).position, (0, 1.5, 0)) > 2.0


def test_the_video_path_is_closed_smooth_and_free():
    cameras = [ROOM.animate_view(t) for t in np.linspace(0, 1, 201)]
    assert cameras[0].position == pytest.approx(cameras[-1].position)
    steps = [math.dist(a.position, b.position) for a, b in itertools.pairwise(cameras)]
    assert max(steps) < 1.5 * min(steps)
    for camera in cameras:
        assert camera.lookat == (0, 0, 0)
        assert math.hypot(camera.position[0], camera.position[2]) == pytest.approx(2.5)
        assert 1 - 1e-9 <= camera.position[1] <= 2 + 1e-9
        assert is_free(camera.position, [])
    assert cameras[0].position[1] == 2
    assert cameras[100].position[1] == pytest.approx(1)


def test_unknown_datasets_are_refused_with_the_known_ones():
    with pytest.raises(ConfigError) as caught:
        randomizer("archvis")
    assert str(caught.value) == 'dataset: unknown dataset "archvis"; did you mean "archviz"?'


def test_every_dataset_that_configs_may_name_can_be_drawn():
    assert set(get_args(Dataset)) == set(RANDOMIZERS)


def test_a_room_without_any_light_is_a_scene_too():
    rng = generator()
    dark = next(one for one in (RANDOMIZERS["manylightroom"].lighting(rng) for _ in range(100_000)) if not one.lights)
    contents = ROOM.surroundings() + dark + ROOM.materials(rng)
    camera = ROOM.view(rng, contents).model_dump()
    scene = {"seed": 0, "bounces": 4, "hide_lights": True, "camera": camera}
    scene |= {"materials": contents.materials, "lights": contents.lights, "geometry": contents.geometry}
    assert parse_scene(scene).lights == ()
