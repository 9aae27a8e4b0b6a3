"""render-scene.py as a person uses it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnsr.datasets import exr
from cnsr.scenes.datasets import randomizer
from cnsr.scenes.randomizer import draw_batch

CODE = Path(__file__).parents[2] / "code"
TURNTABLE = ["--dataset", "room", "--size", "32", "--samples", "64", "--turntable", "10", "--out", "a.mp4"]
SMALL = ["--dataset", "room", "--size", "8", "--samples", "2"]


def start(folder, *options):
    return subprocess.Popen(
        [sys.executable, str(CODE / "render-scene.py"), *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(CODE)},
        start_new_session=True,
    )


def run(folder, *options):
    process = start(folder, *options)
    output, errors = process.communicate(timeout=120)
    return process.returncode, output, errors


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_random_room_becomes_a_picture_and_an_exr_file_of_all_buffers(tmp_path):
    status, output, errors = run(tmp_path, *SMALL, "--seed", "3")
    assert (status, errors) == (0, "")
    assert re.fullmatch(r"room_seed3\.png, room_seed3\.exr: 2 samples a pixel in [\d.]+ s\n", output)
    assert np.asarray(Image.open(tmp_path / "room_seed3.png")).shape == (8, 8, 3)
    stored = exr.read_batch(tmp_path / "room_seed3.exr")
    assert len(stored.passes) == 16
    assert run(tmp_path, *SMALL, "--seed", "3")[:2] == (0, "room_seed3.png, room_seed3.exr: there already\n")


def test_a_scene_file_is_shown_as_it_is_told(tmp_path):
    drawn = draw_batch(randomizer("room"), 1, "train", 0, 1, 1, partitioned=False).scenes[0]
    (tmp_path / "my.json").write_text(drawn.json(0))
    options = ["--size", "9", "--samples", "2", "--buffers", "depth,normal", "--exposure", "-1", "--precision", "half"]
    status, _, errors = run(tmp_path, "my.json", *options, "--out", "a/b.png", "--out", "a/c.exr")
    assert (status, errors) == (0, "")
    assert files(tmp_path / "a") == ["b_depth.png", "b_normal.png", "c.exr"]
    stored = exr.read_batch(tmp_path / "a" / "c.exr")
    assert {name: pixels.shape for name, pixels in stored.passes.items()} == {
        "normal": (1, 1, 3, 9, 9),
        "depth": (1, 1, 1, 9, 9),
    }
    assert stored.passes["depth"].dtype == np.float16


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """The bytes of a video that was made without interruption."""
    folder = tmp_path_factory.mktemp("unbroken")
    status, output, _ = run(folder, *TURNTABLE)
    assert (status, files(folder)) == (0, ["a.mp4"])
    assert output.startswith("a.mp4: 64 samples a pixel in ")
    return (folder / "a.mp4").read_bytes()


@pytest.mark.parametrize(
    ("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_stopped_turntable_goes_on_and_ends_with_the_same_bytes(tmp_path, unbroken, number, expected):
    process = start(tmp_path, *TURNTABLE, "--threads", "1")
    end = time.monotonic() + 60
    while len(list((tmp_path / "a.mp4.frames").glob("frame_*.png"))) < 2:
        assert time.monotonic() < end
        time.sleep(0.002)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == expected
    assert "Traceback" not in errors
    assert files(tmp_path) == ["a.mp4.frames"]
    assert run(tmp_path, *TURNTABLE)[0] == 0
    assert files(tmp_path) == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_bytes() == unbroken


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["gone.json"], "gone.json: there is no such scene file"),
        (["."], ".: is a folder; expected a scene file"),
        (["notes.txt"], "notes.txt:1:1: "),
        (["--dataset", "rome"], "dataset: this version cannot draw scenes of 'rome'; it draws room, "),
        (["--dataset", "room", "--size", "0"], "size: expected a whole number from 1 to 16384, found 0"),
        (["--dataset", "room", "--samples", "0"], "samples: expected a whole number from 1 to "),
        (["--dataset", "room", "--buffers", "beaty"], 'buffers: unknown buffer "beaty"; did you mean "beauty"?'),
        (["--dataset", "room", "--out", "notes.txt"], "notes.txt: there are no pictures of type '.txt'; expected .png"),
        (
            ["--dataset", "room", "--out", "notes.txt/a.png"],
            "cannot write notes.txt: a file of that name is in the way",
        ),
        (["--dataset", "room", "--out", "there.png"], "there.png: is there already, and not what this command makes"),
        (["--dataset", "room", "--device", "gpu"], 'unknown device "gpu"; expected "cpu"'),
        (
            ["--dataset", "room", "--turntable", "2", "--size", "7"],
            "size: .mp4 needs an even number of pixels, found 7",
        ),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(tmp_path, options, message):
    (tmp_path / "notes.txt").write_text("no scene")
    (tmp_path / "there.png").write_text("")
    status, output, errors = run(tmp_path, *options)
    assert (status, output) == (1, "")
    assert errors.startswith(f"error: {message}")
    assert errors.count("\n") == 1
    assert files(tmp_path) == ["notes.txt", "there.png"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "one of the arguments SCENE --dataset is required"),
        (["a.json", "--dataset", "room"], "not allowed with"),
        (["a.json", "--seed", "1"], "--seed and --view choose a random scene of a --dataset"),
        (["a.json", "--view", "1"], "--seed and --view choose a random scene of a --dataset"),
        (["--dataset", "room", "--seed", "-1"], "--seed must be 0 or more"),
        (["--dataset", "room", "--view", "1000"], "--view must be 0 to 999"),
        (["--dataset", "room", "--view", "1", "--turntable", "3"], "--turntable takes the camera path of the dataset"),
        (["a.json", "--turntable", "0"], "--turntable must be 1 to 100000 frames"),
        (["a.json", "--fps", "9"], "--fps is only of use together with --turntable"),
        (["a.json", "--turntable", "9", "--fps", "0"], "--fps must be 0.1 to 1000"),
        (["a.json", "--turntable", "9", "--fps", "nan"], "--fps must be 0.1 to 1000"),
        (["a.json", "--exposure", "nan"], "--exposure must be -100 to 100 stops"),
        (["a.json", "--max_samples", "9"], "--max_samples is only of use together with --target_error"),
        (["a.json", "--target_error", "0"], "--target_error must be a number larger than 0"),
        (["a.json", "--threads", "-1"], "--threads must be 0 or more"),
    ],
)
def test_options_that_do_not_fit_together(tmp_path, options, message):
    status, output, errors = run(tmp_path, *options)
    assert (status, output) == (2, "")
    assert message in errors.splitlines()[-1]


def test_help_imports_nothing_slow(tmp_path):
    slow = ("numpy", "pydantic", "tqdm", "av", "PIL", "cnsr._native")
    program = f"""
import atexit, runpy, sys
atexit.register(lambda: print("imported:", [name for name in {slow} if name in sys.modules]))
sys.argv = ["render-scene.py", "--help"]
runpy.run_path({str(CODE / "render-scene.py")!r}, run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "--turntable" in done.stdout
    assert done.stdout.endswith("imported: []\n")
