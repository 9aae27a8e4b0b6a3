import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cnsr.buffers import BUFFERS
from cnsr.config import Config, parse_config
from cnsr.datasets.batch import Batch

# The plain formulas are shared with benchmarks/training.py.
sys.path.append(str(Path(__file__).parents[2] / "reference"))


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(1234)


def deviation(value: torch.Tensor, reference: torch.Tensor) -> float:
    """Distance relative to the reference, both as vectors."""
    assert value.shape == reference.shape
    value, reference = value.detach().double(), reference.detach().double()
    return float(torch.linalg.vector_norm(value - reference) / torch.linalg.vector_norm(reference).clamp_min(1e-30))


@pytest.fixture(name="deviation")
def _deviation() -> Callable[[torch.Tensor, torch.Tensor], float]:
    return deviation


@pytest.fixture
def make_config(tmp_path: Path) -> Callable[..., Config]:
    """Config of a small model; keyword arguments: top-level keys, `encoder`, `generator`, `settings`, or lists."""

    def make(
        encoder: dict[str, Any] | None = None,
        generator: dict[str, Any] | None = None,
        settings: dict[str, Any] | None = None,
        encoders: list[dict[str, Any]] | None = None,
        generators: list[dict[str, Any]] | None = None,
        **keys: Any,
    ) -> Config:
        small = {"type": "Pool", "observation_passes": ["beauty", "normal", "id"], "representation_dim": 12}
        small |= {"render_size": 8, "sharpening": 100, "final_sharpening": 50, "sharpen_sigmoid": 200}
        head = {"type": "PixelCNN", "query_passes": ["position", "id"], "output_passes": ["beauty"], "render_size": 8}
        body = {"layers": 2, "hidden_units": 16, "end_relu": False, **(settings or {})}
        data = {"batch_size": 3, "views_per_scene": 3, **keys}
        data["model"] = {
            "representations": [small | change for change in (encoders or [encoder or {}])],
            "generators": [head | {"settings": body} | change for change in (generators or [generator or {}])],
        }
        return parse_config(data, "test.json", tmp_path)

    return make


@pytest.fixture
def make_batch() -> Callable[..., Batch]:
    """Random batch that fits a config."""

    def make(config: Config, scenes: int = 3, views: int = 2, size: int = 8, factor: int | None = 1) -> Batch:
        def images(names: tuple[str, ...], *lead: int) -> dict[str, torch.Tensor]:
            return {name: torch.rand(*lead, BUFFERS[name].channels, size, size) for name in names}

        return Batch(
            observations=images(config.observation_passes, scenes, views),
            observation_poses=torch.randn(scenes, views, 16),
            queries=images(config.query_passes, scenes),
            query_poses=torch.randn(scenes, 16),
            factor=factor,
            name="random",
        )

    return make
