"""Feature buffers against a plain ray tracer and closed formulas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import pytest
import scene_building as build
from ray_oracle import Oracle
from reference_statistics import assert_mean

from cnsr.buffers import BUFFERS

FEATURES = ("position", "normal", "depth", "id", "albedo", "roughness", "mirror", "mirror_hit", "mirror_normal")
SAMPLES = 48


def still_life() -> dict:
    """Floor, one wall, a free-standing grid seen from behind, spheres; the sky is open."""
    materials = {
        "floor": build.material([0.1, 0.6, 0.3], id=3),
        "wall": build.material([0.9, 0.2, 0.4], roughness=0.4, id=1),
        "mirror": build.material([0.5, 0.6, 0.7], roughness=0.05, id=7),
        "ball": build.material([0.2, 0.2, 0.9], roughness=0.06, id=0),
    }
    objects = [
        build.grid([0, 0, 0], [0, 1, 0], [6, 0, 6], "floor"),
        build.grid([0, 1, -2], [0, 0, 5], [4, 2, 0], "wall"),
        build.grid([1.4, 0.5, 0.2], [1, 0, 0], [0, 1, 1], "wall"),
        build.sphere([-0.5, 0.6, -0.3], 0.6, "mirror"),
        build.sphere([0.7, 0.25, 0.8], 0.25, "ball"),
    ]
    return build.scene(build.camera([0.4, 1.3, 3.1], [0.1, 0.5, 0.0], 50.0), materials, [], objects, 1)


def assert_features(tracer: Any, scene: dict, names: tuple[str, ...], size: int, seed: int) -> None:
    view = tracer.render(scene, size=size, samples=SAMPLES, seed=seed, buffers=names)
    assert view.dropped == 0
    expected = Oracle(scene["geometry"], scene["materials"]).features(scene["camera"], size, SAMPLES, seed)
    for name in names:
        value, margin = expected[name]
        image = view.buffers[name]
        assert image.dtype == np.float32
        assert image.shape == (size, size, BUFFERS[name].channels)
        assert value.std() > 0.01, f"{name}: the scene shows nothing of it"
        # Few pixels may have a sample so near to an edge that rounding decides what it sees.
        uncertain = margin > 1e-3
        assert np.mean(uncertain) < 0.05, f"{name}: too many pixels are uncertain"
        # What lies beyond an edge is not quite the same for a ray and its neighbor: hence a tenth more. And where two
        # objects touch, a mirrored ray may slip between them and see nothing: hence a whole sample.
        limit = 1.1 * margin + 1e-5 * (1 + np.abs(value)) + uncertain * np.abs(value).max() / SAMPLES
        wrong = np.argwhere(np.abs(image - value) > limit)
        assert len(wrong) == 0, f"{name}: {len(wrong)} values differ, first at {wrong[0]}"


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_features_are_those_of_a_plain_ray_tracer(tracer: Any, seed: int) -> None:
    assert_features(tracer, still_life(), FEATURES, 24, seed)


def test_features_of_a_room_seen_from_inside(tracer: Any) -> None:
    # Box walls, camera within, hidden light: every ray hits something.
    names = ("position", "normal", "depth", "id", "albedo", "mirror_hit")
    assert_features(tracer, build.small_room(), names, 16, 3)


def test_normals_and_mirrors_have_unit_length_where_pixels_are_uniform(tracer: Any) -> None:
    scene = still_life()
    scene["camera"] = build.camera([0.4, 1.3, 3.1], [-0.3, 0.1, 1.5], 0.01)
    view = tracer.render(scene, size=4, samples=4, buffers=("normal", "mirror", "depth", "position"))
    for name in ("normal", "mirror"):
        np.testing.assert_allclose(np.linalg.norm(view.buffers[name], axis=-1), 1, atol=1e-5)
    distance = np.linalg.norm(view.buffers["position"] - np.array([0.4, 1.3, 3.1]), axis=-1)
    np.testing.assert_allclose(view.buffers["depth"][..., 0], distance, rtol=1e-5)


def test_the_void_is_black_and_unshaded(tracer: Any) -> None:
    scene = build.scene(build.camera([0, 0, 0], [0, 0, -1]), {"x": build.material()}, [], [])
    view = tracer.render(scene, size=4, samples=4, buffers=tuple(BUFFERS))
    for name, image in view.buffers.items():
        assert np.all(image == (1 if name in ("shadows", "ao") else 0)), name


def write_texture(path: Path, pixels: np.ndarray) -> None:
    imageio.imwrite(path, pixels)


# Small meshes are merged into one acceleration structure and large ones are instanced: tests run on both.
MESH_SIZES = pytest.mark.parametrize("more_triangles", [0, 400], ids=["small", "large"])


def write_obj(path: Path, lines: list[str], more_triangles: int) -> None:
    """Write a mesh, with more triangles far away from it."""
    for index in range(more_triangles):
        x = 90 + 0.01 * index
        lines = [*lines, f"v {x} 90 90", f"v {x} 90.01 90", f"v {x} 90 90.01", "vt 0 0", "vn 1 0 0"]
        lines.append("f -3/-1/-1 -2/-1/-1 -1/-1/-1")
    path.write_text("\n".join(lines) + "\n")


def quad_obj(path: Path, more_triangles: int = 0, normals: bool = False) -> None:
    """A quad [-1, 1] x {0} x [-1, 1] that faces +y; u runs along +x, v along -z."""
    lines = ["v -1 0 1", "v 1 0 1", "v 1 0 -1", "v -1 0 -1", "vt 0 0", "vt 1 0", "vt 1 1", "vt 0 1"]
    if normals:
        lines += ["vn 0 1 0", "f 1/1/1 2/2/1 3/3/1 4/4/1"]
    else:
        lines += ["f 1/1 2/2 3/3 4/4"]
    write_obj(path, lines, more_triangles)


def overhead(objects: list[dict], materials: dict, **options: Any) -> dict:
    """Seen from above with -z at the top of the image and +x at the right, 4 x 4 metres."""
    view = build.camera([0, 20, 1e-4], [0, 0, 0], 2 * np.degrees(np.arctan(2 / 20)))
    return build.scene(view, materials, [], objects, 1, **options)


@MESH_SIZES
def test_textures_of_meshes_stand_upright(tracer: Any, tmp_path: Path, more_triangles: int) -> None:
    # v = 1 is the top row of the picture, so its white quarter lies at (-x, -z) of the quad.
    quad_obj(tmp_path / "quad.obj", more_triangles)
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:32, :32], pixels[:32, 32:], pixels[32:, :32], pixels[32:, 32:] = 255, 0, [0, 255, 0], [0, 0, 255]
    pixels[32:, 32:] //= 255  # nearly black
    write_texture(tmp_path / "texture.png", pixels)
    materials = {"t": build.material([0.8, 0.4, 0.2], roughness=0.05, texture="texture.png", id=1)}
    scene = overhead([build.mesh("quad.obj", "t")], materials)
    path = tmp_path / "scene.json"
    write_json(path, scene)
    albedo = tracer.render(path, size=16, samples=64, buffers=("albedo",)).buffers["albedo"]
    # The largest component of a texel scales the color, also that of mirrors, where there is a texture.
    color = np.array([0.8, 0.4, 0.2], np.float32)
    np.testing.assert_allclose(albedo[4:8, 4:8][1:3, 1:3], np.broadcast_to(color, (2, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(albedo[8:12, 4:8][1:3, 1:3], np.broadcast_to(color, (2, 2, 3)), rtol=1e-5)
    assert albedo[4:8, 8:12][1:3, 1:3].max() == 0
    assert albedo[8:12, 8:12][1:3, 1:3].max() < 0.002
    assert albedo[:3].max() == 0


def write_json(path: Path, scene: dict) -> None:
    import json

    path.write_text(json.dumps(scene))


def test_textures_repeat_and_are_interpolated(tracer: Any, tmp_path: Path) -> None:
    # A texture of two texels, black and white, is a triangle wave along u: with frequency 3, three periods.
    quad_obj(tmp_path / "quad.obj")
    pixels = np.zeros((1, 2, 3), np.uint8)
    pixels[:, 1] = 255
    write_texture(tmp_path / "wave.png", pixels)
    materials = {"t": build.material(0.5, texture="wave.png", texture_frequency=[3.0, 1.0])}
    scene = overhead([build.mesh("quad.obj", "t")], materials)
    write_json(tmp_path / "scene.json", scene)
    view = tracer.render(tmp_path / "scene.json", size=64, samples=64, buffers=("albedo", "position"))
    inside = slice(18, 46)  # whole pixels on the quad
    u = (view.buffers["position"][32, :, 0] + 1) / 2 * 3
    # Texel centers lie at u = 1/4 (black) and 3/4 (white) of a period.
    wave = 1 - np.abs(np.mod(u - 0.25, 1) * 2 - 1)
    np.testing.assert_allclose(view.buffers["albedo"][32, inside, 0], 0.5 * wave[inside], atol=0.02)


def test_textures_of_grids_repeat_over_them(tracer: Any, tmp_path: Path) -> None:
    # Whichever way a grid's coordinates run, frequency (2, 2) shows the same picture in all four quarters.
    ramp = np.broadcast_to((np.arange(64) * 4)[None, :, None], (64, 64, 3)).astype(np.uint8).copy()
    ramp[:, :, :] = (ramp + np.arange(64)[:, None, None]) // 2
    write_texture(tmp_path / "ramp.png", ramp)
    materials = {"t": build.material(1.0, texture="ramp.png", texture_frequency=[2.0, 2.0])}
    scene = overhead([build.grid([0, 0, 0], [0, 1, 0], [4, 0, 4], "t")], materials)
    write_json(tmp_path / "scene.json", scene)
    albedo = tracer.render(tmp_path / "scene.json", size=32, samples=256, buffers=("albedo",)).buffers["albedo"]
    assert albedo.std() > 0.05
    quarter = albedo[1:15, 1:15]
    np.testing.assert_allclose(albedo[17:31, 1:15], quarter, atol=0.02)
    np.testing.assert_allclose(albedo[1:15, 17:31], quarter, atol=0.02)


@MESH_SIZES
@pytest.mark.parametrize("with_normals", [False, True])
@pytest.mark.parametrize("stretch", [(1.5, 3.0, 0.5), (1.5, -2.0, 0.5), (-1.0, 1.0, 1.0)], ids=str)
def test_meshes_are_placed_like_grids(
    tracer: Any, tmp_path: Path, with_normals: bool, more_triangles: int, stretch: tuple[float, float, float]
) -> None:
    # A quad as mesh under a transform that scales its axes differently equals a grid under the rest of it.
    quad_obj(tmp_path / "quad.obj", more_triangles, with_normals)
    turn = np.array(build.rotation([1, 2, 0.5], 50, [0.3, 0.2, -0.4]))
    materials = {"m": build.material(0.3, id=2)}
    meshes = build.scene(
        build.camera([0.5, 3, 4], [0.3, 0.2, -0.4], 40.0),
        materials,
        [],
        [build.mesh("quad.obj", "m", np.diag([*stretch, 1.0]) @ turn)],
        1,
    )
    write_json(tmp_path / "scene.json", meshes)
    size = [2 * abs(stretch[0]), 0, 2 * abs(stretch[2])]
    grids = {**meshes, "geometry": [build.grid([0, 0, 0], [0, 1, 0], size, "m", turn)]}
    names = ("position", "normal", "depth", "id", "albedo", "mirror")
    first = tracer.render(tmp_path / "scene.json", size=16, samples=16, buffers=names)
    second = tracer.render(grids, size=16, samples=16, buffers=names)
    assert 0.1 < np.mean(first.buffers["depth"] > 0) < 0.9
    for name in names:
        difference = np.abs(first.buffers[name] - second.buffers[name])
        assert np.count_nonzero(difference > 1e-4 * 5) <= 3, name  # a sample at the border may fall either way


@MESH_SIZES
@pytest.mark.parametrize("scale", [(1.0, 2.0, 4.0), (1.0, -2.0, 4.0)], ids=str)
def test_vertex_normals_follow_transforms_and_are_interpolated(
    tracer: Any, tmp_path: Path, more_triangles: int, scale: tuple[float, float, float]
) -> None:
    # A unit sphere's normals at the corners of a flat triangle; stretching needs the inverse transpose.
    corners = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float64)
    lines = [f"v {x} {y} {z}" for x, y, z in corners] + [f"vn {x} {y} {z}" for x, y, z in corners]
    write_obj(tmp_path / "corner.obj", [*lines, "f 1//1 2//2 3//3"], more_triangles)
    stretch = np.diag([*scale, 1.0])
    outside = np.array([8.0, 4.0 * np.sign(scale[1]), 2.0])
    weights = {"middle": (1 / 3, 1 / 3, 1 / 3), "edge": (0.6, 0.3, 0.1)}
    for weight in weights.values():
        target = np.array(weight) @ corners @ stretch[:3, :3]
        view = build.camera(target + outside, target, 0.01)
        scene = build.scene(view, {"m": build.material()}, [], [build.mesh("corner.obj", "m", stretch)], 1)
        write_json(tmp_path / "scene.json", scene)
        normal = tracer.render(tmp_path / "scene.json", size=2, samples=4, buffers=("normal",)).buffers["normal"]
        expected = np.array(weight) @ corners @ np.linalg.inv(stretch[:3, :3]).T
        expected /= np.linalg.norm(expected)
        np.testing.assert_allclose(normal, np.broadcast_to(expected, normal.shape), atol=1e-3)


def test_spheres_are_scaled_turned_and_moved(tracer: Any) -> None:
    matrix = np.diag([2.0, 2.0, 2.0, 1.0]) @ np.array(build.rotation([1, 1, 0], 70, [0.5, -1.0, 2.0]))
    center = np.array([0.3, 0.2, 0.1, 1.0]) @ matrix
    turned = build.scene(
        build.camera(center[:3] + np.array([0, 0, 6.0]), center[:3], 60.0),
        {"m": build.material()},
        [],
        [build.sphere([0.3, 0.2, 0.1], 0.75, "m", matrix)],
        1,
    )
    plain = {**turned, "geometry": [build.sphere(center[:3], 1.5, "m")]}
    names = ("position", "normal", "depth", "mirror")
    first, second = (tracer.render(one, size=12, samples=16, buffers=names).buffers for one in (turned, plain))
    for name in names:
        assert np.count_nonzero(np.abs(first[name] - second[name]) > 1e-4) <= 3, name
    assert first["depth"][6, 6, 0] == pytest.approx(4.5, abs=0.1)


@pytest.mark.parametrize("distance", [0.0002, 0.2, 0.5, 0.9, 1.01])
def test_ambient_occlusion_beside_a_wall(tracer: Any, distance: float) -> None:
    # On the disk of projected directions (Nusselt) an endless wall at distance x within 1 hides the segment beyond x.
    materials = {"m": build.material()}
    objects = [
        build.grid([0, 0, 0], [0, 1, 0], [10, 0, 10], "m"),
        build.grid([distance, 0, 0], [-1, 0, 0], [0, 10, 10], "m"),
    ]
    view = build.camera([-1, 2, 0.5], [0, 0, 0], 0.005)
    scene = build.scene(view, materials, [], objects, 1)
    # Enough samples that some fall where the nearest wall differs from a half space: else the error is unknown.
    image = tracer.render(scene, size=16, samples=1024, buffers=("ao",)).buffers["ao"]
    x = min(distance, 1.0)
    hidden = (np.arccos(x) - x * np.sqrt(1 - x * x)) / np.pi
    if hidden == 0:
        assert (image == 1).all()
    else:
        assert_mean(image, 1 - hidden)


def test_ambient_occlusion_counts_nearby_things_only(tracer: Any) -> None:
    for height, expected in ((0.5, 1 - (1 - 0.5**2)), (1.5, 1.0)):
        # A ceiling at height h is met within 1 by directions with cos > h: their projected share is 1 - h^2.
        objects = [
            build.grid([0, 0, 0], [0, 1, 0], [10, 0, 10], "m"),
            build.grid([0, height, 0], [0, -1, 0], [10, 0, 10], "m"),
        ]
        view = build.camera([0.1, 0.2, 0.1], [0, 0, 0], 0.1)
        scene = build.scene(view, {"m": build.material()}, [], objects, 1)
        assert_mean(tracer.render(scene, size=8, samples=256, buffers=("ao",)).buffers["ao"], expected)


def shadow_scene(lights: list[dict], blockers: list[dict]) -> dict:
    materials = {"m": build.material(), "light": build.material(0, 3.0)}
    floor = build.grid([0, 0, 0], [0, 1, 0], [10, 0, 10], "m")
    return build.scene(build.camera([0.1, 1.0, 2.0], [0, 0, 0], 0.01), materials, lights, [floor, *blockers], 1)


def shadows(tracer: Any, scene: dict) -> np.ndarray:
    return tracer.render(scene, size=8, samples=256, buffers=("shadows",)).buffers["shadows"]


def test_shadows_show_the_visible_share_of_the_lights(tracer: Any) -> None:
    ball = build.sphere([0, 2, 0], 0.1, "light")
    second = build.sphere([2, 2, 0], 0.1, "light")
    plate = build.grid([0, 1, 0], [0, 1, 0], [0.8, 0, 0.8], "m")
    assert (shadows(tracer, shadow_scene([ball], [])) == 1).all()
    assert (shadows(tracer, shadow_scene([ball], [plate])) == 0).all()
    assert (shadows(tracer, shadow_scene([], [plate])) == 1).all()
    assert_mean(shadows(tracer, shadow_scene([ball, second], [plate])), 0.5)
    wide = build.grid([0, 2, 0], [0, -1, 0], [2, 0, 2], "light")
    curtain = build.grid([2.5, 1, 0], [0, 1, 0], [5, 0, 5], "m")  # hides x > 0
    assert_mean(shadows(tracer, shadow_scene([wide], [curtain])), 0.5)


def test_only_what_is_asked_for_comes_back(tracer: Any) -> None:
    scene = build.small_room()
    everything = tracer.render(scene, size=8, samples=4, buffers=tuple(BUFFERS)).buffers
    assert tuple(everything) == tuple(BUFFERS)
    for name in BUFFERS:
        alone = tracer.render(scene, size=8, samples=4, buffers=(name,)).buffers
        assert list(alone) == [name]
        assert np.array_equal(alone[name], everything[name]), f"{name} depends on which others are asked for"


def test_few_shapes_are_met_where_many_are(tracer: Any, tmp_path: Path) -> None:
    # Few are tested directly, many are in Embree: a hundred more, far outside of the closed room, change nothing in it.
    noise = np.random.default_rng(5).integers(0, 256, (8, 8, 3), np.uint8)
    imageio.imwrite(tmp_path / "noise.png", noise)
    room = build.small_room()
    room["materials"]["white"]["texture"] = str(tmp_path / "noise.png")
    turned = build.rotation([1, 2, 3], 30, [0, 0.6, 0])
    room["geometry"].append(build.grid([0, 0, 0], [0, 1, 0], [0.8, 0, 0.5], "white", turned))
    far = [build.sphere([50.0 + n, 0, 0], 0.3, "red") for n in range(100)]
    few = tracer.render(room, size=48, samples=16, buffers=tuple(BUFFERS)).buffers
    many = tracer.render(
        {**room, "geometry": room["geometry"] + far}, size=48, samples=16, buffers=tuple(BUFFERS)
    ).buffers
    for name in ("position", "normal", "depth", "id", "albedo", "roughness", "mirror", "mirror_hit", "mirror_normal"):
        # But for rays through an edge, which may meet either side.
        different = np.abs(few[name] - many[name]).max(-1) > 1e-4
        assert different.mean() < 0.002, name
    for name in ("beauty", "shadows", "ao"):
        assert np.abs(few[name] - many[name]).mean() < 0.01 * few[name].mean(), name
