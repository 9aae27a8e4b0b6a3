"""What every generator offers to the model that joins them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor, nn

Told = Callable[[float], object]
"""Is called now and then with how many outputs, or what share of one, are done since; what it raises ends the work."""


@dataclass(frozen=True)
class Given:
    """What a generator knows of a view.

    Attributes:
        buffers: [B, x, S, S], the query passes in the config's order; x may be 0.
        pose: [B, V].
        representation: [B, R, h, w] of the scene; constant over the image where h = w = 1. R may be 0.
        copies: all scenes are copies of one, and get the same latent variables.
    """

    buffers: Tensor
    pose: Tensor
    representation: Tensor
    copies: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes of buffers and representation."""
        return self.buffers.nbytes + self.representation.nbytes


@dataclass(frozen=True)
class Place:
    """Where a generator stands in a model: the numbers of channels around it, and the generators before it.

    Attributes:
        buffers: x, channels of its query passes.
        pose: V.
        representation: R, of all representations that it takes.
        output: channels of its output passes.
        earlier: the generators that run before it, in order.
    """

    buffers: int
    pose: int
    representation: int
    output: int
    earlier: tuple[Generator, ...] = ()


@dataclass(frozen=True)
class Step:
    """What a generator makes of a view whose target is known.

    Attributes:
        image: [B, C, S, S], linear.
        losses: scalars by name; their sum is to be made small. Empty for a generator that does not learn.
        notes: scalars by name that are only logged.
    """

    image: Tensor
    losses: Mapping[str, Tensor]
    notes: Mapping[str, Tensor] = field(default_factory=dict)


class ImageDerivative(ABC):
    """Gradients of single numbers of a generator's image, many at a time, for one view."""

    @abstractmethod
    def gradients(self, outputs: Tensor, memory: int, told: Told) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield gradients with respect to buffers [k, x, S, S] and representation [k, R, h, w], of k outputs at a time.

        Args:
            outputs: [m, 3], the channel, row and column of each number.
            memory: bytes to work in, which also says how many gradients come at a time; not less than `least_memory`.
            told: all calls together add up to m.
        """

    @property
    @abstractmethod
    def least_memory(self) -> int:
        """Bytes without which single gradients are the better way."""


class Generator(nn.Module, ABC):
    """Base of all generators. Images are linear, [B, C, S, S], output passes concatenated in the config's order.

    Attributes:
        keeps_much: whether training keeps so much of its hidden values that, beside them, those of the encoders do not
            matter, and making room for them anew in each step takes time that matters.
    """

    keeps_much: ClassVar[bool] = False

    @abstractmethod
    def training_step(self, given: Given, target: Tensor, iteration: int) -> Step:
        """Return the image, and the losses against the linear target [B, C, S, S]."""

    @abstractmethod
    def sample(self, given: Given) -> Tensor:
        """Return the image for a view whose target nobody knows."""

    @property
    def pointwise(self) -> bool:
        """Whether each pixel of the image follows from this pixel's buffers, the pose and the representation alone.

        Then an image of a single pixel is as good as any: `sample` takes any size.
        """
        return False

    def derivative(self, given: Given, outputs: int) -> ImageDerivative | None:  # noqa: ARG002 - most have none
        """Return the derivative of what `sample` makes of one view, if that is faster than a backward pass for each.

        Args:
            given: the view; `sample` would draw the same random numbers for it.
            outputs: of how many numbers in the image there are to be gradients.
        """
        return None

    def initialize_output(self, target: Tensor) -> None:
        """Adapt a fresh generator to the targets that it will see, of which [B, C, S, S] are some."""
