"""ArchViz: what lighting and materials draw, cameras, and scenes that can be moved."""

import colorsys
import itertools
import json
import math

import numpy as np
import pytest
from floor_plans import boxes
from scipy.stats import binomtest, chisquare, kstest

from cnsr.config import CONFIG_FOLDER, load_config
from cnsr.errors import SceneError
from cnsr.rendering import PathTracer
from cnsr.scenes.archviz import CAMERA, LAMP_Y, LOOKAT
from cnsr.scenes.archviz_layout import HIGH, LOW
from cnsr.scenes.archviz_materials import MATERIAL_IDS, WALLPAPERS, cosine_palette, light_color
from cnsr.scenes.assets import resolve_asset, resolve_mesh
from cnsr.scenes.datasets import RANDOMIZERS
from cnsr.scenes.description import load_scene
from cnsr.scenes.elements import WALLS
from cnsr.scenes.furniture.catalog import PIECES
from cnsr.scenes.randomizer import draw_batch

NAMES = ("archviz", "archviz_parametric")
ROOM = RANDOMIZERS["archviz"]
SCENES = 600


def drawn(factor, name="archviz", count=SCENES):
    rng = np.random.default_rng(5)
    return [getattr(RANDOMIZERS[name], factor)(rng) for _ in range(count)]


def is_uniform(values, low, high):
    return kstest((np.asarray(values) - low) / (high - low), "uniform").pvalue > 1e-3


PALETTES = [one.materials for one in drawn("materials")]


@pytest.mark.parametrize("name", NAMES)
def test_every_scene_is_a_valid_description_with_the_ids_of_the_specification(name):
    batch = draw_batch(RANDOMIZERS[name], 3, "train", 0, size=20, views=2, partitioned=False)
    ids = []
    for one in batch.scenes:
        for scene in one.scenes:
            assert (scene.bounces, scene.hide_lights) == (8, False)
            ids.append({material.id for material in scene.materials.values()})
    assert all(found == set(range(18)) for found in ids), "also of what is not there: the id buffer is scaled by them"
    wanted = "ground ceiling back left right front window_light ceiling_light chair dining_table sofa armchair rug lamp"
    wanted += " coffee_table teapot mirror_frame mirror"
    assert list(MATERIAL_IDS) == wanted.split()
    assert list(MATERIAL_IDS.values()) == list(range(18))


def test_all_parts_of_all_furniture_have_a_material_of_their_kind():
    parts = {f"{piece.kind}_{part}": piece.kind for piece in PIECES.values() for part in piece.parts}
    rest = {"ground", "ceiling", *WALLS}
    for palette in PALETTES[:20]:
        assert set(palette) == set(parts) | rest
        assert all(palette[name]["id"] == MATERIAL_IDS[parts.get(name, name)] for name in palette)
        for material in palette.values():
            assert 0 <= min(material["color"]) <= max(material["color"]) <= 1
            assert 0.05 <= material["roughness"] <= 1
            assert material["ior"] == 15


def test_the_room_is_as_large_as_specified():
    assert (LOW, HIGH) == ((-3.5, 0, -3.25), (3.5, 2.6, 3.25))
    corners = [
        np.array(grid["position"]) + np.outer((-0.5, 0.5), grid["size"]) for grid in ROOM.surroundings().geometry
    ]
    np.testing.assert_allclose(np.min(corners, axis=(0, 1)), LOW)
    np.testing.assert_allclose(np.max(corners, axis=(0, 1)), HIGH)
    assert [grid["material"] for grid in ROOM.surroundings().geometry] == ["ground", "ceiling", *WALLS]


@pytest.mark.parametrize("name", NAMES)
def test_window_and_lamp_shine_as_specified_and_the_lamp_hangs_around_its_light(name):
    lightings = drawn("lighting", name, 300)
    emissions = {"window_light": [], "ceiling_light": []}
    for lighting in lightings:
        window, lamp = lighting.lights
        assert (window["position"], window["normal"], window["size"]) == ([2, 1.3, 3.2499], [0, 0, -1], [2, 2, 0])
        assert (lamp["normal"], lamp["size"]) == ([0, -1, 0], [0.2, 0, 0.2])
        x, y, z = lamp["position"]
        assert y == 1.8375
        for light in (window, lamp):
            emissions[light["material"]].append(lighting.materials[light["material"]]["emission"])
        (mesh,) = boxes(lighting.geometry)
        assert mesh.kind == "lamp"
        np.testing.assert_allclose(mesh.center, (x, z), atol=1e-9)
        assert mesh.half.min() > 0.15, "the light fits into the shade"
        assert mesh.high == pytest.approx(2.6), "it hangs from the ceiling"
        assert 1.7 < mesh.low < y, "above all furniture, and its rim below the light"
    places = np.array([lighting.lights[1]["position"] for lighting in lightings])
    assert is_uniform(places[:, 0], 1.1, 2.1)
    assert set(places[:, 2]) == {-2.25, 2.25}
    assert binomtest(int((places[:, 2] > 0).sum()), len(places)).pvalue > 1e-3
    for light, (least, swing) in {"window_light": (15, 8.5), "ceiling_light": (10, 6)}.items():
        colors = (np.array(emissions[light]) - least) / swing
        assert 0 <= colors.min() < 0.01
        assert 0.99 < colors.max() <= 1
        # Each channel is the cosine of a uniform angle, with the phases of the palette between them.
        for channel, phase in enumerate((0.5, 0.35, 0.2)):
            assert kstest(np.arccos(np.clip(2 * colors[:, channel] - 1, -1, 1)) / np.pi, "uniform").pvalue > 1e-3
            turns = np.arccos(np.clip(2 * colors[:, 0] - 1, -1, 1)) / (2 * np.pi)
            either = [0.5 + 0.5 * np.cos(2 * np.pi * (sign * turns - 0.5 + phase)) for sign in (1, -1)]
            assert np.abs(np.array(either) - colors[:, channel]).min(axis=0).max() < 1e-6


def test_palettes_are_cosines():
    assert light_color(0.0) == pytest.approx([0.5 + 0.5 * math.cos(2 * math.pi * p) for p in (0.5, 0.35, 0.2)])
    assert cosine_palette(0.25, (0.1, 0.2, 0.3), (1, 1, 1), (0, 0.25, 0.75)) == pytest.approx((0.1, -0.8, 1.3))


def test_all_walls_have_one_of_four_papers_in_one_saturated_tint():
    papers, hues = [], []
    for palette in PALETTES:
        (texture,) = {palette[wall]["texture"] for wall in WALLS}
        (color,) = {tuple(palette[wall]["color"]) for wall in WALLS}
        assert colorsys.rgb_to_hsv(*color)[1:] == (1, 1)
        papers.append(texture)
        hues.append(colorsys.rgb_to_hsv(*color)[0])
        frequencies = [palette[wall]["texture_frequency"] for wall in WALLS]
        repeat = WALLPAPERS[texture.removeprefix("textures/").removesuffix(".exr")]
        if repeat is None:
            assert frequencies == [[1, 1]] * 4
        else:
            across = [6.5 if wall in ("left", "right") else 7.0 for wall in WALLS]
            np.testing.assert_allclose(frequencies, [(width / repeat, 2.6 / repeat) for width in across])
    assert chisquare([papers.count(f"textures/{name}.exr") for name in WALLPAPERS]).pvalue > 1e-3
    assert is_uniform(hues, 0, 1)


def test_woods_are_polished_half_of_the_time_and_the_teapot_has_three_finishes():
    for kind in ("dining_table", "chair", "coffee_table"):
        roughnesses = [palette[f"{kind}_wood"]["roughness"] for palette in PALETTES]
        assert set(roughnesses) == {0.5, 1.0}
        assert binomtest(roughnesses.count(0.5), SCENES).pvalue > 1e-3
        # Woods are brown: more red than green, more green than blue.
        colors = np.array([palette[f"{kind}_wood"]["color"] for palette in PALETTES])
        assert (np.diff(colors) < 0).all()
        assert colors[:, 0].min() < 0.35 < 0.8 < colors[:, 0].max()
    teapots = [palette["teapot_china"] for palette in PALETTES]
    assert chisquare([sum(one["roughness"] == value for one in teapots) for value in (1, 0.5, 0.05)]).pvalue > 1e-3
    assert all(colorsys.rgb_to_hsv(*one["color"])[1:] == (1, 1) for one in teapots)
    assert is_uniform([colorsys.rgb_to_hsv(*one["color"])[0] for one in teapots], 0, 1)
    for palette in PALETTES[:50]:
        assert palette["mirror_glass"]["roughness"] == 0.05
        assert len(set(palette["mirror_frame_frame"]["color"])) == 1, "gray"


def test_cloth_has_many_colors():
    for name in ("sofa_fabric", "armchair_fabric", "rug_pile", "chair_fabric"):
        colors = np.array([palette[name]["color"] for palette in PALETTES])
        assert (np.ptp(colors, axis=0) > 0.3).all()
        assert colors.min() > 0.1
        assert colors.max() < 0.85


def test_cameras_look_across_the_furniture_from_above_it():
    rng = np.random.default_rng(1)
    cameras = [ROOM.view(rng, ROOM.surroundings()) for _ in range(SCENES)]
    for camera in cameras:
        assert (camera.fov, camera.near, camera.far) == (45, 0.01, 100)
    places, aims = (np.array([getattr(camera, key) for camera in cameras]) for key in ("position", "lookat"))
    for axis, (low, high) in enumerate(((-3, -0.5), (1.4, 1.8), (-2.5, 2.5))):
        assert is_uniform(places[:, axis], low, high)
        assert CAMERA[axis] == (low, high)
    for axis, (low, high) in {0: (1, 3), 2: (-1.125, 1.125)}.items():
        assert is_uniform(aims[:, axis], low, high)
        assert LOOKAT[axis] == (low, high)
    assert set(aims[:, 1]) == {1.2}


@pytest.mark.parametrize("name", NAMES)
def test_no_camera_starts_inside_of_anything(name):
    rng = np.random.default_rng(23)
    room = RANDOMIZERS[name]
    path = [room.animate_view(t).position for t in np.linspace(0, 1, 40)]
    for _ in range(60):
        contents = room.surroundings() + room.lighting(rng) + room.geometry(rng)
        standing = boxes(contents.geometry)
        for x, y, z in [*path, *(room.view(rng, contents).position for _ in range(4))]:
            assert LOW[0] + 0.3 < x < HIGH[0] - 0.3
            assert LOW[2] + 0.3 < z < HIGH[2] - 0.3
            for box in standing:
                above = y > box.high + 0.1
                beside = np.abs(box.local(np.array((x, z))) * box.half).max() > box.half.max() + 0.3
                assert above or beside


def test_the_video_path_is_closed_and_smooth():
    cameras = [ROOM.animate_view(t) for t in np.linspace(0, 1, 201)]
    assert cameras[0].position == pytest.approx(cameras[-1].position)
    assert cameras[0].lookat == pytest.approx(cameras[-1].lookat)
    steps = [math.dist(a.position, b.position) for a, b in itertools.pairwise(cameras)]
    assert max(steps) < 2.5 * min(steps)
    for camera in cameras:
        for point, ranges in ((camera.position, CAMERA), (camera.lookat, LOOKAT)):
            assert all(low - 1e-9 <= value <= high + 1e-9 for value, (low, high) in zip(point, ranges, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_scenes_render_wherever_they_are_moved_and_a_file_beside_them_wins(tmp_path, name):
    drawn_scene = draw_batch(RANDOMIZERS[name], 2, "train", 0, size=1, views=1, partitioned=False).scenes[0]
    file = tmp_path / "moved" / "view000.json"
    file.parent.mkdir()
    file.write_text(drawn_scene.json(0))
    scene = json.loads(file.read_text())
    for item in scene["geometry"]:
        if item["type"] == "file":
            resolve_mesh(item["filename"], None)
    for material in scene["materials"].values():
        if material["texture"]:
            assert resolve_asset(material["texture"], file.parent).is_file()
    tracer = PathTracer(threads=1)
    image = tracer.render(file, size=8, samples=4).buffers["beauty"]
    assert np.isfinite(image).all()
    assert image.mean() > 0.01
    own = file.parent / scene["materials"]["ground"]["texture"]
    own.parent.mkdir()
    own.write_text("no image")
    with pytest.raises(SceneError, match=r"materials\.ground\.texture: .*planks\.exr"):
        tracer.load_scene(file)
    assert load_scene(file).folder == file.parent


@pytest.mark.parametrize("config", sorted(CONFIG_FOLDER.glob("*archviz*.json")), ids=lambda path: path.stem)
def test_configs_of_furnished_rooms_name_a_dataset_that_can_be_drawn(config):
    assert isinstance(RANDOMIZERS[load_config(config).dataset], type(ROOM))


def test_lamps_hang_at_the_height_of_their_light():
    assert round(HIGH[1] - LAMP_Y, 4) == PIECES["lamp"].defaults.drop
