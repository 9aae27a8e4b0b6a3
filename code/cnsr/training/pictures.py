"""Pictures of what a model sees, should show and does show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from cnsr.buffers import BUFFERS, Display
from cnsr.config import Config
from cnsr.datasets.batch import Batch
from cnsr.models.inputs import target_image
from cnsr.training.evaluation import outputs_of_generators
from cnsr.training.metrics import display_referred

SCENES = 6
OBSERVATIONS = 3
_GAP = 2  # pixels between images
_GOLDEN = 0.6180339887


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
            displayed(observed, batch.observations[observed][:SCENES, view])
            for view in range(min(OBSERVATIONS, batch.view_count))
        ]
        columns += [displayed(name, reference), displayed(name, prediction, like=reference)]
        pictures[f"generator{index}/{name}"] = tiled(columns)
    return pictures


def displayed(name: str, image: Tensor, like: Tensor | None = None) -> Tensor:
    """Return the buffer `name`, [B, C, H, W], as colors to look at, [B, 3, H, W] in [0, 1].

    Args:
        name: of the buffer, which decides how it is shown.
        image: its linear values.
        like: images whose range decides the scale of positions and distances; by default `image`.
    """
    image = image.float().nan_to_num()
    like = image if like is None else like.float()
    match BUFFERS[name].display:
        case Display.RADIANCE | Display.COLOR:
            colors = display_referred(image)
        case Display.DIRECTION:
            colors = (image + 1) / 2
        case Display.POSITION:
            low, high = like.amin((2, 3), keepdim=True), like.amax((2, 3), keepdim=True)
            colors = (image - low) / (high - low).clamp(min=1e-6)
        case Display.DISTANCE:
            colors = image / like.amax((2, 3), keepdim=True).clamp(min=1e-6)
        case Display.FRACTION:
            colors = image
        case Display.LABEL:
            # Multiples of the golden ratio spread hues evenly, however many labels there are.
            hues = 2 * math.pi * (image * _GOLDEN + torch.tensor([0.0, 1 / 3, 2 / 3]).view(1, 3, 1, 1))
            colors = 0.5 + 0.5 * torch.cos(hues)
    return colors.clamp(0, 1).expand(-1, 3, -1, -1)


def tiled(columns: list[Tensor]) -> NDArray[np.uint8]:
    """Return one picture [H, W, 3] of `columns`, each [rows, 3, h, w] in [0, 1]; smaller ones are enlarged."""
    size = max(column.shape[-1] for column in columns)
    images = torch.stack([F.interpolate(column, size=(size, size), mode="nearest") for column in columns], 1)
    images = F.pad(images, (0, _GAP, 0, _GAP), value=1.0)  # [rows, columns, 3, h, w]
    rows, count, _, height, width = images.shape
    picture = images.permute(0, 3, 1, 4, 2).reshape(rows * height, count * width, 3)
    return (picture[:-_GAP, :-_GAP] * 255).round().to(torch.uint8).numpy()
