"""The published ArchViz configs through the real scripts, at small size: scene JSON, EXR files, a step of training."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]


def run(script, *arguments, folder):
    command = [sys.executable, str(ROOT / "code" / script), *map(str, arguments)]
    environment = {**os.environ, "CNSR_CACHE": str(folder / "cache")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def shrunk(name, dataset, size):
    """A published config with small batches of small images; its networks stay as they are."""
    config = json.loads((ROOT / "configs" / f"{name}.json").read_text())
    config |= {"seed": 3, "dataset": dataset, "batch_size": 2, "test_batch_size": 2, "samples_per_pixel": 2}
    config |= {"iterations": 1, "checkpoint_interval": 1, "test_interval": 1, "workers": 1}
    config |= {"train_data_dir": "data/train", "test_data_dir": "data/test"}
    for network in (*config["model"]["representations"], *config["model"]["generators"]):
        network["render_size"] = size
    return config


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "dataset", "size"),
    [
        ("archviz_beauty", "archviz", 16),
        ("archviz_beauty", "archviz_parametric", 16),
        ("archviz_beauty_unet", "archviz", 64),
        ("archviz_beauty_gqn_buffers", "archviz", 16),
    ],
)
def test_a_published_config_trains_on_rooms_drawn_and_rendered_for_it(tmp_path, name, dataset, size):
    config = tmp_path / f"{name}.json"
    config.write_text(json.dumps(shrunk(name, dataset, size)))
    options = ("--out_folder", "json", "--size", 2, "--testing_size", 1)
    run("create-dataset-json-files.py", "--config", config, *options, folder=tmp_path)
    assert len(list((tmp_path / "json" / "train").rglob("view*.json"))) == 2 * 2 * 4
    for split in ("train", "test"):
        folders = ("--in_folder", f"json/{split}", "--out_folder", f"data/{split}")
        told = run("generate-dataset.py", "--config", config, *folders, folder=tmp_path)
        assert "left out" not in told
    run("train-gqn.py", "--config", config, "--out_folder", "checkpoints", folder=tmp_path)
    saved = torch.load(tmp_path / "checkpoints" / f"{name}_1.pt", weights_only=False, map_location="cpu")
    assert saved["iteration"] == 1
    (line,) = (tmp_path / "checkpoints" / f"{name}.stats.jsonl").read_text().splitlines()
    losses = [value for key, value in json.loads(line).items() if "loss" in key]
    assert losses
    assert all(0 < abs(loss) < 100 for loss in losses)
