"""Scenes at the edge of what makes sense: every buffer stays finite, and no sample is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
import scene_building as build

from cnsr.buffers import BUFFERS
from cnsr.errors import RenderError, SceneError

ALL = tuple(BUFFERS)


def assert_sound(view: Any, dropped: int = 0) -> None:
    for name, image in view.buffers.items():
        assert np.isfinite(image).all(), name
        if name not in ("position", "normal", "mirror", "mirror_hit", "mirror_normal"):
            assert image.min() >= 0, name
    for name in ("normal", "mirror", "mirror_normal"):
        assert np.linalg.norm(view.buffers[name], axis=-1).max() < 1 + 1e-4, name
    for name in ("id", "shadows", "ao", "roughness"):
        assert view.buffers[name].max() <= 1, name
    assert view.dropped <= dropped


def look(scene: dict, position: list[float], target: list[float], fov: float = 75.0) -> dict:
    return {**scene, "camera": build.camera(position, target, fov)}


CAMERAS = {
    "on a wall": ([-3.0, 1.0, 0.0], [0, 1, 0]),
    "on a wall, looking along it": ([-3.0, 1.0, 0.0], [-3.0, 1.0, 2.0]),
    "in a corner": ([3.0, 2.5, 3.0], [0, 0, 0]),
    "on an edge, looking along it": ([3.0, -0.5, 3.0], [3.0, -0.5, -3.0]),
    "outside": ([-9.0, 1.0, 0.0], [0, 1, 0]),
    "in an object": ([0.8, 0.0, 0.3], [0, 1, 0]),
    "at the center of a mirror": ([-0.8, 0.0, -0.4], [-0.8, 0.0, 5.0]),
    "on an object": ([0.8, 0.5, 0.3], [0.8, 5.0, 0.4]),
    "in the light": ([0.5, 1.6, -0.5], [0, 0, 0]),
    "on the light": ([0.5, 1.725, -0.5], [0.5, 0, -0.5]),
    "straight down": ([0.0, 2.0, 0.0], [0, 0, 0]),
    "straight up": ([0.0, 0.0, 1.0], [0, 2, 1.0]),
    "grazing the floor": ([0.0, -0.4999999, 2.9], [0.0, -0.4999999, -3]),
}


@pytest.mark.parametrize("hide", [False, True])
@pytest.mark.parametrize("place", CAMERAS)
def test_any_camera_gives_finite_images(tracer: Any, place: str, hide: bool) -> None:
    scene = look(build.small_room(hide_lights=hide), *CAMERAS[place])
    assert_sound(tracer.render(scene, size=12, samples=16, buffers=ALL))


def test_a_camera_in_an_object_sees_its_inside(tracer: Any) -> None:
    scene = look(build.small_room(), [0.8, 0.0, 0.3], [0.8, 0.0, 1.0])
    view = tracer.render(scene, size=4, samples=4, buffers=("depth", "normal", "id"))
    np.testing.assert_allclose(view.buffers["depth"], 0.5, rtol=1e-4)
    np.testing.assert_allclose(view.buffers["id"], 2 / 5)
    assert view.buffers["normal"][..., 2].max() < -0.3  # towards the viewer


def test_a_camera_on_a_wall_sees_the_room(tracer: Any) -> None:
    # The wall that the camera stands on is at distance 0: it must not fill the image.
    scene = look(build.small_room(), [-3.0, 1.0, 0.0], [0, 1, 0], 20.0)
    depth = tracer.render(scene, size=8, samples=8, buffers=("depth",)).buffers["depth"]
    assert depth.min() > 1


def write(folder: Path, scene: dict) -> Path:
    path = folder / "scene.json"
    path.write_text(json.dumps(scene))
    return path


DEGENERATE = """
v -1 0 -1
v 1 0 -1
v 1 0 1
v -1 0 1
v 0 0 0
vn 0 0 0
vn 0 1 0
vt 0 0
f 1/1/2 3/1/2 2/1/2
f 1/1/1 4/1/1 3/1/1
f 1/1/1 1/1/1 1/1/1
f 1/1/2 2/1/2 2/1/2
f 1/1/1 5/1/2 3/1/1
"""


def test_triangles_without_area_and_normals_without_length(tracer: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.obj").write_text(DEGENERATE)
    scene = build.small_room()
    scene["geometry"].append(build.mesh("bad.obj", "glossy", build.rotation([1, 0, 0], 20, [0, 0.5, 0])))
    view = tracer.render(write(tmp_path, scene), size=16, samples=16, buffers=ALL)
    assert_sound(view)
    assert (np.abs(view.buffers["id"] - 2 / 5) < 1e-6).mean() > 0.05


def test_a_mesh_of_nothing_but_slivers(tracer: Any, tmp_path: Path) -> None:
    lines = ["v 0 0 0", "v 1 0 0", "v 2 0 0", "v 1 1e-30 0", "v 1 1e-7 0", "f 1 2 3", "f 1 2 4", "f 1 3 5", "f 1 1 1"]
    (tmp_path / "sliver.obj").write_text("\n".join(lines) + "\n")
    scene = build.small_room()
    scene["geometry"].append(build.mesh("sliver.obj", "glossy"))
    assert_sound(tracer.render(write(tmp_path, scene), size=16, samples=16, buffers=ALL))


@pytest.mark.parametrize("hide", [False, True])
@pytest.mark.parametrize("name", ["touching", "half in the floor", "on the wall", "flush with the wall"])
def test_lights_where_they_should_not_be(tracer: Any, name: str, hide: bool) -> None:
    scene = build.small_room(hide_lights=hide)
    lights = {
        "touching": build.sphere([0, 2.375, 0], 0.125, "light"),
        "half in the floor": build.sphere([0, -0.5, 0], 0.4, "light"),
        "on the wall": build.grid([0, 1, -2.999999], [0, 0, 1], [1, 1, 0], "light"),
        "flush with the wall": build.grid([0, 1, -3], [0, 0, 1], [1, 1, 0], "light"),
    }
    scene["lights"] = [lights[name]]
    view = tracer.render(scene, size=16, samples=32, buffers=ALL)
    assert_sound(view)
    assert view.buffers["beauty"].max() > 0


@pytest.mark.parametrize("scale", [1e-3, 1e-1, 1e2, 1e4])
def test_scenes_of_any_size_look_alike(tracer: Any, scale: float) -> None:
    # Lengths scaled by s: radiance falls with s^2 as emission is spread over more area; depth grows with s.
    base, scaled = build.small_room(), build.small_room()
    for part in ("lights", "geometry"):
        for one in scaled[part]:
            one["position"] = [scale * value for value in one["position"]]
            for key in ("size", "radius"):
                if key in one:
                    one[key] = [scale * v for v in one[key]] if key == "size" else scale * one[key]
    for key in ("position", "lookat"):
        scaled["camera"][key] = [scale * value for value in scaled["camera"][key]]
    scaled["camera"]["near"], scaled["camera"]["far"] = 1e-4 * scale, 1e6 * scale
    scaled["materials"]["light"]["emission"] = [value * scale**2 for value in scaled["materials"]["light"]["emission"]]
    names = ("beauty", "direct", "depth", "normal", "shadows")
    first = tracer.render(base, size=16, samples=32, buffers=names, clamp=None)
    second = tracer.render(scaled, size=16, samples=32, buffers=names, clamp=None)
    assert second.dropped == 0
    np.testing.assert_allclose(second.buffers["depth"] / scale, first.buffers["depth"], rtol=1e-3)
    close = np.isclose(second.buffers["beauty"], first.buffers["beauty"], rtol=0.02, atol=1e-4)
    assert close.mean() > 0.97  # the same random numbers: only rounding at edges differs
    assert second.buffers["direct"].mean() == pytest.approx(first.buffers["direct"].mean(), rel=0.01)


def test_rooms_far_from_the_origin(tracer: Any) -> None:
    # At 1000 metres single precision resolves 6e-5: surfaces must neither shadow themselves nor leak.
    shift = np.array([1000.0, -500.0, 2000.0])
    base, moved = build.small_room(), build.small_room()
    for part in ("lights", "geometry"):
        for one in moved[part]:
            one["position"] = [float(v) for v in np.array(one["position"]) + shift]
    for key in ("position", "lookat"):
        moved["camera"][key] = [float(v) for v in np.array(moved["camera"][key]) + shift]
    first, second = (tracer.render(one, size=16, samples=64, buffers=ALL) for one in (base, moved))
    assert_sound(second)
    for name in ("direct", "shadows", "ao", "beauty"):
        assert second.buffers[name].mean() == pytest.approx(first.buffers[name].mean(), rel=0.02), name


@pytest.mark.parametrize("roughness", [0.0, 0.04, 0.05, 1.0])
@pytest.mark.parametrize("emission", [1e-20, 1e15])
def test_extreme_materials(tracer: Any, roughness: float, emission: float) -> None:
    scene = build.small_room(roughness=roughness)
    scene["materials"]["light"]["emission"] = [emission] * 3
    scene["materials"]["glossy"]["ior"] = 1.0 if roughness else 1e6
    scene["materials"]["white"]["color"] = [1.0, 0.0, 1e-20]
    assert_sound(tracer.render(scene, size=12, samples=16, buffers=ALL))


def test_samples_that_overflow_are_dropped_and_counted(tracer: Any) -> None:
    # Albedos beyond all physics carry single precision to infinity within a few bounces.
    scene = build.small_room(bounces=6)
    scene["materials"]["white"]["color"] = [1e18] * 3
    view = tracer.render(scene, size=8, samples=8, buffers=ALL, clamp=None)
    assert 0 < view.dropped <= 8 * 8 * 8
    assert_sound(view, dropped=view.dropped)
    scene["materials"]["white"]["color"] = [0.8] * 3
    assert tracer.render(scene, size=8, samples=8, buffers=ALL, clamp=None).dropped == 0


def uv_sphere_obj(path: Path, rings: int) -> None:
    """A sphere of few triangles with the normals of a smooth one, poles closed by slivers."""
    lines = []
    for ring in range(rings + 1):
        for step in range(2 * rings):
            polar, azimuth = np.pi * ring / rings, np.pi * step / rings
            x, y, z = np.sin(polar) * np.cos(azimuth), np.cos(polar), np.sin(polar) * np.sin(azimuth)
            lines += [f"v {x:.6f} {y:.6f} {z:.6f}", f"vn {x:.6f} {y:.6f} {z:.6f}"]
    for ring in range(rings):
        for step in range(2 * rings):
            a, b = ring * 2 * rings + step + 1, ring * 2 * rings + (step + 1) % (2 * rings) + 1
            c, d = a + 2 * rings, b + 2 * rings
            lines += [f"f {a}//{a} {b}//{b} {c}//{c}", f"f {b}//{b} {d}//{d} {c}//{c}"]
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("rings", [4, 24])
@pytest.mark.parametrize("roughness", [0.05, 0.3, 1.0])
def test_coarse_meshes_with_smooth_normals(tracer: Any, tmp_path: Path, rings: int, roughness: float) -> None:
    # Interpolated normals point away from the viewer at silhouettes: no NaN, and never more light than falls in.
    uv_sphere_obj(tmp_path / "ball.obj", rings)
    walls = build.box_walls([-3, -3, -3], [3, 3, 3], "wall")
    materials = {"wall": build.material(0, 36.0), "ball": build.material(1.0, roughness=roughness)}
    view = build.camera([0, 0, 2.5], [0, 0, 0], 60.0)
    scene = build.scene(view, materials, walls, [build.mesh("ball.obj", "ball")], 8)
    rendered = tracer.render(write(tmp_path, scene), size=16, samples=64, buffers=ALL, clamp=None)
    assert_sound(rendered)
    assert rendered.buffers["beauty"].max() < 1.6  # a furnace of radiance 1; single noisy pixels may exceed it
    assert rendered.buffers["beauty"].mean() < 1.01
    assert rendered.buffers["beauty"].mean() > 0.8


def test_huge_and_tiny_lights(tracer: Any) -> None:
    for radius in (1e-6, 1e-3, 2.9):
        scene = build.small_room(hide_lights=True)
        scene["lights"] = [build.sphere([0.0, 1.0, 0.0], radius, "light")]
        view = tracer.render(scene, size=12, samples=16, buffers=ALL)
        assert_sound(view)
        assert view.buffers["direct"].max() > 0


def test_coinciding_walls(tracer: Any) -> None:
    scene = build.small_room()
    scene["geometry"] += build.box_walls([-3, -0.5, -3], [3, 2.5, 3], "glossy")
    assert_sound(tracer.render(scene, size=12, samples=16, buffers=ALL))


def test_surfaces_do_not_shadow_themselves(tracer: Any) -> None:
    # A big ball under a light straight above: the whole upper half sees the light, at any size.
    for radius in (0.01, 1.0, 100.0):
        materials = {"ball": build.material(), "light": build.material(0, 1.0)}
        ball = build.sphere([0, 0, 0], radius, "ball")
        light = build.sphere([0, 1000 * radius, 0], radius, "light")
        view = build.camera([0, 3 * radius, 0.001 * radius], [0, 0, 0], 30.0, near=1e-4 * radius)
        scene = build.scene(view, materials, [light], [ball], 2)
        shadows = tracer.render(scene, size=16, samples=16, buffers=("shadows", "ao")).buffers
        assert (shadows["shadows"] == 1).all(), radius
        assert (shadows["ao"] == 1).all(), radius


@pytest.mark.parametrize("frequency", [[1e18, -1e18], [3.3e17, 7e12], [9.9e17, 1e17], [1e9, 1e10]])
def test_textures_repeated_beyond_all_precision(tracer: Any, tmp_path: Path, frequency: list[float]) -> None:
    # Neighboring coordinates lie many textures apart: what texel they name is chance, but it has to be one.
    pixels = np.random.default_rng(0).random((7, 1000)).astype(np.float32)
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Y": OpenEXR.Channel("Y", pixels)}).write(str(tmp_path / "a.exr"))
    scene = build.small_room()
    scene["materials"]["white"] |= {"texture": "a.exr", "texture_frequency": frequency}
    assert_sound(tracer.render(write(tmp_path, scene), size=32, samples=16, buffers=ALL))


@pytest.mark.parametrize("place", [[1e19, 0, 0], [0, -1e39, 0], [0, 0, 1e300]])
def test_cameras_beyond_the_world_are_refused(tracer: Any, place: list[float]) -> None:
    with pytest.raises(RenderError, match=r"camera: expected a position and another point.*within 1e\+18"):
        tracer.render(build.small_room(), 4, 1, camera=(place, [0, 0, 0]))


@pytest.mark.parametrize(
    "shape",
    [
        build.sphere([9e17, 0, 0], 2e17, "white"),
        build.grid([0, 0, 0], [0, 1, 0], [1e18, 0, 1e18], "white"),
        build.sphere([0, 0, 0], 1e10, "white", np.diag([1e10, 1e10, 1e10, 1])),
    ],
)
def test_objects_that_reach_beyond_the_world_are_refused(tracer: Any, shape: dict) -> None:
    scene = build.small_room()
    scene["geometry"].append(shape)
    with pytest.raises(SceneError, match=r"geometry\[8\]: reaches further than 1e18 from the origin"):
        tracer.load_scene(scene)


@pytest.mark.parametrize("scale", [1e-12, 1e-10, 1e-8, 1e-3, 9e2, 1e4, 1e6, 1e12])
def test_large_meshes_in_any_unit(tracer: Any, tmp_path: Path, scale: float) -> None:
    # A mesh that is no part of the scene's own triangles has a space of its own. Rays may start so far out there that
    # Embree would end the process; triangles may be so small there that it no longer tells where they are hit.
    uv_sphere_obj(tmp_path / "ball.obj", 24)
    lines = (tmp_path / "ball.obj").read_text().splitlines()
    for number, (keyword, *words) in enumerate(map(str.split, lines)):
        if keyword == "v":
            lines[number] = " ".join(["v", *(f"{float(word) / scale:.9g}" for word in words)])
    (tmp_path / "rescaled.obj").write_text("\n".join(lines) + "\n")
    views = []
    for name, unit in (("ball.obj", 1.0), ("rescaled.obj", scale)):
        scene = build.small_room()
        place = np.diag([0.5 * unit, 0.5 * unit, 0.5 * unit, 1.0])
        scene["geometry"].append(build.mesh(name, "glossy", place))
        views.append(tracer.render(write(tmp_path, scene), size=16, samples=8, buffers=ALL))
    assert_sound(views[1])
    for name in ("depth", "normal", "id", "position"):
        np.testing.assert_allclose(views[1].buffers[name], views[0].buffers[name], atol=1e-3, err_msg=name)


@pytest.mark.parametrize("distance", [1e5, 1e12, 1e18])
@pytest.mark.parametrize("unit", [1e-8, 1e-3, 1.0])
def test_cameras_far_from_large_meshes(tracer: Any, tmp_path: Path, distance: float, unit: float) -> None:
    uv_sphere_obj(tmp_path / "ball.obj", 24)
    scene = build.small_room()
    scene["geometry"] = [build.mesh("ball.obj", "glossy", np.diag([unit, unit, unit, 1.0]))]
    scene["camera"] = build.camera([distance, 0, 0], [0, 0, 0], 1e-6, 1e-9, 1e18)
    assert_sound(tracer.render(write(tmp_path, scene), size=8, samples=8, buffers=ALL))
