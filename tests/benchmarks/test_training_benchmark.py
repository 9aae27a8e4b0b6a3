import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def benchmark():
    """The script as a module."""
    before = list(sys.path)
    sys.path.append(str(ROOT / "benchmarks"))
    spec = importlib.util.spec_from_file_location("training_benchmark", ROOT / "benchmarks" / "training.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = before


@pytest.fixture
def steps(benchmark):
    """What the script's child processes run."""
    return sys.modules[benchmark.Setting.__module__]


@pytest.fixture
def write_config(tmp_path):
    def write(**keys):
        data = json.loads((ROOT / "configs" / "room_beauty.json").read_text()) | keys
        data["model"]["representations"][0] |= {"representation_dim": 8, "render_size": 16}
        data["model"]["generators"][0]["render_size"] = 16
        data["model"]["generators"][0]["settings"] |= {"layers": 2, "hidden_units": 16}
        (tmp_path / "small.json").write_text(json.dumps(data))
        return str(tmp_path / "small.json")

    return write


@pytest.mark.parametrize("keys", [{}, {"empty_partition": True}, {"latent_separation": False}])
def test_both_sides_compute_the_same(keys, benchmark, steps, write_config):
    config = write_config(**keys)
    ours, plain = (steps.build_step(benchmark.Setting(config, 3), side) for side in ("ours", "plain"))
    # three steps of Adam from the same start: the gradients agree too
    for _ in range(3):
        assert ours().item() == pytest.approx(plain().item(), rel=1e-4)


def test_arithmetic_is_that_of_the_products(benchmark, write_config):
    found, more = (benchmark.arithmetic(benchmark.Setting(write_config(), scenes)) for scenes in (2, 4))
    assert more > found
    pixels, buffers, hidden, layers = 2 * 16 * 16, 7, 16, 2
    # per pixel: the layers forward and backward twice (for weights and for inputs), and one row for the bias; the
    # buffers need no gradient
    generator = 2 * pixels * (2 * hidden * (buffers + 1) * (layers + 1) + 3 * layers * hidden**2 + 3 * hidden * 3)
    views, dim = 2 * 3, 8
    per_view = {
        "conv1": 64 * dim * 10 * 4,
        "skip_conv1": 16 * dim * dim * 4,
        "conv2": 64 * dim // 2 * dim * 9,
        "conv3": 16 * dim // 2 * dim * 4,
        "skip_conv2": 16 * dim * dim * 9,
        "conv4": 16 * dim * dim // 2 * 9,
        "conv5": 16 * dim // 2 * dim * 9,
        "conv6": 16 * dim * dim,
    }
    encoder = 2 * views * (3 * sum(per_view.values()) - per_view["conv1"])
    # the rest: products once a scene or view (pose, representation) and the windows of SSIM
    assert generator + encoder < found < 1.35 * (generator + encoder)


def test_one_call_prints_times_rates_and_memory(write_config, tmp_path):
    command = [sys.executable, ROOT / "benchmarks" / "training.py", write_config(), "--batch", "2", "--repeats", "1"]
    done = subprocess.run([*command, "--json", tmp_path / "f.json"], capture_output=True, text=True, check=True)
    for title in ("training step", "arithmetic of our step", "peak memory of a step"):
        assert title in done.stdout
    figures = json.loads((tmp_path / "f.json").read_text())["figures"]["small"]
    assert set(figures["seconds"]) == set(figures["peak_bytes"]) == {"ours", "plain", "plain, memory kept"}
    assert all(value > 0 for value in figures["peak_bytes"].values())
