"""What the networks make of rendered views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cnsr.buffers import BUFFERS
from cnsr.models.inputs import network_input, target_image
from cnsr.training.evaluation import inference
from cnsr.training.inference import TrainedModel
from cnsr.training.metrics import psnr
from cnsr.viewers.refinement import Images, RefinedView


@dataclass(frozen=True, eq=False)
class Predicted:
    """A prediction of one view.

    Attributes:
        outputs: {pass: linear, float32 [S, S, C]} of each generator.
        given: {pass: float32 [S, S, C]} that the last generator was given, as it sees them: resized, masked, and
            predicted by earlier generators where the config says so.
        psnr: {pass: dB} of each generator, against what was rendered of the view so far.
    """

    outputs: tuple[Images, ...]
    given: Images
    psnr: tuple[dict[str, float], ...]


class Predictor:
    """Predicts views of a scene, and encodes its observations only when they change.

    Args:
        trained: the networks.
    """

    def __init__(self, trained: TrainedModel) -> None:
        self.trained = trained
        self._encoded: tuple[Sequence[RefinedView], tuple[Tensor, ...]] | None = None

    def predict(self, query: RefinedView, observations: Sequence[RefinedView]) -> Predicted:
        """Return the prediction of the query view.

        Args:
            query: with the config's query passes; what it holds of the targets is only compared with.
            observations: with the config's observation passes. The same object gives the same representation.
        """
        model = self.trained.model
        queries = {name: self._tensor(image[None]) for name, image in query.images.items()}  # [1, C, H, W]
        with inference(model):
            outputs = model.predict_each(queries, self._poses([query]), self._representations(observations))
            given = self._given(queries, outputs)
        scores = tuple({name: _psnr(name, image, queries) for name, image in images.items()} for images in outputs)
        return Predicted(tuple(_images(images) for images in outputs), _images(given), scores)

    def _representations(self, observations: Sequence[RefinedView]) -> tuple[Tensor, ...]:
        """Return the encoded scene, [1, R, h, w] of each encoder."""
        if self._encoded is None or self._encoded[0] is not observations:
            passes = self.trained.config.observation_passes
            stacked = {name: np.stack([view.images[name] for view in observations]) for name in passes}
            images = {name: self._tensor(views)[None] for name, views in stacked.items()}  # [1, N, C, H, W]
            poses = self._poses(observations)[None]  # [1, N, 16]
            self._encoded = observations, self.trained.model.encode(images, poses, self.trained.iteration)
        return self._encoded[1]

    def _given(self, queries: Mapping[str, Tensor], outputs: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        *earlier, last = self.trained.config.model.generators
        seen = dict(queries)
        for generator, images in zip(earlier, outputs, strict=False):
            if generator.override_sample:
                seen |= images
        if not last.query_passes:
            return {}
        joined = network_input(seen, last.query_passes, last.render_size)
        widths = [BUFFERS[name].channels for name in last.query_passes]
        return dict(zip(last.query_passes, torch.split(joined, widths, dim=1), strict=True))

    def _tensor(self, images: NDArray[np.float32]) -> Tensor:
        """Return images [M, H, W, C] as a tensor [M, C, H, W] on the device of the networks."""
        return torch.from_numpy(np.ascontiguousarray(np.moveaxis(images, -1, 1))).to(self.trained.device)

    def _poses(self, views: Sequence[RefinedView]) -> Tensor:
        poses = np.stack([view.pose for view in views]).astype(np.float32)
        return torch.from_numpy(poses).to(self.trained.device)


def _psnr(name: str, image: Tensor, queries: Mapping[str, Tensor]) -> float:
    return psnr(image.float(), target_image(queries, (name,), image.shape[-1])).item()


def _images(tensors: Mapping[str, Tensor]) -> Images:
    """Return tensors [1, C, S, S] as images [S, S, C]."""
    return {name: tensor[0].float().movedim(0, -1).cpu().numpy().copy() for name, tensor in tensors.items()}
