"""Gradients with respect to what the encoders observe, which reaches the outputs through the representation alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from math import prod
from typing import ClassVar

import torch
from torch import Tensor

from cnsr.attribution.parallel import Parallel, Room, batch_within, copies
from cnsr.models.generator import Told
from cnsr.models.model import SceneModel

_BLOCK = 2048
"""Inputs and outputs whose products are formed at a time: few enough for the caches."""


class ObservedScene:
    """A scene's observations, and how its representation depends on them.

    The Jacobian of the representation, once computed, turns the gradient of any output with respect to the
    representation into that with respect to the observations by one product.

    Args:
        model: whose weights need no gradients.
        observations: {pass: [1, N, C, H, W]}.
        poses: [1, N, V].
        iteration: sets the slope of the partition masks.
        room: to work in; half of the memory is for the Jacobian.
    """

    def __init__(
        self,
        model: SceneModel,
        observations: Mapping[str, Tensor],
        poses: Tensor,
        iteration: int | None,
        room: Room,
    ) -> None:
        self.model, self.poses, self.iteration, self.room = model, poses, iteration, room
        self.passes = model.representation.config.observation_passes
        self.images = [observations[name] for name in self.passes]
        with torch.no_grad():
            self.representations = model.encode(observations, poses, iteration)
        self.size = sum(part.numel() for part in self.representations)
        self._jacobian: list[Tensor] | None = None

    @property
    def has_jacobian(self) -> bool:
        """Whether the Jacobian is there already."""
        return self._jacobian is not None

    def jacobian_pays(self, outputs: int) -> bool:
        """Return whether the Jacobian is the shorter way for so many outputs, and fits into the memory."""
        inputs = sum(image.numel() for image in self.images)
        fits = self.size * inputs * self.images[0].element_size() <= self.room.memory // 2
        return self.has_jacobian or (outputs >= self.size and fits)

    def make_jacobian(self, told: Told) -> None:
        """Compute the Jacobian, each column multiplied by its input; `told` of its rows."""
        made = [image.new_empty(self.size, image.numel()) for image in self.images]
        evaluated = self._evaluated(self.size)
        eye = torch.eye(self.size, device=self.poses.device, dtype=self.images[0].dtype)
        start = 0
        for rows in torch.split(eye, len(evaluated.output)):
            for whole, image, gradient in zip(made, self.images, evaluated.gradients(rows), strict=True):
                torch.mul(gradient, image, out=whole[start : start + len(rows)].view(gradient.shape))
            start += len(rows)
            told(len(rows))
        self._jacobian = made

    def sums(self, outputs: int) -> ObservationSums:
        """Return an empty sum over so many outputs."""
        return _SumsByJacobian(self, self._jacobian) if self._jacobian else _SumsByEncoder(self, outputs)

    def _evaluated(self, outputs: int) -> Parallel:
        room = self.room.part(1 / 4)
        most = min(room.copies, outputs)
        count = batch_within(room.memory, self._function, self.images, [*self.model.parameters()], most)
        return Parallel(self._function, copies(self.images, count))

    def _function(self, images: Sequence[Tensor]) -> Tensor:
        named = dict(zip(self.passes, images, strict=True))
        poses = self.poses.expand(len(images[0]), -1, -1)
        return torch.cat([part.flatten(1) for part in self.model.encode(named, poses, self.iteration)], dim=1)


class ObservationSums(ABC):
    """|gradient x input| of a scene's observations, summed over outputs.

    Attributes:
        values: {pass: [N, C, H, W]}.
        takes_long: whether each output goes back through the encoders; `add` tells of every single one then.
    """

    takes_long: ClassVar[bool] = False

    def __init__(self, scene: ObservedScene) -> None:
        self.scene = scene
        self.values = {
            name: image.new_zeros(image.shape[1:]) for name, image in zip(scene.passes, scene.images, strict=True)
        }

    @abstractmethod
    def add(self, rows: Tensor, told: Told) -> None:
        """Add outputs, whose gradients with respect to the representation are [k, sum of R_i h_i w_i]."""


class _SumsByJacobian(ObservationSums):
    def __init__(self, scene: ObservedScene, jacobian: Sequence[Tensor]) -> None:
        super().__init__(scene)
        self.jacobian = jacobian

    def add(self, rows: Tensor, told: Told) -> None:  # noqa: ARG002 - takes no time to speak of
        for total, on_inputs in zip(self.values.values(), self.jacobian, strict=True):
            flat = total.view(prod(total.shape))
            for some in torch.split(rows, _BLOCK):
                for columns, part in zip(torch.split(on_inputs, _BLOCK, dim=1), torch.split(flat, _BLOCK), strict=True):
                    part += torch.linalg.vector_norm(some @ columns, ord=1, dim=0)


class _SumsByEncoder(ObservationSums):
    takes_long = True

    def __init__(self, scene: ObservedScene, outputs: int) -> None:
        super().__init__(scene)
        self.evaluated = scene._evaluated(outputs)

    def add(self, rows: Tensor, told: Told) -> None:
        for some in torch.split(rows, len(self.evaluated.output)):
            found = self.evaluated.gradients(some)
            for total, image, gradient in zip(self.values.values(), self.scene.images, found, strict=True):
                total += (gradient * image).abs().sum(dim=0)
            told(len(some))
