import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cnsr.buffers import BUFFERS
from cnsr.config import Config, parse_config
from cnsr.datasets.batch import Batch
from cnsr.models.model import SceneModel

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


def follows(generator: Any, given: Any, formula: Callable[..., torch.Tensor]) -> None:
    """Assert that output and all gradients are those of `formula(weights, buffers, pose, representation)`."""
    weights = {name: value.detach().double().requires_grad_() for name, value in generator.named_parameters()}
    plain = [value.detach().double().requires_grad_() for value in (given.buffers, given.pose, given.representation)]
    result = generator(given)
    reference = formula(weights, *plain)
    assert deviation(result, reference) < 1e-5
    direction = torch.randn(result.shape)
    (result * direction).sum().backward()
    (reference * direction).sum().backward()
    for value, other in zip((given.buffers, given.pose, given.representation), plain, strict=True):
        if value.numel():
            assert deviation(value.grad, other.grad) < 1e-4
    for name, value in generator.named_parameters():
        assert deviation(value.grad, weights[name].grad) < 1e-4, name


@pytest.fixture(name="follows")
def _follows() -> Callable[..., None]:
    return follows


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


def double(batch: Batch) -> Batch:
    """The batch in float64."""
    return replace(
        batch,
        observations={name: image.double() for name, image in batch.observations.items()},
        observation_poses=batch.observation_poses.double(),
        queries={name: image.double() for name, image in batch.queries.items()},
        query_poses=batch.query_poses.double(),
    )


@pytest.fixture
def agrees() -> Callable[..., None]:
    """Check that loss and gradients of a training step are those of the plain formulas, in float64."""

    def check(config: Config, batch: Batch, noise: Sequence[torch.Tensor] = (), iteration: int = 70) -> None:
        """`noise` holds what latent variables are drawn with: standard normal numbers, as torch draws them next."""
        import plain_model

        model = SceneModel(config)
        with torch.no_grad():
            for encoder in model.representation.representations:
                encoder.deltas.normal_()
        if noise:
            torch.manual_seed(99)
            for drawn in noise:
                drawn.normal_()
            torch.manual_seed(99)
        output = model(batch, iteration)
        output.loss.backward()
        weights = {name: value.detach().double().requires_grad_() for name, value in model.named_parameters()}
        loss = plain_model.loss(weights, double(batch), config, iteration, iter([drawn.double() for drawn in noise]))
        loss.backward()
        assert output.loss.item() == pytest.approx(loss.item(), rel=1e-5)
        for name, value in model.named_parameters():
            if not value.requires_grad or weights[name].grad is None:
                assert value.grad is None, name
            else:
                assert deviation(value.grad, weights[name].grad) < 1e-4, name

    return check
