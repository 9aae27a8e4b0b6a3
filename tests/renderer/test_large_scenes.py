"""Many lights, objects, triangles and pixels: the same pictures as of simple scenes that look alike."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scene_building as build

from cnsr import rendering
from cnsr.rendering import PathTracer
from cnsr.scenes.description import load_scene

GEOMETRY = ("position", "normal", "depth", "id", "albedo", "roughness")
Json = dict[str, Any]


def room_with(lights: list[Json], emission: float, hide: bool) -> Json:
    scene = build.small_room(hide_lights=hide)
    scene["materials"]["light"]["emission"] = [emission] * 3
    scene["lights"] = lights
    return scene


def tiles(count: int, size: float, height: float, material: str) -> list[Json]:
    """A square that faces down, as count x count grids."""
    edge = size / count
    middles = (np.arange(count) + 0.5) * edge - size / 2
    return [build.grid([x, height, z], [0, -1, 0], [edge, 0, edge], material) for x in middles for z in middles]


def test_a_room_without_lights_is_black(tracer: Any) -> None:
    view = tracer.render(room_with([], 35.0, True), 16, 4, buffers=("beauty", "shadows", "ao", "depth"))
    assert view.buffers["beauty"].max() == 0
    assert view.buffers["depth"].min() > 0
    assert view.buffers["ao"].max() > 0


@pytest.mark.parametrize("hide", [False, True])
def test_a_hundred_lights_shine_like_the_one_that_they_tile(tracer: Any, hide: bool) -> None:
    # Emission is spread over the area, so that each tile takes a hundredth of it to have the same radiance.
    buffers, count = ("beauty", "direct", "shadows"), 24
    one = room_with(tiles(1, 1.5, 2.2, "light"), 35.0, hide)
    many = room_with(tiles(10, 1.5, 2.2, "light"), 0.35, hide)
    means = []
    for scene in (one, many):
        loaded = tracer.load_scene(scene)
        views = tracer.render_views([loaded] * count, 12, 8, list(range(count)), buffers)
        means.append({name: np.array([view.buffers[name].mean() for view in views]) for name in buffers})
    for name in buffers:
        first, second = means[0][name], means[1][name]
        error = np.hypot(first.std(ddof=1), second.std(ddof=1)) / count**0.5
        assert error < 0.02 * first.mean(), "too noisy to test anything"
        assert abs(first.mean() - second.mean()) < 4 * error + 1e-6, name


def flat_patch(path: Path, cells: int) -> None:
    """A square of edge 1 in the plane y = 0 that faces up, of 2 cells^2 triangles."""
    count = cells + 1
    lines = [f"v {x / cells - 0.5:.9f} 0 {z / cells - 0.5:.9f}" for z in range(count) for x in range(count)]
    for z in range(cells):
        for x in range(cells):
            corner = z * count + x + 1
            lines.append(f"f {corner} {corner + count} {corner + count + 1} {corner + 1}")
    path.write_text("\n".join(lines) + "\n")


def floor_scene(floor: list[Json]) -> Json:
    materials = {"floor": build.material(0.6, id=1), "ball": build.material(0.5, roughness=0.2)}
    materials["light"] = build.material(0.0, 60.0, id=2)
    view = build.camera([2.3, 3.1, 4.2], [0, 0, 0], 60.0)
    light = build.sphere([1, 3, 1], 0.3, "light")
    return build.scene(view, materials, [light], [build.sphere([0, 0.8, 0], 0.8, "ball"), *floor], 4)


def floor_tiles(kind: str, count: int) -> list[Json]:
    """A floor of edge 12.5, as count x count objects; all numbers are exact, so that there are no cracks."""
    edge = 12.5 / count
    middles = (np.arange(count) + 0.5) * edge - 6.25
    places = [(x, z) for x in middles for z in middles]
    if kind == "grids":
        return [build.grid([x, 0, z], [0, 1, 0], [edge, 0, edge], "floor") for x, z in places]
    scaled = [[edge, 0, 0, 0], [0, 1, 0, 0], [0, 0, edge, 0]]
    return [build.mesh("patch.obj", "floor", [*scaled, [x, 0, z, 1]]) for x, z in places]


@pytest.mark.parametrize(("kind", "cells"), [("grids", 0), ("small meshes", 1), ("instances", 16)])
def test_ten_thousand_objects_look_like_the_floor_that_they_tile(
    tracer: Any, tmp_path: Path, kind: str, cells: int
) -> None:
    if cells:
        flat_patch(tmp_path / "patch.obj", cells)
    path = tmp_path / "scene.json"
    path.write_text(json.dumps(floor_scene(floor_tiles(kind, 100))))
    assert len(load_scene(path).geometry) == 10_001
    buffers = ("beauty", "shadows", "ao", *GEOMETRY)
    many = tracer.render(path, 24, 16, buffers=buffers).buffers
    one = tracer.render(floor_scene(floor_tiles("grids", 1)), 24, 16, buffers=buffers).buffers
    for name in GEOMETRY:
        np.testing.assert_allclose(many[name], one[name], atol=2e-4, err_msg=name)
    # The same random numbers, but here and there a ray that slips past an edge or rounds the other way.
    for name in ("beauty", "shadows", "ao"):
        assert np.median(np.abs(many[name] - one[name])) < 1e-4, name
        assert many[name].mean() == pytest.approx(one[name].mean(), rel=0.01), name


def test_thousands_of_wrong_names_are_told_at_once(tmp_path: Path) -> None:
    # Searching the name that was meant among all others, for each, would take minutes.
    scene = build.small_room()
    scene["materials"] |= {f"material{number}": build.material() for number in range(5000)}
    scene["geometry"] += [build.sphere([0, 0, 0], 1, f"metarial{number}") for number in range(5000)]
    path = tmp_path / "scene.json"
    path.write_text(json.dumps(scene))
    with pytest.raises(rendering.SceneError) as caught:
        load_scene(path)
    message = str(caught.value)
    assert 'geometry[8].material (line 1): unknown material "metarial0"; did you mean "material0"?' in message
    assert message.endswith("; and 4950 more")


def uv_sphere_obj(path: Path, rings: int) -> None:
    """A unit sphere of 4 rings^2 triangles, with its normals."""
    ring, step = np.meshgrid(np.arange(rings + 1), np.arange(2 * rings), indexing="ij")
    polar, azimuth = np.pi * ring / rings, np.pi * step / rings
    points = np.stack([np.sin(polar) * np.cos(azimuth), np.cos(polar), np.sin(polar) * np.sin(azimuth)], -1)
    rows = points.reshape(-1, 3).tolist()
    lines = [f"{keyword} {x:.9f} {y:.9f} {z:.9f}" for keyword in ("v", "vn") for x, y, z in rows]
    a = 2 * rings * ring[:-1] + step[:-1] + 1
    b = 2 * rings * ring[:-1] + (step[:-1] + 1) % (2 * rings) + 1
    for p, q in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True):
        r, s = p + 2 * rings, q + 2 * rings
        lines += [f"f {p}//{p} {q}//{q} {r}//{r}", f"f {q}//{q} {s}//{s} {r}//{r}"]
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.slow
def test_a_million_triangles_look_like_the_sphere_that_they_sample(tracer: Any, tmp_path: Path) -> None:
    uv_sphere_obj(tmp_path / "ball.obj", 500)
    exact = build.small_room()
    sampled = build.small_room()
    exact["geometry"][6] = build.sphere([0.8, 0, 0.3], 0.5, "glossy")
    place = [[0.5, 0, 0, 0], [0, 0.5, 0, 0], [0, 0, 0.5, 0], [0.8, 0, 0.3, 1]]
    sampled["geometry"][6] = build.mesh("ball.obj", "glossy", place)
    path = tmp_path / "scene.json"
    path.write_text(json.dumps(sampled))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    loaded = tracer.load_scene(path)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert used < 2 * 2**20, "more than 2 GiB (in KiB)"
    buffers = ("beauty", *GEOMETRY, "shadows", "ao")
    mesh = tracer.render(loaded, 48, 16, buffers=buffers).buffers
    sphere = tracer.render(exact, 48, 16, buffers=buffers).buffers
    assert (np.abs(sphere["id"] - 2 / 5) < 1e-6).mean() > 0.02, "the ball is in view"
    for name in GEOMETRY:
        # A sample in a thousand may pass the silhouette on the other side.
        difference = np.abs(mesh[name] - sphere[name]).max(axis=-1)
        assert np.quantile(difference, 0.999) < 0.2, name
        assert np.median(difference) < 1e-5, name
    for name in ("beauty", "shadows", "ao"):
        assert mesh[name].mean() == pytest.approx(sphere[name].mean(), rel=0.02), name


@pytest.mark.slow
def test_a_picture_of_4096_pixels_is_the_same_for_any_tiling_and_shows_what_a_small_one_does() -> None:
    scene = build.small_room()
    buffers = ("beauty", "position", "depth")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    large = PathTracer(threads=2).render(scene, 4096, 1, buffers=buffers)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    images = sum(image.nbytes for image in large.buffers.values()) // 1024
    assert used < 1.25 * images + 50_000, f"{used} KiB for images of {images} KiB"
    again = PathTracer(threads=3).render(scene, 4096, 1, buffers=buffers)
    for name in buffers:
        assert np.array_equal(large.buffers[name], again.buffers[name]), name
    small = PathTracer(threads=2).render(scene, 64, 256, buffers=buffers)
    for name in ("position", "depth"):
        blocks = large.buffers[name].reshape(64, 64, 64, 64, -1).mean(axis=(1, 3))
        assert np.median(np.abs(blocks - small.buffers[name])) < 1e-3, name
    assert large.buffers["beauty"].mean() == pytest.approx(small.buffers["beauty"].mean(), rel=0.01)
