"""Generators without weights of their own: sums of buffers, and earlier generators used again."""

from __future__ import annotations

import torch
from torch import Tensor

from cnsr.config import CopyConfig, SumConfig
from cnsr.models.generator import Generator, Given, ImageDerivative, Place, Step


class Sum(Generator):
    """Adds its query passes, which all have as many channels as its output. It has no loss: nothing of it can learn.

    Gradients of later generators' losses reach what it adds, where that came from earlier generators.
    """

    def __init__(self, config: SumConfig, place: Place) -> None:  # noqa: ARG002 - as all generators
        super().__init__()
        self.channels = place.output

    def training_step(self, given: Given, target: Tensor, iteration: int) -> Step:  # noqa: ARG002 - as all generators
        """Return the sum of the passes, and no losses."""
        return Step(self.sample(given), losses={})

    def sample(self, given: Given) -> Tensor:
        """Return the sum of the passes, [B, C, S, S] in float32."""
        return torch.stack(torch.split(given.buffers.float(), self.channels, dim=1)).sum(dim=0)

    @property
    def pointwise(self) -> bool:
        """Sums are."""
        return True


class Copy(Generator):
    """An earlier generator once more, with the same weights but query and output passes of its own.

    The weights belong to the earlier generator alone: they are no parameters of this one, and no part of its state.
    """

    def __init__(self, config: CopyConfig, place: Place) -> None:
        super().__init__()
        # A module that is held in a tuple is not registered as a part.
        self._copied = (place.earlier[config.settings.index],)

    def training_step(self, given: Given, target: Tensor, iteration: int) -> Step:
        """Return what the copied generator makes of the view, and its losses."""
        return self._copied[0].training_step(given, target, iteration)

    def sample(self, given: Given) -> Tensor:
        """Return what the copied generator makes of the view."""
        return self._copied[0].sample(given)

    @property
    def pointwise(self) -> bool:
        """As the copied generator."""
        return self._copied[0].pointwise

    def derivative(self, given: Given, outputs: int) -> ImageDerivative | None:
        """As the copied generator."""
        return self._copied[0].derivative(given, outputs)
