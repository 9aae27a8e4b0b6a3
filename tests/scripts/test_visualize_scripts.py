"""visualize-gqn.py and visualize-attributions.py as their users start them: in a process of their own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnsr.config import parse_config
from cnsr.models.model import SceneModel
from cnsr.training.checkpoints import Checkpoint, save_checkpoint

CODE = Path(__file__).resolve().parents[2] / "code"
GQN, ATTRIBUTIONS = "visualize-gqn.py", "visualize-attributions.py"
OPTIONS = ("--config", "--checkpoint", "--scene_file", "--seed", "--device", "--threads", "--screenshot")
OWN_OPTIONS = {GQN: (), ATTRIBUTIONS: ("--settings", "--out_path")}
SETTINGS = {
    "dataset": "room",
    "views_per_scene": 3,
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
OWN_SETTINGS = {GQN: {}, ATTRIBUTIONS: {"samples_per_pixel": 4, "latent_separation": True}}

both = pytest.mark.parametrize("script", [GQN, ATTRIBUTIONS])


@dataclass(frozen=True)
class Place:
    """A folder with a config and networks of it, and the script that is started there."""

    folder: Path
    script: str

    def run(self, *options, display):
        environment = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
        environment |= {"OMP_NUM_THREADS": "1", **({"DISPLAY": display} if display else {})}
        given = ["--config", "job.json", "--device", "cpu", "--threads", "1", *options]
        return subprocess.run(
            [sys.executable, str(CODE / self.script), *given],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            env=environment,
        )


@pytest.fixture
def place(tmp_path, script):
    settings = SETTINGS | OWN_SETTINGS[script]
    (tmp_path / "job.json").write_text(json.dumps(settings))
    config = parse_config(settings)
    weights = SceneModel(config).state_dict()
    save_checkpoint(tmp_path / "job_5.pt", Checkpoint(5, weights, config=config.model_dump(mode="json")))
    return Place(tmp_path, script)


def one_line(result, message):
    assert result.returncode == 1, result.stderr
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line


@both
def test_a_screenshot_shows_the_window_when_all_is_computed(place, virtual_display):
    result = place.run("--checkpoint", "job_5.pt", "--screenshot", "out.png", display=virtual_display)
    assert (result.returncode, result.stderr) == (0, "")
    pixels = np.asarray(Image.open(place.folder / "out.png"))
    assert pixels.shape == (900, 1480, 3)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 300
    assert sorted(path.name for path in place.folder.iterdir()) == ["job.json", "job_5.pt", "out.png"]


@both
def test_without_a_display_one_line_says_what_to_do(place):
    result = place.run("--checkpoint", "job_5.pt", display=None)
    one_line(result, "there is no display to open a window on (DISPLAY is not set)")
    assert "xvfb-run" in result.stderr
    assert "docs/viewers.md" in result.stderr


@both
def test_a_display_that_cannot_be_reached_is_named(place):
    result = place.run("--checkpoint", "job_5.pt", display=":7654")
    one_line(result, "no window can be opened on display :7654")


@both
def test_a_missing_checkpoint_is_told_before_a_window_opens(place, virtual_display):
    result = place.run("--checkpoint", "gone.pt", display=virtual_display)
    one_line(result, "gone.pt: no such checkpoint; the folder holds job_5.pt")


@pytest.mark.parametrize("script", [GQN])
def test_a_walk_needs_no_networks(place):
    one_line(place.run(display=None), "there is no display")


@pytest.mark.parametrize("script", [ATTRIBUTIONS])
def test_attributions_need_networks(place):
    result = place.run(display=None)
    assert result.returncode == 2
    assert "--checkpoint" in result.stderr


@both
@pytest.mark.parametrize("option", ["--seed", "--threads"])
def test_impossible_numbers_are_told_by_the_options(place, option):
    result = place.run("--checkpoint", "job_5.pt", option, "-1", display=None)
    assert result.returncode == 2
    assert f"{option} -1: must be at least 0" in result.stderr


@both
def test_help_names_every_option_and_imports_nothing_slow(script):
    code = (
        "import runpy, sys\n"
        f"sys.argv = [{script!r}, '--help']\n"
        "try:\n"
        f"    runpy.run_path({str(CODE / script)!r}, run_name='__main__')\n"
        "finally:\n"
        "    assert not {'torch', 'pydantic', 'imgui_bundle', 'numpy'} & set(sys.modules)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(CODE)}
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60, env=environment
    )
    for option in (*OPTIONS, *OWN_OPTIONS[script]):
        assert option in result.stdout
