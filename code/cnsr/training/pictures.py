"""Pictures of what a model sees, should show and does show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cnsr.config import Config
from cnsr.datasets.batch import Batch
from cnsr.display import displayed
from cnsr.models.inputs import target_image
from cnsr.training.evaluation import outputs_of_generators

SCENES = 6
OBSERVATIONS = 3
_GAP = 2  # pixels between images


def comparison_pictures(
    config: Config, batch: Batch, predictions: Sequence[Mapping[str, Tensor]]
) -> dict[str, NDArray[np.uint8]]:
    """Return a picture [H, W, 3] for every image that each generator predicts, by ``generator<i>/<pass>``.

    Each row is a scene: up to three of its observations, the reference, the prediction.

    Args:
        config: of the model.
        batch: on the CPU.
        predictions: {pass: [B, C, H, W]} of the batch's queries, from each generator.
    """
    seen = config.model.representations[0].observation_passes
    observed = config.model.output_pass if config.model.output_pass in seen else seen[0]
    pictures = {}
    for index, name in outputs_of_generators(config):
        prediction = predictions[index][name][:SCENES]
        reference = target_image(batch.queries, (name,), prediction.shape[-1])[:SCENES]
        columns = [
            displayed(observed, _channels_last(batch.observations[observed][:SCENES, view]))
            for view in range(min(OBSERVATIONS, batch.view_count))
        ]
        true = _channels_last(reference)
        columns += [displayed(name, true), displayed(name, _channels_last(prediction), like=true)]
        pictures[f"generator{index}/{name}"] = tiled(columns)
    return pictures


def tiled(columns: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return one picture [H, W, 3] of `columns`, each [rows, h, h, 3]; smaller images are enlarged."""
    size = max(column.shape[1] for column in columns)
    rows = len(columns[0])
    picture = np.full((rows, size + _GAP, len(columns), size + _GAP, 3), 255, np.uint8)
    for index, column in enumerate(columns):
        nearest = np.arange(size) * column.shape[1] // size
        picture[:, :size, index, :size] = column[:, nearest][:, :, nearest]
    return picture.reshape(rows * (size + _GAP), -1, 3)[:-_GAP, :-_GAP]


def _channels_last(images: Tensor) -> NDArray[np.float32]:
    """Return images [B, C, H, W] as [B, H, W, C]."""
    return images.float().permute(0, 2, 3, 1).numpy()
