import sys
from pathlib import Path

import pytest
import torch

from cnsr.buffers import BUFFERS
from cnsr.datasets.batch import Batch
from cnsr.models import registry
from cnsr.models.model import SceneModel

sys.path.append(str(Path(__file__).parents[2] / "reference"))


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(4321)


@pytest.fixture(autouse=True)
def _narrow(monkeypatch):
    from architectures import NarrowUnet

    monkeypatch.setitem(registry.GENERATORS, "Unet", NarrowUnet)


@pytest.fixture
def make_model(tmp_path):
    """Return a function that makes model and config of encoders and generators, with uneven partitions."""
    from architectures import model_config

    def make(encoders, generators, **keys):
        config = model_config(tmp_path, encoders, generators, **keys)
        model = SceneModel(config)
        with torch.no_grad():
            for encoder in model.representation.representations:
                encoder.deltas.normal_()
        return model, config

    return make


@pytest.fixture
def make_scene():
    """Return a function that makes a random scene for a config, with some negative and some zero values."""

    def make(config, views=3, size=None):
        size = size or config.render_size

        def images(names, *lead):
            found = {name: torch.randn(*lead, BUFFERS[name].channels, size, size) for name in names}
            return {name: torch.where(image.abs() < 0.1, 0.0, image) for name, image in found.items()}

        return Batch(
            observations=images(config.observation_passes, 1, views),
            observation_poses=torch.randn(1, views, 16),
            queries=images(config.query_passes, 1),
            query_poses=torch.randn(1, 16),
            factor=None,
            name="random",
        )

    return make


@pytest.fixture
def agrees():
    """Return a function that asserts that an attribution is that of the plain loop, to 1e-5 of its size."""
    from plain_attribution import PlainLoop

    def check(model, scene, attributor, outputs, iteration=None):
        reference = PlainLoop(model, scene, iteration).mean(outputs)
        found = attributor.attribute(outputs)
        named = {f"query/{name}": values for name, values in found.queries.items()}
        named |= {f"observation/{name}": values for name, values in found.observations.items()}
        named |= {f"representation/{index}": values for index, values in enumerate(found.representations)}
        for name, expected in reference.items():
            if name not in named:
                assert not expected.any(), f"{name} matters, and is missing"
                continue
            assert named[name].shape == expected.shape, name
            distance = torch.linalg.vector_norm(named[name].double() - expected)
            assert distance <= 1e-5 * torch.linalg.vector_norm(expected), name
        assert named.keys() <= reference.keys()

    return check
