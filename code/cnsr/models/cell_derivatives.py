"""Derivatives of one step of a recurrent cell, for many directions at once.

Around given values a step is linear. Its derivative goes forward, from changes of state and inputs to that of the next
state, and backward, from the gradient of the next state to those of state and inputs. Maps lie pixels first, and
factors that the values fix are [s, s, 1, H]. The convolutions are products of spectra (`cnsr.models.fourier`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from cnsr.models.fourier import Fourier, flipped


@dataclass(frozen=True)
class Kernels:
    """Spectra of a convolution's weights, for one direction.

    Attributes:
        on_hidden: [frequencies, H, gates H], or backward [frequencies, gates H, H].
        on_maps: the same for the other maps that the cell sees.
    """

    on_hidden: Tensor
    on_maps: Tensor


@dataclass(frozen=True)
class Change:
    """A change of what goes into a step, for B directions; `None` is no change.

    Attributes:
        state: [s, s, B, H] each, as the cell hands them on.
        hidden: spectrum of the first of them, [frequencies, B, H].
        maps: spectrum of the other maps, [frequencies, B, m].
        constants: what each of the cell's convolutions makes of a vector's change, [s, s, B, gates H] each.
    """

    state: tuple[Tensor, ...] | None
    hidden: Tensor | None
    maps: Tensor
    constants: tuple[Tensor, ...] | None


@dataclass(frozen=True)
class Gradient:
    """Gradients with respect to what goes into a step, for B outputs.

    Attributes:
        state: [s, s, B, H] each; `None` where the step is the first one.
        maps: [s, s, B, m].
        convolved: with respect to the result of each of the cell's convolutions, [s, s, B, gates H].
    """

    state: tuple[Tensor, ...] | None
    maps: Tensor
    convolved: tuple[Tensor, ...]


class CellDerivative(ABC):
    """Base of the derivatives.

    Args:
        weights: of each of the cell's convolutions, those of its gates: [H, H + inputs, k, k].
    """

    states: ClassVar[int]
    """How many maps the cell hands on."""

    def __init__(self, weights: Sequence[Sequence[Tensor]]) -> None:
        self.weights = weights

    def kernels(self, fourier: Fourier, maps: Sequence[int], backward: bool) -> list[Kernels]:
        """Return the spectra of each convolution's weights.

        Args:
            fourier: transforms them.
            maps: channels of the inputs, behind the hidden state's, that are maps.
            backward: for `backward` instead of `forward`.
        """
        made = []
        for layers in self.weights:
            stacked = torch.cat(list(layers))
            parts = stacked[:, : len(layers[0])], stacked[:, maps]
            made.append(Kernels(*(fourier.kernels(flipped(part) if backward else part) for part in parts)))
        return made

    @abstractmethod
    def forward(self, fourier: Fourier, kernels: Sequence[Kernels], change: Change) -> tuple[Tensor, ...]:
        """Return the change of the next state, [s, s, B, H] each."""

    @abstractmethod
    def backward(self, fourier: Fourier, kernels: Sequence[Kernels], state: tuple[Tensor, ...]) -> Gradient:
        """Return the gradients, from those with respect to the next state."""


class LSTMDerivative(CellDerivative):
    """Derivative of a step of an LSTM.

    Args:
        weights: of its only convolution.
        gates: values of forget, input, output and state gates, [1, H, s, s] each.
        memory: c before the step, [1, H, s, s], or `None` for 0.
        following: c after the step.
    """

    states = 2

    def __init__(
        self, weights: Sequence[Sequence[Tensor]], gates: Sequence[Tensor], memory: Tensor | None, following: Tensor
    ) -> None:
        super().__init__(weights)
        forget, enter, leave, new = gates
        shown = torch.tanh(following)
        self.first = memory is None
        self.forget = pixels_first(forget)
        self.shown = pixels_first(leave * (1 - shown.square()))  # dh / dc
        slopes = (
            torch.zeros_like(forget) if memory is None else memory * forget * (1 - forget),
            new * enter * (1 - enter),
            shown * leave * (1 - leave),
            enter * (1 - new.square()),
        )
        self.slopes = pixels_first(torch.cat(slopes, dim=1))  # of c, c, h and c by what the gates' convolutions give

    def forward(self, fourier: Fourier, kernels: Sequence[Kernels], change: Change) -> tuple[Tensor, ...]:
        """Return the changes of h and c."""
        gates = _convolved(fourier, kernels[0], change.hidden, change.maps)
        if change.constants is not None:
            gates += change.constants[0]
        forget, enter, leave, new = gates.mul_(self.slopes).chunk(4, dim=-1)
        following = forget + enter
        following += new
        if change.state is not None:
            following.addcmul_(self.forget, change.state[1])
        return torch.addcmul(leave, self.shown, following), following

    def backward(self, fourier: Fourier, kernels: Sequence[Kernels], state: tuple[Tensor, ...]) -> Gradient:
        """Return the gradients, from those of h and c."""
        of_hidden, of_following = state
        change = torch.addcmul(of_following, self.shown, of_hidden)
        convolved = torch.cat((change, change, of_hidden, change), dim=-1).mul_(self.slopes)
        spectrum = fourier.data(convolved)
        maps = fourier.inverse(fourier.products([(spectrum, kernels[0].on_maps)]))
        if self.first:
            return Gradient(None, maps, (convolved,))
        hidden = fourier.inverse(fourier.products([(spectrum, kernels[0].on_hidden)]))
        return Gradient((hidden, change.mul_(self.forget)), maps, (convolved,))


class GRUDerivative(CellDerivative):
    """Derivative of a step of a GRU.

    Args:
        weights: of its two convolutions: that of the gates, and that of the new values.
        hidden: h before the step, [1, H, s, s], or `None` for 0.
        reset: values of the gate.
        update: values of the gate.
        new: tanh of the second convolution.
    """

    states = 1

    def __init__(
        self, weights: Sequence[Sequence[Tensor]], hidden: Tensor | None, reset: Tensor, update: Tensor, new: Tensor
    ) -> None:
        super().__init__(weights)
        self.first = hidden is None
        before = torch.zeros_like(new) if hidden is None else hidden
        self.reset, self.update, self.stays = (pixels_first(part) for part in (reset, update, 1 - update))
        self.of_reset = pixels_first(before * reset * (1 - reset))  # slope of the kept h
        self.of_update = pixels_first((new - before) * update * (1 - update))  # of the next h
        self.of_new = pixels_first(update * (1 - new.square()))

    def forward(self, fourier: Fourier, kernels: Sequence[Kernels], change: Change) -> tuple[Tensor, ...]:
        """Return the change of h."""
        gates = _convolved(fourier, kernels[0], change.hidden, change.maps)
        if change.constants is not None:
            gates += change.constants[0]
        reset, update = gates.chunk(2, dim=-1)
        kept = None
        if change.state is not None:
            kept = fourier.data(torch.addcmul(self.of_reset * reset, self.reset, change.state[0]))
        following = self.of_update * update
        new = _convolved(fourier, kernels[1], kept, change.maps)
        if change.constants is not None:
            new += change.constants[1]
        following.addcmul_(self.of_new, new)
        return (following if change.state is None else following.addcmul_(self.stays, change.state[0]),)

    def backward(self, fourier: Fourier, kernels: Sequence[Kernels], state: tuple[Tensor, ...]) -> Gradient:
        """Return the gradients, from that of h."""
        (of_next,) = state
        of_new = self.of_new * of_next
        new = fourier.data(of_new)
        of_kept = None if self.first else fourier.inverse(fourier.products([(new, kernels[1].on_hidden)]))
        of_reset = torch.zeros_like(of_next) if of_kept is None else self.of_reset * of_kept
        of_gates = torch.cat((of_reset, self.of_update * of_next), dim=-1)
        gates = fourier.data(of_gates)
        maps = fourier.inverse(fourier.products([(gates, kernels[0].on_maps), (new, kernels[1].on_maps)]))
        if of_kept is None:
            return Gradient(None, maps, (of_gates, of_new))
        hidden = fourier.inverse(fourier.products([(gates, kernels[0].on_hidden)]))
        hidden.addcmul_(self.stays, of_next).addcmul_(self.reset, of_kept)
        return Gradient((hidden,), maps, (of_gates, of_new))


def pixels_first(maps: Tensor) -> Tensor:
    """Return [B, C, s, s] as [s, s, B, C]."""
    return maps.permute(2, 3, 0, 1).contiguous()


def _convolved(fourier: Fourier, kernels: Kernels, hidden: Tensor | None, maps: Tensor) -> Tensor:
    factors = [(maps, kernels.on_maps)] if hidden is None else [(hidden, kernels.on_hidden), (maps, kernels.on_maps)]
    return fourier.inverse(fourier.products(factors))
