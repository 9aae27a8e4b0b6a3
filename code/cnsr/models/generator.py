"""What every generator offers to the model that joins them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Given:
    """What a generator knows of a view.

    Attributes:
        buffers: [B, x, S, S], the query passes in the config's order; x may be 0.
        pose: [B, V].
        representation: [B, R, h, w] of the scene; constant over the image where h = w = 1. R may be 0.
    """

    buffers: Tensor
    pose: Tensor
    representation: Tensor


@dataclass(frozen=True)
class Channels:
    """Numbers of channels around a generator: buffers (x), pose (V), representation (R), output."""

    buffers: int
    pose: int
    representation: int
    output: int


class Generator(nn.Module, ABC):
    """Base of all generators. Images are linear, [B, C, S, S], output passes concatenated in the config's order."""

    @abstractmethod
    def training_step(self, given: Given, target: Tensor, iteration: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the image, and the losses against the linear target by name; their sum is to be made small."""

    @abstractmethod
    def sample(self, given: Given) -> Tensor:
        """Return the image for a view whose target nobody knows."""

    def initialize_output(self, target: Tensor) -> None:
        """Adapt a fresh generator to the targets that it will see, of which [B, C, S, S] are some."""
