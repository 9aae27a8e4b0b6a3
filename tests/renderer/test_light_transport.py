"""Light transport against closed formulas: furnaces, direct light of spheres and rectangles, emission, bounces.

`emission` is what a light emits in all, over pi: radiance times its area.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scene_building as build
from reference_material import reflectance_cosine
from reference_statistics import assert_mean, directions_at, frame_about, integrate_bins

BOTH = pytest.mark.parametrize("next_event", [True, False], ids=["next-event", "bsdf-only"])


def render(tracer: Any, scene: dict, size: int = 8, samples: int = 256, **options: Any) -> np.ndarray:
    view = tracer.render(scene, size=size, samples=samples, clamp=None, **options)
    assert view.dropped == 0
    return view.buffers["beauty"]


def furnace(albedo: float, bounces: int, roughness: float = 1.0, radiance: float = 2.0) -> dict:
    """A closed box, 2 x 1 x 3, whose walls all emit `radiance` and reflect."""
    walls = build.box_walls([-1, 0, -1], [1, 1, 2], "x")
    materials = {}
    for index, wall in enumerate(walls):
        wall["material"] = f"wall{index}"
        area = np.prod([extent for extent in wall["size"] if extent > 0])
        materials[f"wall{index}"] = build.material(albedo, radiance * area, roughness)
    view = build.camera([0.3, 0.4, 1.2], [0.1, 0.5, -0.9], 80.0)
    return build.scene(view, materials, walls, [], bounces)


@BOTH
@pytest.mark.parametrize(("albedo", "bounces"), [(0.0, 8), (0.5, 1), (0.5, 2), (0.5, 4), (0.5, 28), (0.8, 64)])
def test_white_furnace(tracer: Any, albedo: float, bounces: int, next_event: bool) -> None:
    # Each of `bounces` vertices adds the light of its own surface: a truncated geometric series, which for many
    # bounces is 1 / (1 - albedo).
    scene = furnace(albedo, bounces)
    image = render(tracer, scene, samples=64, next_event_estimation=next_event)
    expected = 2.0 * sum(albedo**order for order in range(bounces))
    if bounces > 20:
        assert expected == pytest.approx(2.0 / (1 - albedo), rel=1e-5)
    assert_mean(image, expected)


@BOTH
def test_furnace_of_spheres_and_rectangles(tracer: Any, next_event: bool) -> None:
    # Things of the same radiance and albedo as the walls vanish in a furnace, wherever they stand, touch or cut.
    scene = furnace(0.5, 6)
    for number, (place, radius) in enumerate(
        (([0.2, 0.2, 0.1], 0.2), ([-1.0, 0.5, -0.5], 0.3), ([0.5, 0.6, 0.3], 0.1))
    ):
        scene["lights"].append(build.sphere(place, radius, f"ball{number}"))
        scene["materials"][f"ball{number}"] = build.material(0.5, 2.0 * 4 * np.pi * radius**2)
    image = render(tracer, scene, samples=128, next_event_estimation=next_event)
    assert_mean(image, 2.0 * (2 - 0.5**5))


@BOTH
def test_furnace_within_a_sphere(tracer: Any, next_event: bool) -> None:
    radius = 2.0
    materials = {"x": build.material(0.5, 3.0 * 4 * np.pi * radius**2)}
    view = build.camera([0.3, 0.4, 1.2], [0.1, 0.5, -0.9], 80.0)
    scene = build.scene(view, materials, [build.sphere([0, 0, 0], radius, "x")], [], 6)
    image = render(tracer, scene, samples=128, next_event_estimation=next_event)
    assert_mean(image, 3.0 * (2 - 0.5**5))


CUBE = ["v -1 -1 -1", "v 1 -1 -1", "v 1 1 -1", "v -1 1 -1", "v -1 -1 1", "v 1 -1 1", "v 1 1 1", "v -1 1 1",
        "f 1 4 3 2", "f 5 6 7 8", "f 1 2 6 5", "f 4 8 7 3", "f 1 5 8 4", "f 2 3 7 6"]  # fmt: skip


@BOTH
@pytest.mark.parametrize("thing", ["sphere", "cube", "cube among many triangles"])
def test_white_things_vanish_between_walls_that_shine(
    tracer: Any, tmp_path: Path, thing: str, next_event: bool
) -> None:
    # A convex white matt thing in a black box of radiance 1 reflects exactly 1, so that it cannot be seen.
    walls = build.box_walls([-3, -3, -3], [3, 3, 3], "wall")
    materials = {"wall": build.material(0, 36.0), "white": build.material(1.0)}
    lines = CUBE
    if thing == "cube among many triangles":
        lines = [*CUBE, "v 0.1 0 0", "v 0 0.1 0", "v 0 0 0.1", *["f 9 10 11"] * 400]  # inside, where nobody sees them
    (tmp_path / "cube.obj").write_text("\n".join(lines) + "\n")
    turn = np.diag([0.8, 0.5, 0.6, 1]) @ np.array(build.rotation([1, 2, 3], 40, [0.2, 0.1, 0.3]))
    white = build.sphere([0.2, 0, 0], 0.9, "white") if thing == "sphere" else build.mesh("cube.obj", "white", turn)
    scene = build.scene(build.camera([0, 0.5, 2.8], [0, 0, 0], 60.0), materials, walls, [white], 2)
    (tmp_path / "scene.json").write_text(json.dumps(scene))
    view = tracer.render(
        tmp_path / "scene.json", 16, 64, buffers=("beauty", "depth"), next_event_estimation=next_event, clamp=None
    )
    assert np.mean(view.buffers["depth"] < 3) > 0.1  # it is there
    if next_event:
        assert_mean(view.buffers["beauty"], 1.0)
    else:
        np.testing.assert_allclose(view.buffers["beauty"], 1, rtol=1e-4)


@BOTH
@pytest.mark.parametrize("roughness", [0.05, 0.2, 0.5, 0.8])
def test_glossy_furnace_reflects_what_the_material_does(tracer: Any, roughness: float, next_event: bool) -> None:
    # With two vertices the box shows its light and one reflection: 1 + the material's share for that direction.
    scene = furnace(0.6, 2, roughness, radiance=1.0)
    position = np.array([0.3, 0.4, 1.2])
    for target, axis in (([0.1, 0.5, -1.0], 2), ([1.0, 0.45, -0.8], 0)):  # steep and grazing
        toward = np.array(target) - position
        cosine = abs(toward[axis]) / np.linalg.norm(toward)
        narrow = {**scene, "camera": build.camera(position, target, 0.1)}
        image = render(tracer, narrow, samples=512, next_event_estimation=next_event)
        assert_mean(image[..., 0], 1 + reflected_share(cosine, 0.6, roughness))


def reflected_share(cosine: float, albedo: float, roughness: float) -> float:
    wo = np.array([np.sqrt(1 - cosine**2), 0, cosine])
    alpha = roughness**2
    edges = np.append(np.arctan(alpha * np.sqrt(np.arange(12) / np.arange(12, 0, -1))), np.pi / 2)

    def density(polar: np.ndarray, azimuth: np.ndarray) -> np.ndarray:
        normals = directions_at(polar, azimuth)
        facing = normals @ wo
        reflected = 2 * facing[:, None] * normals - wo
        lobe = reflectance_cosine(wo, reflected, 0.0, roughness, 15.0) * 4 * facing * np.sin(polar)
        return np.where((facing > 0) & (reflected[:, 2] > 0), lobe, 0)

    diffuse = albedo * (roughness - 0.05) / 0.95
    return float(diffuse + integrate_bins(density, edges, np.linspace(0, 2 * np.pi, 9)).sum())


@BOTH
def test_glossy_furnace_never_gains_energy(tracer: Any, next_event: bool) -> None:
    # White walls, n vertices: at most n times the light of one wall, and more than with black diffuse parts.
    for roughness in (0.05, 0.3, 0.7):
        image = render(tracer, furnace(1.0, 6, roughness, 1.0), samples=64, next_event_estimation=next_event)
        error = image.std() / 8
        assert 2 < image.mean() < 6 + 5 * error
    diffuse = render(tracer, furnace(1.0, 6, 1.0, 1.0), samples=64, next_event_estimation=next_event)
    assert_mean(diffuse, 6.0)


EYE = np.array([2.0, 0.3, 2.2])  # low, so that it looks under what hangs over the origin


def floor_scene(light: dict, emission: float, roughness: float = 1.0, **options: Any) -> dict:
    """A floor at y = 0 seen from EYE in a narrow cone about the origin, and a light."""
    materials = {"floor": build.material([0.8, 0.4, 0.2], roughness=roughness), "light": build.material(0, emission)}
    floor = build.grid([0, 0, 0], [0, 1, 0], [2, 0, 2], "floor")
    view = build.camera(EYE, [0, 0, 0], 0.01)
    return build.scene(view, materials, [light], [floor], **options)


SPHERES = {
    "overhead": ([0.0, 1.5, 0.0], 0.4),
    "slanting": ([1.0, 0.8, -0.7], 0.5),
    "nearly touching": ([0.0, 0.51, 0.0], 0.5),
    "large": ([-20.0, 30.0, 3.0], 15.0),
}


@BOTH
@pytest.mark.parametrize("place", SPHERES)
@pytest.mark.parametrize("hide", [False, True], ids=["visible", "hidden"])
def test_direct_light_of_a_sphere(tracer: Any, place: str, next_event: bool, hide: bool) -> None:
    # A sphere wholly above the horizon gives the irradiance pi L (r / d)^2 cos, L = emission / (4 pi r^2).
    center, radius = SPHERES[place]
    distance = float(np.linalg.norm(center))
    scene = floor_scene(build.sphere(center, radius, "light"), 10.0, hide_lights=hide)
    image = render(tracer, scene, samples=1024, next_event_estimation=next_event)
    radiance = 10.0 / (4 * np.pi * radius**2)
    expected = radiance * (radius / distance) ** 2 * center[1] / distance
    for channel, albedo in enumerate((0.8, 0.4, 0.2)):
        assert_mean(image[..., channel], albedo * expected, precision=0.004 if next_event else 0.015)


def test_direct_light_of_a_far_small_sphere(tracer: Any) -> None:
    center = np.array([300.0, 400.0, -100.0])
    scene = floor_scene(build.sphere(center, 0.5, "light"), 1e6)
    image = render(tracer, scene, samples=16)
    distance = np.linalg.norm(center)
    expected = 0.8 * 1e6 / (4 * np.pi * distance**2) * center[1] / distance
    assert_mean(image[..., 0], expected, precision=1e-3)


@BOTH
def test_direct_light_of_a_sphere_that_sinks_into_the_floor(tracer: Any, next_event: bool) -> None:
    # The part below the horizon gives nothing: the cosine integrated over the rest of its cone.
    center, radius = np.array([0.9, 0.2, 0.1]), 0.6
    scene = floor_scene(build.sphere(center, radius, "light"), 10.0)
    image = render(tracer, scene, samples=1024, next_event_estimation=next_event)
    frame = frame_about(center)
    cone = np.arcsin(radius / np.linalg.norm(center))

    def cosine(polar: np.ndarray, azimuth: np.ndarray) -> np.ndarray:
        return np.maximum(directions_at(polar, azimuth, frame)[:, 1], 0) * np.sin(polar)

    integral = integrate_bins(cosine, np.linspace(0, cone, 9), np.linspace(0, 2 * np.pi, 9)).sum()
    expected = 0.8 / np.pi * 10.0 / (4 * np.pi * radius**2) * integral
    assert_mean(image[..., 0], expected)


def polygon_irradiance(corners: np.ndarray, point: np.ndarray, normal: np.ndarray) -> float:
    """Lambert's formula: irradiance of a polygon of radiance 1, all of it above the horizon."""
    toward = corners - point
    toward /= np.linalg.norm(toward, axis=1, keepdims=True)
    total = 0.0
    for a, b in zip(toward, np.roll(toward, -1, 0), strict=True):
        edge = np.cross(a, b)
        total += np.arccos(np.clip(a @ b, -1, 1)) * edge @ normal / np.linalg.norm(edge)
    return abs(total) / 2


# Center, normal, size of the grid, transform: a ceiling, a wall, one that a transform turns and moves.
RECTANGLES = {
    "ceiling": ([0.2, 1.2, -0.3], [0, -1, 0], [1.5, 0, 0.8], None),
    "wall": ([1.2, 0.9, 0.2], [-1, 0, 0], [0, 1.2, 2.0], None),
    "back wall": ([0.3, 0.8, -1.0], [0, 0, 3.0], [1.0, 1.4, 0], None),
    "stretched": (
        [0.1, 0.4, -0.1],
        [0, -1, 0],
        [0.5, 0, 0.4],
        [[3, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0.2, 0, 1]],
    ),
    "mirrored": (
        [0.1, -0.9, -0.1],
        [0, 1, 0],
        [0.7, 0, 0.9],
        [[1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
    ),
    "turned": ([0.1, 0, 0.1], [0, -1, 0], [0.9, 0, 1.4], build.rotation([0.5, 0.2, 1.0], 35, [0.3, 1.1, 0.2])),
}


def rectangle_corners(place: str) -> tuple[np.ndarray, float]:
    position, normal, size, transform = RECTANGLES[place]
    axes = [axis for axis in range(3) if normal[axis] == 0]
    half = [np.eye(3)[axis] * size[axis] / 2 for axis in axes]
    signs = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    corners = np.array([np.array(position) + s * half[0] + t * half[1] for s, t in signs])
    if transform is not None:
        matrix = np.array(transform)
        corners = corners @ matrix[:3, :3] + matrix[3, :3]
    area = np.linalg.norm(np.cross(corners[1] - corners[0], corners[3] - corners[0]))
    return corners, float(area)


@BOTH
@pytest.mark.parametrize("place", RECTANGLES)
@pytest.mark.parametrize("hide", [False, True], ids=["visible", "hidden"])
def test_direct_light_of_a_rectangle(tracer: Any, place: str, next_event: bool, hide: bool) -> None:
    position, normal, size, transform = RECTANGLES[place]
    corners, area = rectangle_corners(place)
    assert corners[:, 1].min() > 0
    scene = floor_scene(build.grid(position, normal, size, "light", transform), 6.0, hide_lights=hide)
    image = render(tracer, scene, samples=1024, next_event_estimation=next_event)
    irradiance = 6.0 / area * polygon_irradiance(corners, np.zeros(3), np.array([0.0, 1.0, 0.0]))
    for channel, albedo in enumerate((0.8, 0.4, 0.2)):
        assert_mean(image[..., channel], albedo / np.pi * irradiance)


def test_light_sampling_finds_all_that_shines(tracer: Any) -> None:
    # Random lights that may face away, cut the horizon or be small beside others: both estimators must agree. What
    # light sampling leaves out entirely, or counts twice, shows in their difference.
    random = np.random.default_rng(11)
    for trial in range(6):
        scene = floor_scene(build.sphere([0.4, 0.7, 0.3], 0.3, "light"), 3.0, roughness=[1.0, 0.5][trial % 2])
        for number in range(4):
            place = random.uniform([-1, -0.2, -1], [1, 1.0, 1])
            place *= max(1, 0.75 / np.linalg.norm(place))
            turn = build.rotation(random.normal(size=3), random.uniform(0, 180), place)
            size = [random.uniform(0.1, 0.8), 0, random.uniform(0.1, 0.8)]
            scene["materials"][f"l{number}"] = build.material(0, np.eye(3)[number % 3] * random.uniform(1, 10))
            scene["lights"].append(build.grid([0, 0, 0], [0, 1, 0], size, f"l{number}", turn))
        scene["camera"] = build.camera([0.0, 0.05, 4.0], [0, 0, 0], 0.005)
        scene["hide_lights"] = bool(trial // 2 % 2)
        first, second = (
            render(tracer, scene, samples=6144, next_event_estimation=choice).reshape(-1, 3) for choice in (True, False)
        )
        error = np.hypot(first.std(0, ddof=1), second.std(0, ddof=1)) / np.sqrt(len(first))
        assert (error <= 0.05 * second.mean(0) + 1e-6).all()
        assert (np.abs(first.mean(0) - second.mean(0)) <= 5 * error + 1e-6).all(), f"trial {trial}"


@BOTH
def test_a_rectangle_lights_nothing_behind_it(tracer: Any, next_event: bool) -> None:
    light = build.grid([0.2, 1.2, -0.3], [0, 1, 0], [1.5, 0, 0.8], "light")
    assert render(tracer, floor_scene(light, 6.0), next_event_estimation=next_event).max() == 0


@BOTH
@pytest.mark.parametrize("roughness", [0.1, 0.3, 0.6])
def test_glossy_floor_under_a_rectangle(tracer: Any, roughness: float, next_event: bool) -> None:
    # The plain material formula integrated over the rectangle, which stands where the camera's mirror image looks.
    light = build.grid([-1.0, 1.2, -1.4], [0, -1, 0], [1.0, 0, 1.2], "light")
    eye = np.array([1.5, 2.0, 2.0])
    scene = {**floor_scene(light, 6.0, roughness), "camera": build.camera(eye, [0, 0, 0], 0.1)}
    image = render(tracer, scene, samples=2048, next_event_estimation=next_event)
    wo = eye[[0, 2, 1]] / np.linalg.norm(eye)  # local frame: z is the normal

    def density(x: np.ndarray, z: np.ndarray) -> np.ndarray:
        offset = np.stack([x, z, np.full_like(x, 1.2)], -1)
        squared = (offset**2).sum(1)
        wi = offset / np.sqrt(squared)[:, None]
        return reflectance_cosine(wo, wi, 0.8, roughness, 15.0) * wi[:, 2] / squared

    integral = integrate_bins(density, np.linspace(-1.5, -0.5, 17), np.linspace(-2.0, -0.8, 17)).sum()
    assert_mean(image[..., 0], 6.0 / 1.2 * integral, precision=0.02)


@BOTH
def test_several_lights_add_up(tracer: Any, next_event: bool) -> None:
    scene = floor_scene(build.sphere([1.0, 0.8, -0.7], 0.5, "light"), 10.0)
    scene["materials"]["second"] = build.material(0, [0, 4, 0])
    scene["materials"]["third"] = build.material(0, [0, 0, 1])
    scene["lights"] += [
        build.sphere([-1.0, 1.0, 0.5], 0.3, "second"),
        build.grid([0.2, 2.2, -0.3], [0, -1, 0], [1.5, 0, 0.8], "third"),
    ]
    image = render(tracer, scene, samples=2048, next_event_estimation=next_event)
    d1, d2 = np.sqrt(1 + 0.64 + 0.49), 1.5
    first = 10 / (4 * np.pi * d1**2) * 0.8 / d1
    second = 4 / (4 * np.pi * d2**2) * 1.0 / d2
    corners = np.array([[x, 2.2, z] for x, z in ((-0.55, -0.7), (0.95, -0.7), (0.95, 0.1), (-0.55, 0.1))])
    third = polygon_irradiance(corners, np.zeros(3), np.array([0.0, 1.0, 0.0])) / 1.2 / np.pi
    assert_mean(image[..., 0], 0.8 * first, precision=0.02)
    assert_mean(image[..., 1], 0.4 * (first + second), precision=0.02)
    assert_mean(image[..., 2], 0.2 * (first + third), precision=0.02)


@BOTH
def test_light_inside_a_sphere_light(tracer: Any, next_event: bool) -> None:
    # A sphere emits to both sides: floor and camera lie inside, and the floor receives L from all directions.
    scene = floor_scene(build.sphere([0.3, 0.5, 0.2], 20.0, "light"), 4 * np.pi * 400.0)
    assert_mean(render(tracer, scene, next_event_estimation=next_event)[..., 0], 0.8)


def test_one_vertex_sees_lights_but_reflects_nothing(tracer: Any) -> None:
    light = build.sphere([0.0, 1.5, 0.0], 0.4, "light")
    assert render(tracer, floor_scene(light, 10.0, bounces=1)).max() == 0


def test_lights_seen_directly_show_their_radiance(tracer: Any) -> None:
    radius, width, height = 0.5, 2.0, 0.5
    materials = {"sphere": build.material(0, [3.0, 6.0, 9.0]), "grid": build.material(0, 4.0)}
    lights = [
        build.sphere([0, 0, 0], radius, "sphere"),
        build.grid([5, 0, 0], [0, 0, 1], [width, height, 0], "grid"),
    ]
    at_sphere = build.scene(build.camera([0, 0, 3], [0, 0, 0], 1.0), materials, lights)
    image = render(tracer, at_sphere, samples=4)
    np.testing.assert_allclose(
        image, np.broadcast_to(np.array([3, 6, 9]) / (4 * np.pi * radius**2), image.shape), rtol=1e-5
    )
    at_grid = build.scene(build.camera([5, 0, 3], [5, 0, 0], 1.0), materials, lights)
    np.testing.assert_allclose(render(tracer, at_grid, samples=4), 4.0 / (width * height), rtol=1e-5)
    behind_grid = build.scene(build.camera([5, 0, -3], [5, 0, 0], 1.0), materials, lights)
    assert render(tracer, behind_grid, samples=4).max() == 0


def test_the_drawn_rectangle_has_its_full_size(tracer: Any) -> None:
    # A light of 2 x 1 metres seen from 10 metres above: the share of the image that it covers.
    light = build.grid([0, 0, 0], [0, 1, 0], [2, 0, 1], "light")
    view = build.camera([0, 10, 0], [0, 0, 0], 20.0)
    scene = build.scene(view, {"light": build.material(0, 2.0)}, [light])
    image = render(tracer, scene, size=32, samples=64)
    extent = 2 * 10 * np.tan(np.radians(10))
    assert image[..., 0].mean() == pytest.approx(2.0 / extent**2, rel=0.01)


@BOTH
@pytest.mark.parametrize("hide", [False, True], ids=["visible", "hidden"])
def test_indirect_light_in_a_hollow_sphere(tracer: Any, next_event: bool, hide: bool) -> None:
    # A small sphere light at the center of a diffuse hollow sphere of radius R lights all of it evenly, and each
    # further bounce carries the albedo's share of that evenly around. A visible light, black itself, catches (r/R)^2
    # of what leaves the wall each time; a hidden one catches nothing.
    radius, inner, albedo = 2.0, 0.5, 0.5
    materials = {"wall": build.material(albedo), "light": build.material(0, 10.0)}
    shell = build.sphere([0, 0, 0], radius, "wall")
    light = build.sphere([0, 0, 0], inner, "light")
    view = build.camera([0, 1.0, 0.0], [0.5, 1.5, 1.0], 20.0)
    direct = albedo * 10.0 / (4 * np.pi * radius**2)
    kept = albedo * (1 if hide else 1 - (inner / radius) ** 2)
    for bounces in (2, 3, 5):
        scene = build.scene(view, materials, [light], [shell], bounces, hide_lights=hide)
        image = render(tracer, scene, samples=1024, next_event_estimation=next_event)
        expected = direct * sum(kept**order for order in range(bounces - 1))
        assert_mean(image[..., 0], expected)
