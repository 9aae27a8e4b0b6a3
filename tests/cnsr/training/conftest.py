"""A data set and config so small that training takes a few milliseconds a step."""

import copy
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cnsr.buffers import BUFFERS
from cnsr.config import parse_config
from cnsr.datasets.batch import Batch

sys.path.append(str(Path(__file__).parents[2] / "reference"))

SIZE, SCENES, VIEWS = 8, 3, 3

SETTINGS = {
    "logging": False,
    "seed": 7,
    "train_data_dir": "train",
    "test_data_dir": "test",
    "job_name": "tiny",
    "checkpoint_interval": 1000,
    "test_interval": 4,
    "iterations": 12,
    "batch_size": SCENES,
    "test_batch_size": SCENES,
    "cached_dataset": True,
    "views_per_scene": VIEWS,
    "latent_separation": True,
    "adaptive_separation": True,
    "learning_rate": 1e-3,
    "workers": 0,
    "model": {
        "representations": [
            {"type": "Pool", "observation_passes": ["beauty", "normal"], "representation_dim": 12, "render_size": SIZE}
        ],
        "generators": [
            {
                "type": "PixelCNN",
                "query_passes": ["normal"],
                "render_size": SIZE,
                "settings": {"layers": 2, "hidden_units": 16, "end_relu": False},
            }
        ],
    },
}


def write_scenes(folder: Path, batches: int, seed: int) -> None:
    """Write batches in the published format: spheres lit from above in the scene's color, in front of black."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(seed)
    row, column = np.meshgrid(np.linspace(-1.2, 1.2, SIZE), np.linspace(-1.2, 1.2, SIZE), indexing="ij")
    height = 1 - row**2 - column**2
    normal = np.where(height > 0, np.stack((column, -row, np.sqrt(np.abs(height)))), 0.0)  # [3, H, W]
    for index in range(batches):
        color = generator.uniform(0.1, 1.5, (SCENES, 1, 3, 1, 1))
        tilt = generator.uniform(-0.5, 0.5, (SCENES, VIEWS, 1, 1, 1))
        normals = normal + tilt * (height > 0)
        beauty = color * np.clip(normals[:, :, 1:2] + 0.3, 0, None)
        np.savez(
            folder / f"batch{index:09}.npz",
            beauty=beauty.astype(np.float16),
            normal=normals.astype(np.float16),
            poses=generator.normal(size=(SCENES, VIEWS, 16, 1, 1)).astype(np.float16),
            factor=np.array(index % 3),
        )


@pytest.fixture
def tiny_settings():
    """The settings as a dict, free to be changed."""
    return copy.deepcopy(SETTINGS)


@pytest.fixture
def tiny(tmp_path):
    """Return a function that makes a config of the tiny data set with some settings changed.

    Changes inside the model: ``encoder={...}``, ``generator={...}``, ``network={...}`` (the generator's settings).
    """
    write_scenes(tmp_path / "train", 5, 1)
    write_scenes(tmp_path / "test", 2, 2)

    def make(encoder=None, generator=None, network=None, **changes):
        settings = copy.deepcopy(SETTINGS) | changes
        settings["model"]["representations"][0] |= encoder or {}
        settings["model"]["generators"][0] |= generator or {}
        settings["model"]["generators"][0]["settings"] |= network or {}
        return parse_config(settings, folder=tmp_path)

    return make


@pytest.fixture
def random_batch():
    """Return a function that makes a batch for a config, of scenes that differ in a factor (or in all, ``None``)."""

    def make(config, factor=1, views=2):
        scenes, size = config.batch_size, config.render_size

        def pixels(names, *shape):
            return {name: torch.rand(*shape, BUFFERS[name].channels, size, size) for name in names}

        return Batch(
            observations=pixels(config.observation_passes, scenes, views),
            observation_poses=torch.rand(scenes, views, 16),
            queries=pixels(config.query_passes, scenes),
            query_poses=torch.rand(scenes, 16),
            factor=factor,
            name="random",
        )

    return make


@pytest.fixture
def tiny_file(tmp_path, tiny, tiny_settings):
    """Return a function that writes the tiny config to a file, with changes of the top level, and returns its path."""

    def write(**changes):
        path = tmp_path / "tiny.json"
        path.write_text(json.dumps(tiny_settings | changes))
        return path

    return write
