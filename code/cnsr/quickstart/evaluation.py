"""How well a trained model predicts rooms that it has never seen, and whether it uses what it observes of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from cnsr.datasets.batch import Batch
from cnsr.models.model import SceneModel
from cnsr.training.metrics import display_referred, image_metrics, psnr


@dataclass(frozen=True)
class Prediction:
    """Test scenes with what was predicted for them; images are linear radiance.

    Attributes:
        observations: [B, N, 3, H, W], what the encoder saw (its beauty pass).
        reference: [B, 3, H, W], the path-traced query.
        image: [B, 3, H, W], predicted with the scene's own representation.
        swapped: [B, 3, H, W], predicted with the representation of the next scene of the batch.
    """

    observations: Tensor
    reference: Tensor
    image: Tensor
    swapped: Tensor


@torch.no_grad()
def predictions(model: SceneModel, batches: Iterable[Batch], iteration: int, output_pass: str) -> Iterator[Prediction]:
    """Yield the predictions for each batch of independent scenes.

    Args:
        model: in evaluation mode, on the CPU.
        batches: test batches of at least two scenes.
        iteration: of the checkpoint; sets the slope of the partition masks.
        output_pass: the buffer to be predicted.
    """
    for batch in batches:
        representations = model.encode(batch.observations, batch.observation_poses, iteration)
        others = [representation.roll(1, dims=0) for representation in representations]
        own, other = (
            model.predict(batch.queries, batch.query_poses, chosen)[output_pass] for chosen in (representations, others)
        )
        yield Prediction(batch.observations["beauty"], batch.queries[output_pass], own, other)


def mean_image(images: Iterable[Tensor]) -> Tensor:
    """Return the mean [3, H, W] of display-referred images, given as linear radiance [B, 3, H, W].

    Of all fixed images it has the least mean squared error on a screen, which makes it the hardest one to beat.

    Raises:
        ValueError: there are no images.
    """
    total, count = None, 0
    for batch in images:
        shown = display_referred(batch).double()
        total = shown.sum(0) if total is None else total + shown.sum(0)
        count += len(batch)
    if total is None:
        raise ValueError("the mean of no images")
    return (total / count).float()


def summarize(results: Iterable[Prediction], baseline: Tensor) -> dict[str, float]:
    """Return ``psnr``, ``ssim``, ``swapped_psnr``, ``swapped_ssim`` and ``baseline_psnr``, averaged over images.

    Args:
        results: predictions for test scenes.
        baseline: display-referred image [3, H, W] that is predicted whatever the scene.
    """
    scores: dict[str, list[Tensor]] = {}
    for result in results:
        own = image_metrics(result.image, result.reference)
        swapped = image_metrics(result.swapped, result.reference)
        fixed = _linear(baseline).expand_as(result.reference)
        named = {
            "psnr": own["psnr"],
            "ssim": own["ssim"],
            "swapped_psnr": swapped["psnr"],
            "swapped_ssim": swapped["ssim"],
            "baseline_psnr": psnr(fixed, result.reference),
        }
        for name, values in named.items():
            scores.setdefault(name, []).append(values)
    return {name: torch.cat(values).mean().item() for name, values in scores.items()}


def _linear(shown: Tensor) -> Tensor:
    """Undo the sRGB curve of values in [0, 1]."""
    return torch.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)
