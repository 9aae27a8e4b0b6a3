"""Scores and picture of a trained model."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cnsr.config import Config
from cnsr.datasets.loader import test_loader
from cnsr.datasets.source import open_source
from cnsr.display import displayed
from cnsr.models.model import SceneModel
from cnsr.quickstart.evaluation import Prediction, mean_image, predictions, summarize
from cnsr.quickstart.picture import save_picture
from cnsr.training.checkpoints import load_weights, read_checkpoint


def report(config: Config, checkpoint: Path, picture: Path, scenes_shown: int) -> dict[str, float]:
    """Return the scores of `checkpoint` on all test scenes (see ``summarize``) and save a picture of some of them.

    Raises:
        UserError: the checkpoint or the data cannot be used, or the picture cannot be written.
    """
    saved = read_checkpoint(checkpoint)
    model = SceneModel(config).eval()
    load_weights(model, saved, checkpoint, averaged=True)
    goal = config.model.output_pass
    with test_loader(config) as batches:
        results = list(predictions(model, batches, saved.iteration, goal))
    scores = summarize(results, mean_image(_training_images(config, goal)))
    # One scene of each batch: the first, since neighbours in a batch are as independent as scenes of two batches.
    rows = [_row(result, goal) for result in itertools.islice(results, scenes_shown)]
    observed = [f"observation {index + 1}" for index in range(config.views_per_scene - 1)]
    save_picture(picture, [*observed, "reference", "prediction", "other scene's vector"], rows)
    return scores


def _training_images(config: Config, name: str) -> Iterator[Tensor]:
    """Yield the images [views, 3, H, W] of every training batch."""
    from torch import from_numpy

    source = open_source(config, "train", seed=max(config.seed, 0))
    for index in range(source.count or 0):
        pixels = source.read(index).passes[name]  # [S, V, 3, H, W]
        yield from_numpy(pixels.reshape(-1, *pixels.shape[2:]).astype(np.float32))


def _row(result: Prediction, goal: str) -> list[NDArray[np.uint8]]:
    observations = displayed("beauty", _channels_last(result.observations[0]))
    reference, *predicted = (_channels_last(images[0]) for images in (result.reference, result.image, result.swapped))
    return [*observations, *(displayed(goal, image, like=reference) for image in (reference, *predicted))]


def _channels_last(images: Tensor) -> NDArray[np.float32]:
    return images.movedim(-3, -1).numpy()
