"""Predictions of held-out scenes, and how good they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
        predictions: {pass: [B, C, H, W]} of the first batch, on the CPU.
    """

    images: dict[str, Tensor]
    first: Batch
    predictions: dict[str, Tensor]

    @property
    def means(self) -> dict[str, float]:
        """Averages over images."""
        return {name: values.mean().item() for name, values in self.images.items()}


def outputs_of_generators(config: Config) -> list[tuple[int, str]]:
    """Return (index of the generator, pass) of every image that a prediction holds.

    Where several generators write the same pass, the last one's image is what is left of it.
    """
    last = {name: index for index, generator in enumerate(config.model.generators) for name in generator.output_passes}
    return sorted((index, name) for name, index in last.items())


@contextmanager
def inference(model: SceneModel) -> Iterator[None]:
    """Evaluation mode without gradients, and random numbers of their own.

    The course of training is the same whether or how often the model is looked at.
    """
    training = model.training
    device = next(model.parameters()).device
    model.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(0)
            yield
    finally:
        model.train(training)


def predict(model: SceneModel, batch: Batch, iteration: int) -> dict[str, Tensor]:
    """Return the predicted images of the query views, {pass: [B, C, H, W]}, linear radiance.

    Args:
        model: the networks.
        batch: on the model's device.
        iteration: how long the model has been trained; sets the slope of the partition masks.
    """
    with inference(model):
        representations = model.encode(batch.observations, batch.observation_poses, iteration)
        return model.predict(batch.queries, batch.query_poses, representations)


def evaluate(model: SceneModel, config: Config, batches: Iterable[Batch], iteration: int) -> Evaluation:
    """Predict the query views of `batches` and compare them with their references.

    A reference is brought to the size of its prediction (nearest pixel), as the losses do. Everything is computed in
    float32, whatever precision the model is trained in.

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
    first: tuple[Batch, dict[str, Tensor]] | None = None
    for batch in batches:
        held = batch.to(device)
        predictions = predict(model, held, iteration)
        for name, values in _compare(config, predictions, held.queries).items():
            collected.setdefault(name, []).append(values.cpu())
        if first is None:
            first = batch.to("cpu"), {name: image.cpu() for name, image in predictions.items()}
    if first is None:
        raise ValueError("no batch to evaluate")
    return Evaluation({name: torch.cat(values) for name, values in collected.items()}, *first)


def _compare(config: Config, predictions: Mapping[str, Tensor], queries: Mapping[str, Tensor]) -> dict[str, Tensor]:
    results: dict[str, Tensor] = {}
    for index, name in outputs_of_generators(config):
        reference = target_image(queries, (name,), predictions[name].shape[-1])
        for metric, values in image_metrics(predictions[name], reference).items():
            results[f"generator{index}/{name}/{metric}"] = values
    return results
