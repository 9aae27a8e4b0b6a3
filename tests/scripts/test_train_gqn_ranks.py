"""The training script in several processes, started by torchrun; on the CPU, where they talk through Gloo."""

import copy
import io
import json
import os
import re
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
from cnsr.training.progress import Progress
from cnsr.training.session import train

SCRIPT = Path(__file__).resolve().parents[2] / "code" / "train-gqn.py"
SIZE, SCENES, VIEWS = 8, 4, 3
POOL = {"type": "Pool", "observation_passes": ["beauty", "normal"], "representation_dim": 12, "render_size": SIZE}
PIXEL = {
    "type": "PixelCNN",
    "query_passes": ["normal"],
    "render_size": SIZE,
    "settings": {"layers": 2, "hidden_units": 16, "end_relu": False, "initial_output": "log_mean"},
}
DRAWN = {
    "type": "GQN",
    "query_passes": ["normal"],
    "render_size": SIZE,
    "settings": {"state_dim": 8, "latent_dim": 2, "core_count": 2, "downscaling": 2},
}
SETTINGS = {
    "logging": False,
    "seed": 3,
    "train_data_dir": "train",
    "test_data_dir": "train",
    "job_name": "job",
    "test_interval": 2,
    "batch_size": SCENES,
    "test_batch_size": SCENES,
    "cached_dataset": True,
    "views_per_scene": VIEWS,
    "latent_separation": True,
    "learning_rate": 1e-3,
    "workers": 0,
    "model": {"representations": [POOL], "generators": [PIXEL]},
}


@pytest.fixture
def place(tmp_path):
    """A folder with five batches in the published format: bright and dark shaded spheres."""
    (tmp_path / "train").mkdir()
    generator = np.random.default_rng(0)
    row, column = np.meshgrid(np.linspace(-1.2, 1.2, SIZE), np.linspace(-1.2, 1.2, SIZE), indexing="ij")
    height = np.clip(1 - row**2 - column**2, 0, None)
    normal = np.stack((column, -row, np.sqrt(height))) * (height > 0)  # [3, H, W]
    for index in range(5):
        normals = normal + generator.uniform(-0.3, 0.3, (SCENES, VIEWS, 3, 1, 1)) * (height > 0)
        beauty = generator.uniform(0.1, 2, (SCENES, 1, 3, 1, 1)) * np.clip(normals[:, :, 1:2] + 0.5, 0, None)
        np.savez(
            tmp_path / "train" / f"batch{index}.npz",
            beauty=beauty.astype(np.float16),
            normal=normals.astype(np.float16),
            poses=generator.normal(size=(SCENES, VIEWS, 16, 1, 1)).astype(np.float16),
            factor=np.array(index % 3),
        )
    return tmp_path


def configure(place, encoders=(POOL,), generators=(PIXEL,), **changes):
    settings = copy.deepcopy(SETTINGS) | changes
    settings["model"] = {"representations": list(encoders), "generators": list(generators)}
    (place / "job.json").write_text(json.dumps(settings))


def command(processes, *options):
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    fixed = ["--config", "job.json", "--device", "cpu", "--out_folder"]
    return [sys.executable, *launcher, str(SCRIPT), *fixed, *(options or ("out",))]


def environment():
    return os.environ | {"OMP_NUM_THREADS": "1"}


def run(place, processes, *options):
    return subprocess.run(
        command(processes, *options), cwd=place, capture_output=True, text=True, timeout=250, env=environment()
    )


def trained(place, processes, folder, iterations):
    """Train in a folder up to an iteration; return the checkpoint and the lines of the statistics."""
    if processes:
        result = run(place, processes, folder, "--iterations", str(iterations))
        told = result.stderr
        assert result.returncode == 0, told
    else:
        told = io.StringIO()
        config = load_config(place / "job.json").model_copy(update={"iterations": iterations})
        train(config, place / folder, device="cpu", progress=Progress(told))
        told = told.getvalue()
    ours = [line for line in told.splitlines() if re.match("warning|note|error|Traceback|.*Warning", line)]
    assert ours == [], told
    lines = [json.loads(line) for line in (place / folder / "job.stats.jsonl").read_text().splitlines()]
    found = find_checkpoints(place / folder, "job")
    assert found[-1][0] == iterations
    return read_checkpoint(found[-1][1]), lines


def assert_same_course(one, other):
    """Same random states, and the same weights, averages and logged numbers to rounding."""
    (first, lines), (second, others) = one, other
    assert first.iteration == second.iteration
    assert torch.equal(first.random_states["cpu"], second.random_states["cpu"])
    for kind in ("model_state", "ema_state"):
        states = getattr(first, kind), getattr(second, kind)
        if states[0] is None:
            assert states[1] is None
            continue
        assert list(states[0]) == list(states[1])
        for name, weights in states[0].items():
            assert (weights - states[1][name]).abs().max() < 2e-5, name
    moments = first.optimizer_state["state"], second.optimizer_state["state"]
    assert list(moments[0]) == list(moments[1])  # those that have a gradient
    assert [line["iteration"] for line in lines] == [line["iteration"] for line in others]
    for line, counterpart in zip(lines, others, strict=True):
        numbers = {name: value for name, value in line.items() if not name.startswith("speed/")}
        assert numbers == pytest.approx({name: counterpart[name] for name in numbers}, rel=2e-5, abs=2e-6)
        assert 0 <= counterpart["speed/waiting_for_data"] <= 1


def test_two_processes_do_what_one_does(place):
    """Partitions take the mean over all scenes, forward and backward; the price of the null partition is paid once.

    The latent variables of a GQN are drawn with the same random numbers, in training and in tests.
    """
    encoder = POOL | {"gradient_reg": 0.4, "sharpening": 8}
    configure(place, [encoder], [PIXEL, DRAWN], empty_partition=True, ema=0.9)
    one = trained(place, 0, "one", 5)
    two = trained(place, 2, "two", 5)
    assert_same_course(one, two)
    assert sorted(path.name for path in (place / "two").iterdir()) == ["job.stats.jsonl", "job_5.pt"]


UNUSED = {
    "discarded": ([POOL], [PIXEL | {"discard_loss": True}, PIXEL]),
    "copied": ([POOL], [PIXEL, PIXEL | {"type": "Copy", "settings": {"index": 0}}]),
    "frozen": ([POOL, POOL | {"detach": True}], [PIXEL | {"representations": [0, 1]}]),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", UNUSED)
def test_weights_that_have_no_gradient_keep_nobody_waiting(place, kind):
    encoders, generators = UNUSED[kind]
    configure(place, encoders, generators, latent_separation=False, precision="bf16", workers=1)
    (one, lines), (two, others) = (trained(place, processes, f"of{processes}", 4) for processes in (0, 2))
    assert [line["train/loss"] for line in lines] == pytest.approx([line["train/loss"] for line in others], rel=0.01)
    assert set(one.optimizer_state["state"]) == set(two.optimizer_state["state"])


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), [(0, 2), (2, 0), (2, 4)])
def test_any_number_of_processes_goes_on_with_a_checkpoint(place, first, second):
    configure(place, empty_partition=True, ema=0.9)
    whole = trained(place, 0, "whole", 8)
    trained(place, first, "halves", 5)  # no multiple of the test interval: what waits to be logged goes on, too
    assert_same_course(whole, trained(place, second, "halves", 8))


def our_lines(text):
    """What the script said, without torchrun's report of the failure."""
    return [line for line in text.splitlines() if re.match(r"error: |warning: |interrupted|Traceback|process ", line)]


def test_mistakes_are_told_once_in_one_line(place):
    configure(place, train_data_dir="nowhere", batch_size=3)
    result = run(place, 2)
    assert result.returncode != 0
    (line, *launcher) = our_lines(result.stderr)
    assert line.startswith(
        "error: batch_size 3 cannot be shared evenly by 2 processes: start 1 or 3 of them, or change"
    )
    assert "nowhere (train_data_dir): no such folder" in line
    assert launcher in ([], ["Traceback (most recent call last):"])  # torchrun's own
    assert not (place / "out").exists()


@pytest.mark.slow
def test_a_config_that_is_not_there_is_told_once(place):
    (line,) = [line for line in our_lines(run(place, 2).stderr) if line.startswith("error")]
    assert line.startswith("error: job.json: no such config")


@pytest.mark.slow
def test_a_loss_that_is_no_number_ends_all_processes_with_one_line(place):
    configure(place, learning_rate=1e25)
    result = run(place, 2, "out", "--iterations", "50")
    assert result.returncode != 0
    errors = [line for line in our_lines(result.stderr) if line.startswith("error")]
    assert len(errors) == 1
    assert re.match(r"error: the loss is (nan|inf) at iteration \d+ .*with batch .*batch\d\.npz$", errors[0])


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_signal_leaves_one_good_checkpoint(place, number):
    configure(place, workers=1)
    process = subprocess.Popen(
        command(2), cwd=place, stderr=subprocess.PIPE, text=True, env=environment(), start_new_session=True
    )
    stats = place / "out" / "job.stats.jsonl"
    while process.poll() is None and not (stats.exists() and stats.read_text()):
        time.sleep(0.05)
    os.killpg(process.pid, number)  # as a terminal does it; torchrun passes it on to the processes
    _, told = process.communicate(timeout=100)
    assert told.count("stopping after this iteration, with a checkpoint") == 1, told
    ((done, checkpoint),) = find_checkpoints(place / "out", "job")
    assert f"stopped: out/{checkpoint.name}" in told
    assert [line for line in our_lines(told) if line.startswith("error")] == []
    configure(place, workers=0)
    rest, _ = trained(place, 0, "out", done + 2)
    assert rest.iteration == done + 2


@pytest.mark.slow
def test_a_process_that_dies_takes_the_others_down(place):
    configure(place)
    process = subprocess.Popen(
        command(2), cwd=place, stderr=subprocess.PIPE, text=True, env=environment(), start_new_session=True
    )
    stats = place / "out" / "job.stats.jsonl"
    while process.poll() is None and not (stats.exists() and stats.read_text()):
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    victim = next(int(child) for child in children if b"RANK=1" in Path(f"/proc/{child}/environ").read_bytes())
    os.kill(victim, signal.SIGKILL)
    _, told = process.communicate(timeout=100)
    assert process.returncode != 0
    assert [line for line in our_lines(told) if line.startswith("error")] in (
        [],  # torchrun was quicker
        ["error: another process of this run has ended; what it told stands above"],
    )
