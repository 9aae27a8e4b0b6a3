"""Gradient x input as its definition says: one backward pass through the whole model for each output."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from cnsr.attribution.outputs import Channels, Outputs, Patch
from cnsr.datasets.batch import Batch
from cnsr.models.model import SceneModel
from cnsr.training.evaluation import same_noise


class PlainLoop:
    """The graph of a whole model, of which single outputs are differentiated.

    Attributes:
        inputs: by name: ``query/<pass>``, ``observation/<pass>``, ``representation/<index>``.
    """

    def __init__(self, model: SceneModel, batch: Batch, iteration: int | None = None) -> None:
        model.eval().requires_grad_(False)
        queries = {name: image.clone().requires_grad_() for name, image in batch.queries.items()}
        observations = {name: image.clone().requires_grad_() for name, image in batch.observations.items()}
        with same_noise(model):
            self.representations = model.encode(observations, batch.observation_poses, iteration)
            self.images = model.predict_each(queries, batch.query_poses, self.representations)
        self.inputs: dict[str, Tensor] = {f"query/{name}": image for name, image in queries.items()}
        self.inputs |= {f"observation/{name}": image for name, image in observations.items()}
        self.inputs |= {f"representation/{index}": part for index, part in enumerate(self.representations)}

    def outputs(self, chosen: Outputs) -> Tensor:
        """Return the chosen outputs as one vector."""
        if isinstance(chosen, Channels):
            return self.representations[chosen.encoder][0, list(chosen.channels)].flatten()
        assert isinstance(chosen, Patch)
        image = self.images[chosen.generator][chosen.name][0]
        return image[:, chosen.top : chosen.top + chosen.height, chosen.left : chosen.left + chosen.width].flatten()

    def attribution(self, output: Tensor) -> dict[str, Tensor]:
        """Return |gradient x input| of a scalar by the inputs' names, without the dimension of scenes."""
        inputs = list(self.inputs.values())
        found = torch.autograd.grad(output, inputs, retain_graph=True, materialize_grads=True)
        return {
            name: (gradient * value).abs()[0].detach()
            for name, value, gradient in zip(self.inputs, inputs, found, strict=True)
        }

    def mean(self, chosen: Outputs) -> dict[str, Tensor]:
        """Return the mean over all chosen outputs, in float64."""
        return mean_of(self.attribution(output) for output in self.outputs(chosen))


def mean_of(attributions: Iterator[dict[str, Tensor]] | Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the mean of attributions in float64."""
    sums: dict[str, Tensor] = {}
    count = 0
    for found in attributions:
        count += 1
        for name, values in found.items():
            sums[name] = sums[name] + values.double() if name in sums else values.double()
    return {name: values / count for name, values in sums.items()}
