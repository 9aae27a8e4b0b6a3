from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnsr.datasets import exr
from cnsr.rendering import PathTracer

CODE = Path(__file__).parents[2] / "code"
SCRIPT = CODE / "generate-dataset.py"

# Kills itself, as kill -9 would, when the second batch lies in its temporary file but not yet under its name.
KILLED = """
import os, runpy, signal, sys
from cnsr.datasets import exr
checked, written = exr.part_count, []
def check(path):
    written.append(path)
    if len(written) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return checked(path)
exr.part_count = check
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture
def arguments(tmp_path: Path, rendering: Any) -> list[str]:
    """Four batches of scene files, and the script's arguments to render them."""
    rendering(batches=4)
    options = {"config": "config.json", "in_folder": "json/train", "out_folder": "out"}
    return [text for name, value in options.items() for text in (f"--{name}", str(tmp_path / value))]


def _run(arguments: list[str], *before: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *before, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(CODE)})


def _hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_what_is_rendered_is_what_the_tracer_returns(tmp_path: Path, arguments: list[str]) -> None:
    done = _run(arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("16 views rendered in ")
    assert done.stdout.endswith("4 batches written, 0 already there\n")
    path = tmp_path / "out" / "batch000000002.exr"
    batch, (_, origin) = exr.read_batch(path), exr.read_header(path)
    scene = tmp_path / "json" / "train" / "batch000000002" / "scene0001" / "view000.json"
    view = PathTracer(threads=1).render(scene, 8, 2, origin.seeds[1][0], buffers=("beauty", "position"))
    for name, pixels in view.buffers.items():
        np.testing.assert_array_equal(np.moveaxis(batch.passes[name][1, 0], 0, -1), pixels.astype(np.float16))
    np.testing.assert_array_equal(batch.poses[1, 0], view.pose.astype(np.float32))
    assert batch.factor == int((scene.parents[1] / "factor.txt").read_text())
    description = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert (description["seed"], description["batches"], description["views_per_scene"]) == (5, 4, 2)


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(tmp_path: Path, arguments: list[str]) -> None:
    assert _run(arguments, "-c", KILLED).returncode == -signal.SIGKILL
    left = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert [name for name in left if not name.startswith(".")] == ["batch000000000.exr", "dataset.json"]
    assert [name for name in left if name.startswith(".batch000000001.")]
    again = _run(arguments)
    assert again.returncode == 0
    assert again.stdout.endswith("3 batches written, 1 already there\n")
    unbroken = _run([*arguments, "--out_folder", str(tmp_path / "unbroken"), "--threads", "1"])
    assert unbroken.returncode == 0
    assert _hashes(tmp_path / "out") == _hashes(tmp_path / "unbroken")


def test_views_are_rendered_to_a_target_error(tmp_path: Path, arguments: list[str]) -> None:
    adaptive = [*arguments, "--target_error", "0.4", "--max_samples", "12"]
    done = _run(adaptive)
    assert (done.returncode, done.stderr) == (0, "")
    assert " samples a pixel on average; " in done.stdout
    assert done.stdout.endswith(" views went to the limit of samples\n")
    files = sorted((tmp_path / "out").glob("*.exr"))
    origins = [exr.read_header(file)[1] for file in files]
    taken = {samples for origin in origins for scene in origin.samples for samples in scene}
    assert taken <= {2, 4, 8, 12}
    assert len(taken) > 1
    scene = tmp_path / "json" / "train" / "batch000000002" / "scene0001" / "view000.json"
    samples, seed = origins[2].samples[1][0], origins[2].seeds[1][0]
    view = PathTracer(threads=1).render(scene, 8, samples, seed, buffers=("beauty",))
    stored = exr.read_batch(files[2]).passes["beauty"][1, 0]
    np.testing.assert_array_equal(np.moveaxis(stored, 0, -1), view.buffers["beauty"].astype(np.float16))
    again = _run([*adaptive, "--out_folder", str(tmp_path / "again"), "--threads", "1"])
    assert again.returncode == 0
    assert _hashes(tmp_path / "out") == _hashes(tmp_path / "again")
    other = _run([*arguments, "--target_error", "0.4", "--max_samples", "16"])
    assert other.returncode == 1
    assert "max_samples is 12 there, now 16" in other.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--target_error", "0"], "--target_error must be a number larger than 0"),
        (["--target_error", "nan"], "--target_error must be a number larger than 0"),
        (["--max_samples", "64"], "--max_samples is only of use together with --target_error"),
        (
            ["--target_error", "0.1", "--max_samples", "1"],
            "expected at least the config's samples_per_pixel, 2, found 1",
        ),
    ],
)
def test_wrong_targets_are_refused(tmp_path: Path, arguments: list[str], options: list[str], message: str) -> None:
    done = _run([*arguments, *options])
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_broken_scenes_are_named_and_the_others_rendered(tmp_path: Path, arguments: list[str]) -> None:
    batches = tmp_path / "json" / "train"
    syntax = batches / "batch000000001" / "scene0000" / "view001.json"
    syntax.write_text('{"seed": 1,\n "bounces": }')
    mesh = batches / "batch000000003" / "scene0001" / "view000.json"
    scene = json.loads(mesh.read_text())
    wall = scene["geometry"][0]["material"]
    identity = [[float(row == column) for column in range(4)] for row in range(4)]
    scene["geometry"].append({"type": "file", "filename": "missing.obj", "material": wall, "transform": identity})
    mesh.write_text(json.dumps(scene))
    done = _run(arguments)
    assert done.returncode == 1
    first, second = done.stderr.splitlines()
    assert first.startswith(f"left out: {syntax}:2:")
    assert second.startswith(f"left out: {mesh}: geometry[{len(scene['geometry']) - 1}].filename: ")
    assert "missing.obj" in second
    assert done.stdout.endswith("2 batches written, 0 already there; 2 left out, since their scene files are broken\n")
    assert sorted(_hashes(tmp_path / "out")) == ["batch000000000.exr", "batch000000002.exr", "dataset.json"]


def _no_config(folder: Path, arguments: list[str]) -> None:
    arguments[1] = str(folder / "none.json")


def _no_scenes(folder: Path, arguments: list[str]) -> None:
    arguments[3] = str(folder / "json")


def _no_folder(folder: Path, arguments: list[str]) -> None:
    (folder / "out").write_text("in the way")


def _no_device(_: Path, arguments: list[str]) -> None:
    arguments += ["--device", "toaster"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_no_config, "none.json: no such config"),
        (_no_scenes, "did you mean"),
        (_no_folder, "a file of that name is in the way"),
        (_no_device, 'unknown device "toaster"'),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path, arguments: list[str], spoil: Callable[[Path, list[str]], None], message: str
) -> None:
    spoil(tmp_path, arguments)
    done = _run(arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line


def test_a_full_disk_is_one_line_and_leaves_no_half_files(tmp_path: Path, arguments: list[str]) -> None:
    """The system refuses files beyond a size as it refuses them on a full disk."""
    limited = "import resource, runpy, signal, sys\n"
    limited += "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    limited += "resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))\n"
    limited += "sys.argv = sys.argv[1:]\nrunpy.run_path(sys.argv[0], run_name='__main__')\n"
    # -B: under the limit Python would leave cut-off bytecode, over which every later process stumbles.
    done = _run(arguments, "-B", "-c", limited)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: cannot write {tmp_path / 'out' / 'batch000000000.exr'}: ")
    assert sorted(_hashes(tmp_path / "out")) == ["dataset.json"]
    assert _run(arguments).returncode == 0


def test_an_interrupt_ends_cleanly(tmp_path: Path, arguments: list[str]) -> None:
    config = json.loads((tmp_path / "config.json").read_text())
    config["samples_per_pixel"] = 2**28  # without the interrupt it would take days
    (tmp_path / "config.json").write_text(json.dumps(config))
    command = [sys.executable, str(SCRIPT), *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={"PYTHONPATH": str(CODE)}) as process:
        while not (tmp_path / "out" / "dataset.json").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "interrupted\n")
    assert sorted(_hashes(tmp_path / "out")) == ["dataset.json"]


def test_help_needs_neither_torch_nor_the_renderer() -> None:
    program = (
        f"import runpy, sys\nsys.argv = ['x', '--help']\ntry: runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
    )
    program += "finally: print([name for name in ('torch', 'OpenEXR', 'numpy', 'pydantic') if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env={"PYTHONPATH": str(CODE)}
    )
    assert done.returncode == 0
    assert "--in_folder" in done.stdout
    assert done.stdout.endswith("[]\n")
