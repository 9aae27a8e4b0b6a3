"""The training script as its users meet it: in a process of its own."""

import copy
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from cnsr.config import load_config
from cnsr.training.checkpoints import read_checkpoint
from cnsr.training.history import find_checkpoints
from cnsr.training.session import train

SCRIPT = Path(__file__).resolve().parents[2] / "code" / "train-gqn.py"
SETTINGS = {
    "logging": False,
    "seed": 3,
    "train_data_dir": "train",
    "test_data_dir": "train",
    "job_name": "job",
    "test_interval": 20,
    "batch_size": 2,
    "test_batch_size": 2,
    "cached_dataset": True,
    "views_per_scene": 3,
    "workers": 1,
    "model": {
        "representations": [{"type": "Pool", "representation_dim": 8, "render_size": 8}],
        "generators": [
            {"type": "PixelCNN", "render_size": 8, "settings": {"layers": 1, "hidden_units": 8, "end_relu": False}}
        ],
    },
}


@pytest.fixture
def place(tmp_path):
    """A folder with a config and three batches in the published format."""
    (tmp_path / "train").mkdir()
    generator = np.random.default_rng(0)
    for index in range(3):
        np.savez(
            tmp_path / "train" / f"batch{index}.npz",
            beauty=generator.random((2, 3, 3, 8, 8)).astype(np.float16),
            poses=generator.random((2, 3, 16, 1, 1)).astype(np.float16),
            factor=np.array(index),
        )
    configure(tmp_path)
    return tmp_path


def configure(place, **changes):
    (place / "job.json").write_text(json.dumps(copy.deepcopy(SETTINGS) | changes))


def load(place, **changes):
    return load_config(place / "job.json").model_copy(update=changes)


def command(*options):
    return [sys.executable, str(SCRIPT), "--config", "job.json", "--out_folder", "out", "--device", "cpu", *options]


def run(place, *options, env=None, **process):
    env = env or environment()
    return subprocess.run(command(*options), cwd=place, capture_output=True, text=True, timeout=200, env=env, **process)


def environment(**more):
    return os.environ | {"OMP_NUM_THREADS": "1"} | more


def newest(place, folder="out"):
    return find_checkpoints(place / folder, "job")[-1]


def test_an_interrupted_run_goes_on_with_the_same_command_as_if_nothing_had_happened(place):
    process = subprocess.Popen(
        command("--iterations", "1000000"),
        cwd=place,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
    )
    stats = place / "out" / "job.stats.jsonl"
    while process.poll() is None and not (stats.exists() and stats.read_text()):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: the worker processes get it, too
    _, told = process.communicate(timeout=100)
    assert process.returncode == 128 + signal.SIGINT, told
    assert "Traceback" not in told
    done, checkpoint = newest(place)
    assert "stopping after this iteration, with a checkpoint" in told
    assert told.rstrip().endswith(f"stopped: out/{checkpoint.name}")

    configure(place, workers=0)  # makes no difference, and starts faster
    total = str(done + 15)
    rest = run(place, "--iterations", total)
    assert rest.returncode == 0, rest.stderr
    assert f"training job on from out/{checkpoint.name}, at iteration {done}, on cpu, seed 3" in rest.stderr
    # Not in this process: sums come out a little different with another number of threads.
    whole = run(place, "--iterations", total, "--out_folder", "whole")
    assert whole.returncode == 0, whole.stderr
    first, second = (read_checkpoint(newest(place, folder)[1]) for folder in ("out", "whole"))
    assert first.iteration == second.iteration == done + 15
    for name, weights in first.model_state.items():
        assert torch.equal(weights, second.model_state[name])
    assert [line["train/loss"] for line in lines(place / "out")] == [
        line["train/loss"] for line in lines(place / "whole")
    ]


def test_ctrl_c_while_reading_processes_start_leaves_a_checkpoint(place):
    process = subprocess.Popen(
        command(), cwd=place, stderr=subprocess.PIPE, text=True, env=environment(), start_new_session=True
    )
    assert process.stderr.readline().startswith("training job from the start")
    while process.poll() is None and not (place / "out" / "job.stats.jsonl").exists():
        time.sleep(0.005)
    time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=100)
    assert process.returncode == 128 + signal.SIGINT, told
    assert "was killed" not in told
    assert newest(place)[0] >= 0


def lines(folder):
    return [json.loads(line) for line in (folder / "job.stats.jsonl").read_text().splitlines()]


def test_a_full_disk_ends_in_one_line_and_keeps_the_last_checkpoint(place):
    configure(place, workers=0)
    size = train(load(place, iterations=2), place / "out", device="cpu").checkpoint.stat().st_size

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))

    # Under the limit Python would leave cut-off bytecode, over which every later process stumbles.
    full = run(place, "--iterations", "4", preexec_fn=limit, env=environment(PYTHONDONTWRITEBYTECODE="1"))
    assert full.returncode == 1
    assert re.search(r"^error: cannot write out/job_4\.pt: the file would be larger than", full.stderr, re.MULTILINE)
    assert "Traceback" not in full.stderr
    assert sorted(path.name for path in (place / "out").iterdir()) == ["job.stats.jsonl", "job_2.pt"]
    assert train(load(place, iterations=4), place / "out", device="cpu").iteration == 4


def test_mistakes_are_told_in_one_line(place):
    configure(place, train_data_dir="nowhere")
    result = run(place, "--device", "toaster")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: --device toaster: no such device; use cpu, cuda or cuda:N; ")
    assert "nowhere (train_data_dir): no such folder" in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--iterations", "0"], "--iterations 0: must be at least 1"),
        (["--seed", "-2"], "--seed -2: must be -1 or a number"),
        (["--fresh", "--checkpoint", "x.pt"], "give one of them"),
    ],
)
def test_impossible_options_are_told_without_loading_torch(place, options, message):
    result = run(place, *options)
    assert result.returncode == 2
    assert message in result.stderr


def test_help_names_every_option(place):
    result = subprocess.run([sys.executable, str(SCRIPT), "--help"], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0
    for option in ("--config", "--checkpoint", "--device", "--out_folder", "--fresh", "--iterations", "--seed"):
        assert option in result.stdout


def test_help_does_not_import_torch():
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['train-gqn.py', '--help']\n"
        "try:\n"
        f"    runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        "finally:\n"
        "    assert 'torch' not in sys.modules and 'pydantic' not in sys.modules\n"
    )
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parent)}
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60, env=environment)
