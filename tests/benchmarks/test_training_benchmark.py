import importlib.util
import json
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
def test_both_sides_compute_the_same(keys, benchmark, write_config):
    config = write_config(**keys)
    ours, plain = (benchmark.build_steps(config, 3, 0)[side] for side in benchmark.SIDES)
    # three steps of Adam from the same start: the gradients agree too
    for _ in range(3):
        assert ours() == pytest.approx(plain(), rel=1e-4)


def test_arithmetic_is_that_of_the_products(benchmark, write_config):
    found = benchmark.arithmetic(write_config(), 2)
    assert benchmark.arithmetic(write_config(), 4) > found
    pixels, buffers, hidden, layers = 2 * 16 * 16, 7, 16, 2
    # per pixel: the layers forward and backward twice (for weights and for inputs), and one row for the bias; the
    # buffers need no gradient
    generator = 2 * pixels * (2 * hidden * (buffers + 1) * (layers + 1) + 3 * layers * hidden**2 + 3 * hidden * 3)
    views, dim, pose = 2 * 3, 8, 16
    per_view = {
        "conv1": 64 * dim * 10 * 4,
        "skip_conv1": 16 * dim * dim * 4,
        "conv2": 64 * dim // 2 * dim * 9,
        "conv3": 16 * dim // 2 * dim * 4,
        "skip_conv2": 16 * (dim + pose) * dim * 9,
        "conv4": 16 * (dim + pose) * dim // 2 * 9,
        "conv5": 16 * dim // 2 * dim * 9,
        "conv6": 16 * dim * dim,
    }
    encoder = 2 * views * (3 * sum(per_view.values()) - per_view["conv1"])
    # the rest: products once a scene (pose, representation) and the windows of SSIM
    assert generator + encoder < found < 1.35 * (generator + encoder)


def test_other_networks_are_refused(benchmark):
    with pytest.raises(SystemExit, match="the plain side knows one Pool encoder and one PixelCNN only"):
        benchmark.build_steps("room_beauty_unet.json", 1, 0)
