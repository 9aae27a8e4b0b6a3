"""visualize-attributions.py as its users start it: in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnsr.config import parse_config
from cnsr.models.model import SceneModel
from cnsr.training.checkpoints import Checkpoint, save_checkpoint

SCRIPT = Path(__file__).resolve().parents[2] / "code" / "visualize-attributions.py"
SETTINGS = {
    "dataset": "room",
    "views_per_scene": 3,
    "samples_per_pixel": 4,
    "latent_separation": True,
    "model": {
        "representations": [{"type": "Pool", "representation_dim": 8, "render_size": 8}],
        "generators": [
            {
                "type": "PixelCNN",
                "query_passes": ["normal"],
                "render_size": 8,
                "settings": {"layers": 1, "hidden_units": 8, "end_relu": False},
            }
        ],
    },
}


@pytest.fixture
def place(tmp_path):
    """A folder with a config and networks of it."""
    (tmp_path / "job.json").write_text(json.dumps(SETTINGS))
    config = parse_config(SETTINGS)
    weights = SceneModel(config).state_dict()
    save_checkpoint(tmp_path / "job_5.pt", Checkpoint(5, weights, config=config.model_dump(mode="json")))
    return tmp_path


def run(place, *options, display):
    environment = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    environment |= {"OMP_NUM_THREADS": "1", **({"DISPLAY": display} if display else {})}
    return subprocess.run(
        [sys.executable, str(SCRIPT), "--config", "job.json", "--device", "cpu", "--threads", "1", *options],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
    )


def test_a_screenshot_shows_the_window_when_all_is_computed(place, virtual_display):
    result = run(place, "--checkpoint", "job_5.pt", "--screenshot", "out.png", display=virtual_display)
    assert (result.returncode, result.stderr) == (0, "")
    pixels = np.asarray(Image.open(place / "out.png"))
    assert pixels.shape == (900, 1480, 3)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 300
    assert sorted(path.name for path in place.iterdir()) == ["job.json", "job_5.pt", "out.png"]


def one_line(result, message):
    assert result.returncode == 1, result.stderr
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line


def test_without_a_display_one_line_says_what_to_do(place):
    result = run(place, "--checkpoint", "job_5.pt", display=None)
    one_line(result, "there is no display to open a window on (DISPLAY is not set)")
    assert "xvfb-run" in result.stderr


def test_a_missing_checkpoint_is_told_before_a_window_opens(place, virtual_display):
    result = run(place, "--checkpoint", "gone.pt", display=virtual_display)
    one_line(result, "gone.pt: no such checkpoint; the folder holds job_5.pt")


def test_networks_have_to_be_named(place):
    result = run(place, display=None)
    assert result.returncode == 2
    assert "--checkpoint" in result.stderr


@pytest.mark.parametrize("option", ["--seed", "--threads"])
def test_impossible_numbers_are_told_by_the_options(place, option):
    result = run(place, "--checkpoint", "job_5.pt", option, "-1", display=None)
    assert result.returncode == 2
    assert f"{option} -1: must be at least 0" in result.stderr


def test_help_imports_nothing_slow():
    code = (
        "import runpy, sys\n"
        "sys.argv = ['visualize-attributions.py', '--help']\n"
        "try:\n"
        f"    runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        "finally:\n"
        "    assert not {'torch', 'pydantic', 'imgui_bundle', 'numpy'} & set(sys.modules)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parent)}
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60, env=environment
    )
    for option in ("--config", "--checkpoint", "--scene_file", "--settings", "--out_path", "--seed", "--screenshot"):
        assert option in result.stdout
