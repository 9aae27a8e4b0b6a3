"""Several runs of generate-dataset.py in one folder, and runs that are killed."""

from __future__ import annotations

import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Make = Callable[..., Any]
LINE = re.compile(r"(\d+) views rendered in .*: (\d+) batches written, (\d+) already there(?:, (\d+) by other runs)?\n")


def _counts(output: str) -> tuple[int, int]:
    """Return how many batches a run has written, and how many it found or saw appear."""
    match = LINE.fullmatch(output)
    assert match, output
    assert int(match[1]) == 4 * int(match[2])
    return int(match[2]), int(match[3]) + int(match[4] or 0)


def test_processes_that_share_a_folder_render_each_batch_once(room: Any, tmp_path: Path) -> None:
    running = [room.start(tmp_path) for _ in range(3)]
    done = [(*process.communicate(timeout=120), process.returncode) for process in running]
    counts = [_counts(output) for output, _, _ in done]
    assert [status for _, _, status in done] == [0, 0, 0]
    assert all(sum(count) == 12 for count in counts)
    assert sum(written for written, _ in counts) == 12
    for _, errors, _ in done:
        assert re.fullmatch(r"(waiting for (a batch|\d batches) that other runs are rendering\n)?", errors)
    assert room.hashes(tmp_path) == room.expected


def test_a_job_array_makes_the_bytes_of_one_run(room: Any, tmp_path: Path) -> None:
    tasks = [room.start(tmp_path, "--shard", f"{task}/3") for task in (3, 1, 2)]
    counts = [_counts(task.communicate(timeout=120)[0]) for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0, 0]
    assert counts == [(4, 0), (4, 0), (4, 0)]
    assert room.hashes(tmp_path) == room.expected


def test_a_run_takes_over_from_one_that_is_killed(rendering: Make) -> None:
    room = rendering(batches=3, samples=2**28)  # it would take days
    killed = room.start("out")
    room.wait_for_claim("out")
    room.set_samples(2)
    shutil.move(room.folder / "out" / "dataset.json", room.folder)  # nobody would change settings in a folder
    other = room.start("out")
    room.wait_for_claim("out", lambda process: process == other.pid)
    killed.kill()
    output, errors = other.communicate(timeout=120)
    assert other.returncode == 0, errors
    assert _counts(output) == (3, 0)
    assert room.run("alone")[0] == 0
    assert room.hashes("out") == room.hashes("alone")


def test_a_run_whose_time_is_up_leaves_nothing_behind(rendering: Make) -> None:
    room = rendering(batches=2, samples=2**28)
    process = room.start("out")
    room.wait_for_claim("out")
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (128 + signal.SIGTERM, "")
    assert list(room.hashes("out")) == ["dataset.json"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--shard", "0/4"), "expected K/N with 1 ≤ K ≤ N, such as 1/8, found '0/4'; let the job array count from 1"),
        (("--shard", "1/4", "--overwrite"), "--overwrite deletes what the other shards make"),
    ],
)
def test_shards_that_make_no_sense_are_one_line(
    room: Any, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    status, _, errors = room.run(tmp_path / "out", *options)
    assert status == 2
    assert message in errors.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def _killed_at_random(room: Any, out: Path, kills: int, seed: int) -> int:
    """Kill runs at random moments until so many were; one that ends before loses half of its files.

    A moment is a while after the start or after some batches, however fast the machine is. Return how many different
    sets of finished batches the killed runs left.
    """
    chance = random.Random(seed)
    seen: set[frozenset[str]] = set()
    while kills:
        more = chance.randrange(5)
        goal = len(list(out.glob("*.exr"))) + more
        process = room.start(out)
        while process.poll() is None and len(list(out.glob("*.exr"))) < goal:
            time.sleep(0.001)
        try:
            process.wait(chance.uniform(0.0, 0.1 if more else 1.0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.returncode == 0:
            finished = sorted(out.glob("*.exr"))
            for path in chance.sample(finished, len(finished) // 2):
                path.unlink()
            continue
        assert process.returncode == -signal.SIGKILL
        seen.add(frozenset(path.name for path in out.glob("*.exr")))
        kills -= 1
    return len(seen)


def test_runs_that_are_killed_and_resumed_make_the_bytes_of_one(room: Any, tmp_path: Path) -> None:
    assert _killed_at_random(room, tmp_path, kills=3, seed=1) > 1
    status, output, errors = room.run(tmp_path)
    assert (status, errors) == (0, "")
    assert sum(_counts(output)) == 12
    assert room.hashes(tmp_path) == room.expected


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_runs_that_are_killed_twenty_times_make_the_bytes_of_one(rendering: Make, tmp_path: Path, seed: int) -> None:
    room = rendering(batches=48, samples=64)
    assert room.run("alone")[0] == 0
    (tmp_path / "out").mkdir()
    assert _killed_at_random(room, tmp_path / "out", kills=20, seed=seed) > 5
    assert room.run("out")[0] == 0
    assert room.hashes("out") == room.hashes("alone")
