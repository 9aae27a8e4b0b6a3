"""Predictions of held-out scenes, and how good they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from cnsr.config import Config
from cnsr.datasets.batch import Batch
from cnsr.models.inputs import target_image
from cnsr.models.model import SceneModel
from cnsr.training.metrics import image_metrics


@dataclass(frozen=True)
class Evaluation:
    """Metrics of predictions.

    Attributes:
        images: {name: [images]}, the metrics of every image in the order of the batches, under the names
            ``generator<i>/<pass>/<metric>``.
        first: the first batch, on the CPU.
        predictions: {pass: [B, C, H, W]} of each generator for the first batch, on the CPU.
    """

    images: dict[str, Tensor]
    first: Batch
    predictions: tuple[dict[str, Tensor], ...]

    @property
    def means(self) -> dict[str, float]:
        """Averages over images."""
        return {name: values.mean().item() for name, values in self.images.items()}


def outputs_of_generators(config: Config) -> list[tuple[int, str]]:
    """Return (index of the generator, pass) of every image that the generators make, in their order."""
    return [(index, name) for index, made in enumerate(config.model.generators) for name in made.output_passes]


@contextmanager
def inference(model: SceneModel) -> Iterator[None]:
    """Evaluation mode without gradients, and random numbers of their own.

    The course of training is the same whether or how often the model is looked at.
    """
    training = model.training
    model.eval()
    try:
        with torch.no_grad(), same_noise(model):
            yield
    finally:
        model.train(training)


@contextmanager
def same_noise(model: SceneModel) -> Iterator[None]:
    """Let latent variables be drawn alike whenever the model is looked at; training's random numbers go on after."""
    device = next(model.parameters()).device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        yield


def predict(model: SceneModel, batch: Batch, iteration: int) -> tuple[dict[str, Tensor], ...]:
    """Return each generator's images of the query views, {pass: [B, C, H, W]}, linear radiance.

    Latent variables are drawn from their prior.

    Args:
        model: the networks.
        batch: on the model's device.
        iteration: how long the model has been trained; sets the slope of the partition masks.
    """
    with inference(model):
        representations = model.encode(batch.observations, batch.observation_poses, iteration)
        return model.predict_each(batch.queries, batch.query_poses, representations)


def evaluate(model: SceneModel, config: Config, batches: Iterable[Batch], iteration: int) -> Evaluation:
    """Predict the query views of `batches` and compare them with their references.

    Every image of every generator is compared, also where several make the same pass. A reference is brought to the
    size of its prediction (nearest pixel), as the losses do. Everything is computed in float32, whatever precision the
    model is trained in.

    Args:
        model: the networks, on the device to compute on.
        config: what the networks were made by.
        batches: on any device; at least one.
        iteration: how long the model has been trained.

    Raises:
        ValueError: there is no batch.
    """
    device = next(model.parameters()).device
    collected: dict[str, list[Tensor]] = {}
    first: tuple[Batch, tuple[dict[str, Tensor], ...]] | None = None
    for batch in batches:
        held = batch.to(device)
        predictions = predict(model, held, iteration)
        for name, values in _compare(config, predictions, held.queries).items():
            collected.setdefault(name, []).append(values.cpu())
        if first is None:
            shown = tuple({name: image.cpu() for name, image in images.items()} for images in predictions)
            first = batch.to("cpu"), shown
    if first is None:
        raise ValueError("no batch to evaluate")
    return Evaluation({name: torch.cat(values) for name, values in collected.items()}, *first)


def _compare(
    config: Config, predictions: Sequence[Mapping[str, Tensor]], queries: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    results: dict[str, Tensor] = {}
    for index, name in outputs_of_generators(config):
        prediction = predictions[index][name]
        reference = target_image(queries, (name,), prediction.shape[-1])
        for metric, values in image_metrics(prediction, reference).items():
            results[f"generator{index}/{name}/{metric}"] = values
    return results
