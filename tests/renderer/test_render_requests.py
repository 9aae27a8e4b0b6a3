"""Cameras and poses, threads of Python, interruption, and lights that cannot be sampled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scene_building as build

from cnsr import rendering
from cnsr.errors import SceneError

CODE = Path(rendering.__file__).parent.parent


def markers() -> dict:
    """Five small balls around the origin: the image shows which way is up and right."""
    materials = {f"m{n}": build.material(id=n) for n in range(5)}
    places = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]]
    balls = [build.sphere(place, 0.2, f"m{n}") for n, place in enumerate(places)]
    return build.scene(build.camera([0, 0, 5], [0, 0, 0], 40.0), materials, [], balls, 1)


def test_up_is_up_and_right_is_right(tracer: Any) -> None:
    # A camera on +z that looks to -z sees +x at the right and +y at the top, which is row 0.
    view = tracer.render(markers(), size=33, samples=16, buffers=("id", "depth"))
    label = np.rint(view.buffers["id"][..., 0] * 5).astype(int)
    reach = round(1 / (5 * np.tan(np.radians(20))) * 16.5)
    assert label[16, 16 + reach] == 1
    assert label[16 - reach, 16] == 2
    assert label[16, 16 - reach] == 3
    assert label[16 + reach, 16] == 4
    assert view.buffers["depth"][16, 16, 0] == pytest.approx(4.8, abs=0.01)


@pytest.mark.parametrize("position", [(0.0, 0.0, 5.0), (3.0, 1.0, -2.0), (-0.5, 4.0, 0.1)])
def test_view_matrix_and_pose(tracer: Any, position: tuple[float, float, float]) -> None:
    target = (0.2, 0.5, -0.3)
    view = tracer.render(markers(), size=2, samples=1, camera=(position, target))
    matrix = np.asarray(view.view_matrix, np.float64)
    assert matrix.shape == (4, 4)
    np.testing.assert_allclose(matrix @ [*position, 1], [0, 0, 0, 1], atol=1e-5)
    distance = np.linalg.norm(np.subtract(target, position))
    np.testing.assert_allclose(matrix @ [*target, 1], [0, 0, -distance, 1], atol=1e-5)
    np.testing.assert_allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-6)
    assert np.linalg.det(matrix[:3, :3]) == pytest.approx(1, abs=1e-6)
    assert matrix[1, 1] > 0  # up stays up
    assert matrix[0, 1] == pytest.approx(0, abs=1e-6)  # the side is level
    np.testing.assert_array_equal(matrix[3], [0, 0, 0, 1])
    # The pose: column by column (side.x, up.x, -forward.x, 0, ...), translation last.
    pose = np.asarray(view.pose)
    assert pose.shape == (16,)
    np.testing.assert_array_equal(pose, np.asarray(view.view_matrix).T.ravel())
    forward = np.subtract(target, position) / distance
    np.testing.assert_allclose(pose[[2, 6, 10]], -forward, atol=1e-6)
    assert pose[15] == 1


@pytest.mark.parametrize("fov", [10.0, 75.0, 150.0])
def test_field_of_view_is_vertical_and_exact(tracer: Any, fov: float) -> None:
    # On a wall at distance 2 the image covers 4 tan(fov / 2); pixel centers are means of their positions.
    wall = build.grid([0, 0, 0], [0, 0, 1], [1000, 1000, 0], "m")
    scene = build.scene(build.camera([0, 0, 2], [0, 0, 0], fov), {"m": build.material()}, [], [wall], 1)
    position = tracer.render(scene, size=5, samples=1024, buffers=("position",)).buffers["position"]
    extent = 4 * np.tan(np.radians(fov / 2))
    centers = ((np.arange(5) + 0.5) / 5 - 0.5) * extent
    np.testing.assert_allclose(position[2, :, 0], centers, atol=1e-3 * extent)
    np.testing.assert_allclose(position[:, 2, 1], -centers, atol=1e-3 * extent)


def test_near_and_far_planes_cut_what_the_camera_sees(tracer: Any) -> None:
    scene = markers()
    for near, far, seen in ((4.0, 6.0, 4.8), (4.9, 6.0, 5.2), (4.9, 5.1, 0.0), (0.01, 4.7, 0.0)):
        scene["camera"].update(near=near, far=far, fov=0.1)
        depth = tracer.render(scene, size=2, samples=4, buffers=("depth",)).buffers["depth"]
        np.testing.assert_allclose(depth, seen, atol=1e-3)


def test_other_python_threads_run_while_rendering() -> None:
    # Were the interpreter's lock held, the second thread could not count until the rendering is over.
    tracer = rendering.PathTracer(device="cpu", threads=1)
    scene = tracer.load_scene(build.small_room())
    stop = threading.Event()
    ticks = 0

    def count() -> None:
        nonlocal ticks
        while not stop.wait(0.001):
            ticks += 1

    thread = threading.Thread(target=count)
    thread.start()
    try:
        before = ticks
        tracer.render(scene, size=64, samples=64)
        during = ticks - before
    finally:
        stop.set()
        thread.join()
    assert during >= 3


def test_two_python_threads_may_render_at_once() -> None:
    tracer = rendering.PathTracer(device="cpu", threads=1)
    scene = build.small_room()
    expected = tracer.render(scene, size=16, samples=4).buffers["beauty"]
    images: list[np.ndarray] = []

    def work() -> None:
        for _ in range(4):
            images.append(tracer.render(scene, size=16, samples=4).buffers["beauty"])

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(images) == 12
    assert all(np.array_equal(image, expected) for image in images)


INTERRUPTED = """
import json, sys
from cnsr import rendering
tracer = rendering.PathTracer(threads=1)
scene = tracer.load_scene(json.load(open(sys.argv[1])))
try:
    print("ready", flush=True)
    tracer.render(scene, size=512, samples=100_000)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_ctrl_c_interrupts(tmp_path: Path) -> None:
    path = tmp_path / "scene.json"
    path.write_text(json.dumps(build.small_room()))
    environment = {**os.environ, "PYTHONPATH": str(CODE)}
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(path)], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=120)  # the rendering itself would take an hour
    finally:
        process.kill()
    assert output == "interrupted\n"
    assert process.returncode == 0


def test_lights_need_an_area_and_a_shape_to_be_sampled(tracer: Any, tmp_path: Path) -> None:
    (tmp_path / "a.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    lights = {
        "area": build.grid([0, 1, -2], [0, 0, 1], [1, 0, 0], "light"),
        "mesh": build.mesh("a.obj", "light"),
        "stretched": build.sphere([0, 1, -2], 0.1, "light", np.diag([1, 2, 1, 1])),
    }
    for hint, light in lights.items():
        path = tmp_path / "scene.json"
        path.write_text(json.dumps({**build.small_room(), "lights": [light]}))
        with pytest.raises(SceneError, match=hint) as caught:
            tracer.load_scene(path)
        assert "lights[0]" in str(caught.value)
        assert "scene.json" in str(caught.value)
        assert "\n" not in str(caught.value)
