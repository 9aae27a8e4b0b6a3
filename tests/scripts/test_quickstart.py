"""The whole pipeline through the real scripts: from an empty folder to a prediction."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]

TINY = {
    "seed": 0,
    "iterations": 6,
    "checkpoint_interval": 3,
    "test_interval": 3,
    "batch_size": 2,
    "test_batch_size": 2,
    "views_per_scene": 4,
    "cached_dataset": True,
    "samples_per_pixel": 2,
    "latent_separation": True,
    "learning_rate": 1e-3,
    "workers": 1,
    "model": {
        "representations": [
            {
                "type": "Pool",
                "observation_passes": ["beauty", "position", "normal"],
                "representation_dim": 12,
                "render_size": 16,
            }
        ],
        "generators": [
            {
                "type": "PixelCNN",
                "query_passes": ["position", "normal", "id"],
                "render_size": 16,
                "settings": {"layers": 1, "hidden_units": 8, "end_relu": False},
            }
        ],
    },
}


def quickstart(folder, *arguments):
    options = {"--config": folder / "tiny.json", "--out_folder": folder / "out", "--size": 2, "--testing_size": 2}
    words = [str(word) for option in options.items() for word in option]
    return subprocess.run(
        [sys.executable, "-m", "cnsr.quickstart", *words, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "code")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quickstart")
    (folder / "tiny.json").write_text(json.dumps(TINY))
    done = quickstart(folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_it_ends_with_a_picture_figures_and_three_lines(folder):
    out = folder / "out"
    summary = json.loads((out / "summary.json").read_text())
    assert set(summary["seconds"]) == {"describing scenes", "rendering", "training", "evaluation", "total"}
    assert summary["views_per_second"] == pytest.approx(32 / summary["seconds"]["rendering"])
    for name in ("psnr", "ssim", "baseline_psnr", "swapped_psnr"):
        assert np.isfinite(summary[name])
    # Two test scenes of three observations, reference and two predictions.
    assert Image.open(out / "result.png").size == (6 * 166 + 6, 2 * 166 + 26)
    assert sorted(path.name for path in (out / "data" / "train").glob("*.exr")) == [
        "batch000000000.exr",
        "batch000000001.exr",
    ]


def test_a_second_run_reuses_what_is_there_and_keeps_the_figures(folder):
    out = folder / "out"
    before = json.loads((out / "summary.json").read_text())
    files = {path: path.stat().st_mtime_ns for path in (out / "data").rglob("*.exr")}
    done = quickstart(folder)
    assert done.returncode == 0, done.stderr
    for phase in ("describing scenes", "rendering", "training"):
        assert f"== {phase}: already there" in done.stdout
    assert len(done.stdout.split("What to try next:\n")[1].splitlines()) == 3
    after = json.loads((out / "summary.json").read_text())
    assert after["psnr"] == before["psnr"]
    assert after["seconds"]["rendering"] == before["seconds"]["rendering"]
    assert {path: path.stat().st_mtime_ns for path in (out / "data").rglob("*.exr")} == files


def test_another_seed_wants_another_folder(folder):
    done = quickstart(folder, "--seed", "1")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "this folder was made with other settings; name another one with --out_folder" in done.stderr
    assert "Traceback" not in done.stderr
