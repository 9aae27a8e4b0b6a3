"""Gradient x input attributions of any outputs of a model, for one scene.

The attribution of an input x to an output o is (do/dx) x (Shrikumar et al., *Not Just a Black Box: Learning Important
Features Through Propagating Activation Differences*, 2016). That of several outputs is the mean of the absolute values
of each of them: gradients of different outputs are never added up, since they would cancel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cnsr.attribution.generators import QueryView, pixel_gradients
from cnsr.attribution.observations import ObservedScene
from cnsr.attribution.outputs import Channels, Outputs, Patch
from cnsr.attribution.parallel import Room
from cnsr.datasets.batch import Batch
from cnsr.models.model import SceneModel

MEMORY = 2**30
"""Bytes to work in, unless told otherwise."""

_COPIES_ON_GPU = 64
_CHANNELS = 256
"""Outputs of the representation to take at a time."""

Progress = Callable[[float], object]


@dataclass(frozen=True)
class Attribution:
    """Mean over outputs of |gradient x input|, for every number that the networks are given; on the CPU.

    Attributes:
        queries: {pass: [C, H, W]}, the query buffers on which the outputs can depend.
        observations: {pass: [N, C, H, W]}.
        representations: [R, h, w] of each encoder.
        outputs: how many outputs the mean is of.
    """

    queries: dict[str, Tensor]
    observations: dict[str, Tensor]
    representations: tuple[Tensor, ...]
    outputs: int

    def partition_totals(self, encoder: int, partitions: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the summed attribution of each partition's channels (`Representation.partitions`), by its name."""
        values = self.representations[encoder]
        return {name: total(values[channels.cpu()]) for name, channels in partitions.items()}


def total(values: Tensor) -> float:
    """Return the summed attribution of a buffer or representation; summed in float64, since there are many."""
    return float(values.sum(dtype=torch.float64))


class Attributor:
    """Attributes outputs of a model to its inputs, for one scene.

    What depends on the scene alone is computed once: the representation, and with the first output that needs it the
    Jacobian of the encoders.

    Args:
        model: the networks; they are only read, but must not be used by anyone else at the same time.
        batch: a single scene, on the model's device, with any number of observations.
        iteration: how long the model has been trained; sets the slope of the partition masks.
        memory: bytes to work in beyond model and scene. One gradient at a time is computed even if that needs more.
        copies: how many gradients that go through whole networks (encoders, U-Net, GQN) are computed at once, each by a
            copy of the scene. By default 64 on a GPU, and 1 on the CPU, where more are not faster; U-Net and GQN then
            go their own ways (`Generator.derivative`). Copies may be rounded otherwise than the scene alone: a ReLU
            whose input is 0 but for rounding then takes its other side.

    Raises:
        ValueError: the batch holds several scenes.
    """

    def __init__(
        self,
        model: SceneModel,
        batch: Batch,
        iteration: int | None = None,
        memory: int = MEMORY,
        copies: int | None = None,
    ) -> None:
        if batch.scene_count != 1:
            raise ValueError(f"expected one scene, found {batch.scene_count}")
        self.model, self.batch = model, batch
        self.room = Room(memory, copies or (1 if batch.query_poses.device.type == "cpu" else _COPIES_ON_GPU))
        with _frozen(model):
            self._observed = ObservedScene(model, batch.observations, batch.observation_poses, iteration, self.room)

    @property
    def representations(self) -> tuple[Tensor, ...]:
        """What the encoders make of the scene, [R, h, w] each."""
        return tuple(part[0] for part in self._observed.representations)

    def attribute(self, outputs: Outputs, progress: Progress | None = None) -> Attribution:
        """Return the attribution of some outputs to all inputs.

        Generators with latent variables draw them as `cnsr.training.evaluation.predict` does.

        Args:
            outputs: pixels, or channels of the representation.
            progress: called now and then with the share that is done; what it raises stops the computation.

        Raises:
            ValueError: the model has no such outputs.
        """
        outputs.check(self.model.representation.config)
        with _frozen(self.model):
            return self._patch(outputs, progress) if isinstance(outputs, Patch) else self._channels(outputs, progress)

    def _patch(self, patch: Patch, progress: Progress | None) -> Attribution:
        view = QueryView(self.batch.queries, self.batch.query_poses, self._observed.representations)
        task = _Task(self._observed, view.vector, patch.count, progress)
        queries: dict[str, Tensor] = {}
        for some in pixel_gradients(self.model, view, patch, self.room.part(1 / 2), task.advance):
            for name, values in some.queries.items():
                queries[name] = queries[name] + values if name in queries else values
            task.add(some.rows)
        return task.result(queries)

    def _channels(self, chosen: Channels, progress: Progress | None) -> Attribution:
        places = torch.arange(self._observed.size, device=self.batch.query_poses.device)
        parts = torch.split(places, [part.numel() for part in self._observed.representations])
        shape = self._observed.representations[chosen.encoder].shape[1:]
        selected = parts[chosen.encoder].view(shape)[list(chosen.channels)].flatten()
        vector = torch.cat([part.flatten() for part in self._observed.representations])
        task = _Task(self._observed, vector, len(selected), progress)
        for some in torch.split(selected, _CHANNELS):
            task.add(F.one_hot(some, len(places)).to(vector.dtype))
            task.advance(len(some))
        return task.result({})


class _Task:
    """Sums over the outputs of one attribution, as far as they concern representation and observations."""

    def __init__(self, scene: ObservedScene, vector: Tensor, outputs: int, progress: Progress | None) -> None:
        self.scene, self.vector, self.outputs, self.progress = scene, vector, outputs, progress
        self.representation = torch.zeros_like(vector)
        self.done = 0.0
        self.work = outputs
        if scene.jacobian_pays(outputs) and not scene.has_jacobian:
            self.work += scene.size
            scene.make_jacobian(self.advance)
        self.observations = scene.sums(outputs)
        if self.observations.takes_long:
            self.work += outputs

    def add(self, rows: Tensor) -> None:
        """Add outputs by their gradients [k, sum of R_i h_i w_i] with respect to the representation."""
        self.representation += (rows * self.vector).abs().sum(dim=0)
        self.observations.add(rows, self.advance)

    def result(self, queries: Mapping[str, Tensor]) -> Attribution:
        """Return the means, with those of the query buffers from their sums."""
        parts = self.scene.representations
        split = torch.split(self.representation, [part.numel() for part in parts])
        return Attribution(
            queries={name: self._mean(values) for name, values in queries.items()},
            observations={name: self._mean(values) for name, values in self.observations.values.items()},
            representations=_shaped([self._mean(values) for values in split], parts),
            outputs=self.outputs,
        )

    def _mean(self, values: Tensor) -> Tensor:
        return (values / self.outputs).cpu()

    def advance(self, outputs: float) -> None:
        """Count outputs, or parts of them, as done."""
        self.done += outputs
        if self.progress is not None:
            self.progress(min(1.0, self.done / self.work))  # sums of shares are rounded


def _shaped(values: Sequence[Tensor], like: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return tuple(value.view(part.shape[1:]) for value, part in zip(values, like, strict=True))


@contextmanager
def _frozen(model: SceneModel) -> Iterator[None]:
    """Evaluation mode, and no gradients of weights."""
    training, learning = model.training, [weight for weight in model.parameters() if weight.requires_grad]
    model.eval()
    try:
        for weight in learning:
            weight.requires_grad_(False)
        yield
    finally:
        for weight in learning:
            weight.requires_grad_(True)
        model.train(training)
