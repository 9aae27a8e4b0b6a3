"""The Python face of the renderer: shapes, requests, errors, sharing."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnsr import rendering
from cnsr.buffers import BUFFERS
from cnsr.errors import RenderError, SceneError
from cnsr.scenes.camera import pose_from_view_matrix, view_matrix
from cnsr.scenes.description import parse_scene

CODE = Path(__file__).resolve().parents[2] / "code"
IDENTITY = np.eye(4).tolist()


def material(**changes: Any) -> dict[str, Any]:
    return {"color": [0.5, 0.6, 0.7], "emission": [0.0] * 3, "roughness": 1.0, "id": 0, **changes}


def scene(*geometry: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A floor under a sphere light, and what else is given."""
    floor = {"type": "grid", "transform": IDENTITY, "material": "floor", "position": [0.0, 0.0, 0.0],
             "normal": [0.0, 1.0, 0.0], "size": [4.0, 0.0, 4.0]}  # fmt: skip
    light = {"type": "sphere", "transform": IDENTITY, "material": "light", "position": [0.3, 2.0, 0.2], "radius": 0.2}
    return {
        "seed": 3,
        "bounces": 3,
        "hide_lights": True,
        "camera": {"position": [0.0, 1.5, 3.0], "lookat": [0.0, 0.3, 0.0], "fov": 60.0, "near": 0.01, "far": 100.0},
        "materials": {"floor": material(), "light": material(emission=[30.0] * 3, id=1), "thing": material(id=2)},
        "lights": [light],
        "geometry": [floor, *geometry],
        **changes,
    }


def mesh(filename: str, **changes: Any) -> dict[str, Any]:
    return {"type": "file", "transform": IDENTITY, "material": "thing", "filename": filename, **changes}


def moved(x: float, y: float = 0.0, z: float = 0.0) -> list[list[float]]:
    matrix = np.eye(4)
    matrix[3, :3] = x, y, z
    return matrix.tolist()


def write_pyramid(path: Path, height: float = 1.0) -> None:
    corners = "v -0.4 0 -0.4\nv 0.4 0 -0.4\nv 0.4 0 0.4\nv -0.4 0 0.4\n"
    path.write_text(f"{corners}v 0 {height} 0\nf 4 3 5\nf 3 2 5\nf 2 1 5\nf 1 4 5\n")


def write_bowl(path: Path, cells: int) -> None:
    """A bent sheet, tilted towards the camera, of 2 * cells^2 triangles: more than are copied into a scene."""
    steps = np.linspace(-0.5, 0.5, cells + 1)
    lines = [f"v {0.8 * x:.6f} {0.5 - 0.5 * z + 0.3 * x * x:.6f} {z:.6f}" for z in steps for x in steps]
    for row in range(cells):
        for column in range(cells):
            a = row * (cells + 1) + column + 1
            lines.append(f"f {a} {a + cells + 1} {a + cells + 2} {a + 1}")
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def tracer() -> rendering.PathTracer:
    return rendering.PathTracer(threads=1)


def test_the_native_module_has_the_buffers_of_the_table(tracer: rendering.PathTracer) -> None:
    from cnsr import _native

    assert tuple(BUFFERS) == _native.BUFFER_NAMES
    view = tracer.render(scene(), size=6, samples=2, buffers=tuple(BUFFERS))
    assert list(view.buffers) == list(BUFFERS)
    for name, image in view.buffers.items():
        assert image.shape == (6, 6, BUFFERS[name].channels)
        assert image.dtype == np.float32
        assert image.flags.c_contiguous
        assert image.flags.writeable


def test_a_view_tells_its_camera(tracer: rendering.PathTracer) -> None:
    view = tracer.render(scene(), size=2, samples=1)
    expected = view_matrix([0.0, 1.5, 3.0], [0.0, 0.3, 0.0])
    np.testing.assert_array_equal(view.view_matrix, expected)
    np.testing.assert_array_equal(view.pose, pose_from_view_matrix(expected))
    assert view.pose.shape == (16,)
    assert (view.samples, view.dropped) == (1, 0)


def test_all_kinds_of_scenes_load_alike(tracer: rendering.PathTracer, tmp_path: Path) -> None:
    path = tmp_path / "view.json"
    path.write_text(json.dumps(scene()))
    kinds = [path, str(path), scene(), parse_scene(scene()), tracer.load_scene(scene())]
    images = [tracer.render(kind, size=6, samples=2).buffers["beauty"] for kind in kinds]
    for image in images[1:]:
        np.testing.assert_array_equal(image, images[0])
    assert images[0].max() > 0
    assert "native" not in repr(tracer.load_scene(scene()))


def test_scenes_that_show_nothing_are_not_one_scene(tracer: rendering.PathTracer, tmp_path: Path) -> None:
    # Of lights alone: their geometry is the same, nothing.
    for name, bounces in (("one", 2), ("other", 3)):
        (tmp_path / f"{name}.json").write_text(json.dumps(scene(bounces=bounces) | {"geometry": []}))
    first = tracer.load_scene(tmp_path / "one.json")
    assert tracer.load_scene(tmp_path / "other.json", first).native is not first.native


def test_views_of_one_scene_share_what_was_built_of_it(tracer: rendering.PathTracer, tmp_path: Path) -> None:
    paths = []
    for number, position in enumerate([(0, 1, 2.5), (1, 1, 2.5)]):
        described = scene()
        described["camera"] = described["camera"] | {"position": list(position)}
        paths.append(tmp_path / f"view{number:03}.json")
        paths[-1].write_text(json.dumps(described))
    first = tracer.load_scene(paths[0])
    second = tracer.load_scene(paths[1], first)
    assert second.native is first.native
    assert second.source == str(paths[1])
    images = [tracer.render(loaded, size=8, samples=4).buffers["beauty"] for loaded in (second, paths[1], first)]
    np.testing.assert_array_equal(images[0], images[1])
    assert (images[0] != images[2]).any()
    (tmp_path / "other.json").write_text(json.dumps(scene(bounces=2)))
    assert tracer.load_scene(tmp_path / "other.json", first).native is not first.native


@pytest.mark.parametrize("threads", [1, 3])
def test_render_views_equals_render(threads: int) -> None:
    tracer = rendering.PathTracer(threads=threads)
    scenes = [scene(bounces=bounces) for bounces in (2, 3, 4, 3)]
    cameras = [None, rendering.Camera([1.0, 1.0, 2.0], [0.0, 0.0, 0.0]), None, ([0.0, 3.0, 0.1], [0.0, 0.0, 0.0])]
    together = tracer.render_views(scenes, 9, 3, seeds=[5, 5, 6, 7], views=[0, 1, 2, 3], cameras=cameras)
    for index, view in enumerate(together):
        alone = tracer.render(scenes[index], 9, 3, (5, 5, 6, 7)[index], index, camera=cameras[index])
        np.testing.assert_array_equal(view.buffers["beauty"], alone.buffers["beauty"])
        np.testing.assert_array_equal(view.view_matrix, alone.view_matrix)
    assert tracer.render_views([], 9, 3) == []


def test_one_seed_stands_for_all(tracer: rendering.PathTracer) -> None:
    first, second = tracer.render_views(iter([scene(), scene()]), 6, 2, seeds=4)
    np.testing.assert_array_equal(first.buffers["beauty"], second.buffers["beauty"])


def test_seed_and_view_change_the_noise_only(tracer: rendering.PathTracer) -> None:
    images = [
        tracer.render(scene(), size=16, samples=64, seed=seed, view=view).buffers["beauty"]
        for seed, view in ((0, 0), (1, 0), (0, 1), (1, 1), (2**32, 0), (-1, 0), (2**64 - 2, 0))
    ]
    for index, image in enumerate(images):
        for other in images[:index]:
            assert not np.array_equal(image, other)
            np.testing.assert_allclose(image.mean(), other.mean(), rtol=0.02)


def test_a_camera_override_is_like_another_camera_in_the_scene(tracer: rendering.PathTracer) -> None:
    position, lookat = [1.0, 2.0, 1.5], [0.2, 0.0, -0.3]
    other = scene()
    other["camera"] = {**other["camera"], "position": position, "lookat": lookat}
    expected = tracer.render(other, size=8, samples=2)
    loaded = tracer.load_scene(scene())
    for camera in ((position, lookat), rendering.Camera(position, lookat), (np.array(position), np.array(lookat))):
        view = tracer.render(loaded, size=8, samples=2, camera=camera)
        np.testing.assert_array_equal(view.buffers["beauty"], expected.buffers["beauty"])
        np.testing.assert_array_equal(view.pose, expected.pose)


@pytest.mark.parametrize("write", [write_pyramid, lambda path: write_bowl(path, 14)], ids=["merged", "instanced"])
def test_scenes_share_meshes_by_content(write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cnsr import _native

    built = []
    make = _native.Mesh
    monkeypatch.setattr(_native, "Mesh", lambda *arguments: built.append(1) or make(*arguments))
    tracer = rendering.PathTracer(threads=1)
    for name in ("one.obj", "copy.obj"):
        write(tmp_path / name)
    path = tmp_path / "view.json"
    things = [mesh("one.obj"), mesh("copy.obj", transform=moved(-1.2)), mesh("one.obj", transform=moved(1.2))]
    path.write_text(json.dumps(scene(*things)))
    first = tracer.render(path, size=16, samples=4, buffers=("beauty", "id"))
    second = tracer.render(path, size=16, samples=4, buffers=("beauty", "id"))
    assert len(built) == 1
    np.testing.assert_array_equal(first.buffers["beauty"], second.buffers["beauty"])
    # Three copies stand side by side in the row of the image that shows the middle of the things.
    row = first.buffers["id"][8, :, 0] > 0.5
    assert np.count_nonzero(np.diff(row.astype(int), prepend=0) == 1) == 3


def test_a_mesh_that_changed_is_read_anew(tmp_path: Path) -> None:
    tracer = rendering.PathTracer(threads=1)
    path = tmp_path / "view.json"
    path.write_text(json.dumps(scene(mesh("thing.obj"))))
    shares = []
    for height in (1.0, 0.25):
        write_pyramid(tmp_path / "thing.obj", height)
        shares.append(tracer.render(path, size=16, samples=1, buffers=["id"]).buffers["id"].mean())
    assert shares[1] < 0.8 * shares[0]


def test_native_copies_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "_CACHE_BYTES", 300)
    tracer = rendering.PathTracer(threads=1)
    images = []
    for index in range(6):
        write_pyramid(tmp_path / f"{index}.obj", 0.2 + 0.1 * index)
        path = tmp_path / f"{index}.json"
        path.write_text(json.dumps(scene(mesh(f"{index}.obj"))))
        loaded = tracer.load_scene(path)
        images.append((loaded, tracer.render(loaded, size=6, samples=1).buffers["beauty"]))
    assert 1 <= len(tracer._meshes._made) < 6
    # Scenes hold what they show, whatever the cache forgot.
    for loaded, image in images:
        np.testing.assert_array_equal(tracer.render(loaded, size=6, samples=1).buffers["beauty"], image)


def test_progress_is_told_and_may_stop(tracer: rendering.PathTracer) -> None:
    shares: list[float] = []
    tracer.render(scene(), size=64, samples=256, progress=shares.append)
    assert shares[-1] == 1.0
    assert shares == sorted(shares)
    assert all(0.0 <= share <= 1.0 for share in shares)

    class StopError(Exception):
        pass

    def stop(_: float) -> None:
        raise StopError

    with pytest.raises(StopError):
        tracer.render(scene(), size=512, samples=2**30, progress=stop)  # would take days
    assert tracer.render(scene(), size=2, samples=1).dropped == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 0}, "size: expected a whole number from 1 to 16384, found 0"),
        ({"size": 2.5}, "size: expected a whole number, found 2.5"),
        ({"samples": 0}, "samples: expected a whole number from 1 to"),
        ({"seed": "now"}, "seed: expected a whole number, found 'now'"),
        ({"view": -1}, "view: expected a whole number from 0"),
        ({"buffers": "beauty"}, "buffers: expected a list of names"),
        ({"buffers": ()}, "buffers: expected at least one name"),
        ({"buffers": ("beauty", "shadow")}, "buffers: there is no 'shadow'; expected some of beauty, position"),
        ({"clamp": 0.0}, "clamp: expected a number larger than 0, or None"),
        ({"clamp": -1.0}, "clamp: expected a number larger than 0, or None"),
        ({"clamp": "none"}, "clamp: expected a number larger than 0, or None"),
        ({"clamp": math.nan}, "clamp: expected a number larger than 0, or None"),
        ({"camera": ([0, 0, 0], [0, 0, 0])}, "camera: expected a position and another point"),
        ({"camera": ([0, 0], [0, 0, 1])}, "camera: expected"),
        ({"camera": ([0, 0, math.inf], [0, 0, 1])}, "camera: expected"),
        ({"camera": 5}, "camera: expected"),
    ],
)
def test_requests_that_make_no_sense_are_named(
    tracer: rendering.PathTracer, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(RenderError) as caught:
        tracer.render(scene(), **{"size": 4, "samples": 1, **changes})
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_numpy_numbers_are_numbers(tracer: rendering.PathTracer) -> None:
    view = tracer.render(scene(), size=np.int64(4), samples=np.uint8(2), seed=np.int32(1))
    expected = tracer.render(scene(), size=4, samples=2, seed=1)
    np.testing.assert_array_equal(view.buffers["beauty"], expected.buffers["beauty"])


def test_lists_must_have_one_item_a_scene(tracer: rendering.PathTracer) -> None:
    with pytest.raises(RenderError, match="seeds: expected one for each of the 2 scenes, found 3"):
        tracer.render_views([scene(), scene()], seeds=[1, 2, 3])
    with pytest.raises(RenderError, match="cameras: expected one for each of the 2 scenes, found 1"):
        tracer.render_views([scene(), scene()], cameras=[None])


def test_devices() -> None:
    with pytest.raises(RenderError, match='device "cuda:0": this version is built without OptiX; use device="cpu"'):
        rendering.PathTracer(device="cuda:0")
    with pytest.raises(RenderError, match='unknown device "tpu"; expected "cpu"'):
        rendering.PathTracer(device="tpu")
    with pytest.raises(RenderError, match="threads: expected a whole number from 0 to 4096, found -2"):
        rendering.PathTracer(threads=-2)


def test_without_the_native_module_the_error_says_how_to_build_it() -> None:
    program = (
        "import sys; sys.modules['cnsr._native'] = None\n"
        "from cnsr import errors, rendering\n"
        "try:\n    rendering.PathTracer()\n"
        "except errors.RenderError as error:\n    print(error)\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(CODE)})
    assert "run `sh build_renderer.sh`" in done.stdout


def stretched(x: float, y: float, z: float) -> list[list[float]]:
    return np.diag([x, y, z, 1.0]).tolist()


def sphere(**changes: Any) -> dict[str, Any]:
    return {"type": "sphere", "transform": IDENTITY, "material": "thing", "position": [0.0, 0.5, 0.0], "radius": 0.5,
            **changes}  # fmt: skip


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (sphere(transform=stretched(1, 2, 1)), "geometry[1].transform: a sphere can be moved, rotated and scaled"),
        (mesh("nowhere.obj"), "geometry[1].filename: there is no file 'nowhere.obj'"),
        (mesh("thing.obj", material="light"), "geometry[1].material: is emissive, but only spheres and grids"),
        (sphere(radius=1e-30, material="light"), "geometry[1]: a light needs an area larger than 0"),
    ],
)
def test_scenes_that_make_no_sense_are_named(
    tracer: rendering.PathTracer, tmp_path: Path, thing: dict[str, Any], message: str
) -> None:
    write_pyramid(tmp_path / "thing.obj")
    path = tmp_path / "view.json"
    path.write_text(json.dumps(scene(thing)))
    with pytest.raises(SceneError) as caught:
        tracer.load_scene(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_a_missing_texture_is_named(tracer: rendering.PathTracer) -> None:
    wrong = scene()
    wrong["materials"]["floor"]["texture"] = "wood.png"
    with pytest.raises(SceneError, match=r"scene: materials\.floor\.texture: there is no file 'wood\.png'"):
        tracer.load_scene(wrong)


def test_views_are_immutable(tracer: rendering.PathTracer) -> None:
    view = tracer.render(scene(), size=2, samples=1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        view.samples = 5  # type: ignore[misc]


def test_recorded_rays_are_those_of_the_render(tracer: rendering.PathTracer) -> None:
    from cnsr import _native

    loaded = tracer.load_scene(scene(bounces=2))
    camera = loaded.description.camera
    order = _native.ViewOrder(
        loaded.native,
        _native.Camera(camera.position, view_matrix(camera.position, camera.lookat), camera.fov, 0.01, 100.0),
        0,
        0,
    )
    quality = _native.Quality(8, 4, ["beauty", "ao"], 25.0, True)
    rays, kinds = _native.record_rays(order, quality)
    assert rays.shape == (len(kinds), 8)
    assert np.count_nonzero(kinds == 0) >= 8 * 8 * 4  # a camera ray for each sample
    assert np.count_nonzero(kinds == 1) > 0
    np.testing.assert_allclose(np.linalg.norm(rays[:, 4:7], axis=1), 1, atol=1e-5)
    seconds, hits = _native.trace_rays(loaded.native, rays, kinds, 1)
    assert seconds > 0
    assert 0 < hits < len(kinds)
    assert _native.trace_rays(loaded.native, rays, kinds, 3)[1] == hits
