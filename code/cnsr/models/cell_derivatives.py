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
    """Spectra of a gate's weights, for one direction.

    Attributes:
        on_hidden: [frequencies, H, H].
        on_maps: for the other maps that the cell sees, [frequencies, m, H], or backward [frequencies, H, m].
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
        constants: what each of the cell's gates makes of a vector's change, [s, s, B, H] each.
    """

    state: tuple[Tensor, ...] | None
    hidden: Tensor | None
    maps: Tensor
    constants: Sequence[Tensor] | None


@dataclass(frozen=True)
class Gradient:
    """Gradients with respect to what goes into a step, for B outputs.

    Attributes:
        state: [s, s, B, H] each; `None` where the step is the first one.
        maps: [s, s, B, m].
        gates: with respect to the result of each gate's convolution, [s, s, B, H].
    """

    state: tuple[Tensor, ...] | None
    maps: Tensor
    gates: tuple[Tensor, ...]


class CellDerivative(ABC):
    """Base of the derivatives.

    Args:
        weights: of each gate, [H, H + inputs, k, k].
    """

    states: ClassVar[int]
    """How many maps the cell hands on."""

    def __init__(self, weights: Sequence[Tensor]) -> None:
        self.weights = weights

    def kernels(
        self, fourier: Fourier, maps: Sequence[int], backward: bool, old: Sequence[Kernels | None]
    ) -> list[Kernels]:
        """Return the spectra of each gate's weights.

        Args:
            fourier: transforms them.
            maps: channels of the inputs, behind the hidden state's, that are maps.
            backward: for `backward` instead of `forward`.
            old: of another step, one for each gate, in whose memory the new ones may lie; or `None`.
        """
        made = []
        for weight, used in zip(self.weights, old, strict=True):
            parts = [weight[:, : len(weight)], weight[:, maps]]
            if backward:
                parts = [flipped(part) for part in parts]
            rooms = (None, None) if used is None else (used.on_hidden, used.on_maps)
            made.append(Kernels(*(fourier.kernels(part, out=room) for part, room in zip(parts, rooms, strict=True))))
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
        weights: of each gate.
        gates: values of forget, input, output and state gates, [1, H, s, s] each.
        memory: c before the step, [1, H, s, s], or `None` for 0.
        following: c after the step.
    """

    states = 2

    def __init__(
        self, weights: Sequence[Tensor], gates: Sequence[Tensor], memory: Tensor | None, following: Tensor
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
        self.slopes = [pixels_first(slope) for slope in slopes]  # of c, c, h and c by what the convolutions give

    def forward(self, fourier: Fourier, kernels: Sequence[Kernels], change: Change) -> tuple[Tensor, ...]:
        """Return the changes of h and c."""
        forget, enter, leave, new = (
            _changed(fourier, kernels, change, gate, change.hidden).mul_(slope)
            for gate, slope in enumerate(self.slopes)
        )
        following = forget.add_(enter).add_(new)
        if change.state is not None:
            following.addcmul_(self.forget, change.state[1])
        return leave.addcmul_(self.shown, following), following

    def backward(self, fourier: Fourier, kernels: Sequence[Kernels], state: tuple[Tensor, ...]) -> Gradient:
        """Return the gradients, from those of h and c."""
        of_hidden, of_following = state
        change = torch.addcmul(of_following, self.shown, of_hidden)
        gates = tuple(
            source * slope for source, slope in zip((change, change, of_hidden, change), self.slopes, strict=True)
        )
        spectra = [fourier.data(gate) for gate in gates]
        maps = _gathered(fourier, spectra, [gate.on_maps for gate in kernels])
        if self.first:
            return Gradient(None, maps, gates)
        hidden = _gathered(fourier, spectra, [gate.on_hidden for gate in kernels])
        return Gradient((hidden, change.mul_(self.forget)), maps, gates)


class GRUDerivative(CellDerivative):
    """Derivative of a step of a GRU.

    Args:
        weights: of each gate.
        hidden: h before the step, [1, H, s, s], or `None` for 0.
        gates: values of reset, update and state gates, [1, H, s, s] each.
    """

    states = 1

    def __init__(self, weights: Sequence[Tensor], hidden: Tensor | None, gates: Sequence[Tensor]) -> None:
        super().__init__(weights)
        reset, update, new = gates
        self.first = hidden is None
        before = torch.zeros_like(new) if hidden is None else hidden
        self.reset, self.stays = pixels_first(reset), pixels_first(1 - update)
        self.of_reset = pixels_first(before * reset * (1 - reset))  # slope of the h that the state gate sees
        self.of_update = pixels_first((new - before) * update * (1 - update))  # of the next h
        self.of_new = pixels_first(update * (1 - new.square()))

    def forward(self, fourier: Fourier, kernels: Sequence[Kernels], change: Change) -> tuple[Tensor, ...]:
        """Return the change of h."""
        kept = None
        if change.state is not None:
            reset = _changed(fourier, kernels, change, 0, change.hidden).mul_(self.of_reset)
            kept = fourier.data(reset.addcmul_(self.reset, change.state[0]))
        following = _changed(fourier, kernels, change, 1, change.hidden).mul_(self.of_update)
        following.addcmul_(self.of_new, _changed(fourier, kernels, change, 2, kept))
        return (following if change.state is None else following.addcmul_(self.stays, change.state[0]),)

    def backward(self, fourier: Fourier, kernels: Sequence[Kernels], state: tuple[Tensor, ...]) -> Gradient:
        """Return the gradients, from that of h."""
        (of_next,) = state
        update, new = self.of_update * of_next, self.of_new * of_next
        spectra = [fourier.data(update), fourier.data(new)]
        on_maps = [gate.on_maps for gate in kernels]
        if self.first:
            return Gradient(None, _gathered(fourier, spectra, on_maps[1:]), (torch.zeros_like(new), update, new))
        of_kept = _gathered(fourier, spectra[1:], [kernels[2].on_hidden])
        reset = self.of_reset * of_kept
        spectra.insert(0, fourier.data(reset))
        hidden = _gathered(fourier, spectra[:2], [gate.on_hidden for gate in kernels[:2]])
        hidden.addcmul_(self.stays, of_next).addcmul_(self.reset, of_kept)
        return Gradient((hidden,), _gathered(fourier, spectra, on_maps), (reset, update, new))


def pixels_first(maps: Tensor) -> Tensor:
    """Return [B, C, s, s] as [s, s, B, C]."""
    return maps.permute(2, 3, 0, 1).contiguous()


def _changed(fourier: Fourier, kernels: Sequence[Kernels], change: Change, gate: int, hidden: Tensor | None) -> Tensor:
    """Return how the result of a gate's convolution changes, [s, s, B, H]; it sees `hidden` instead of `change`'s."""
    factors = [(change.maps, kernels[gate].on_maps)]
    if hidden is not None:
        factors.append((hidden, kernels[gate].on_hidden))
    result = fourier.inverse(fourier.products(factors))
    return result if change.constants is None else result.add_(change.constants[gate])


def _gathered(fourier: Fourier, spectra: Sequence[Tensor], kernels: Sequence[Tensor]) -> Tensor:
    """Return what all gates' gradients together make, [s, s, B, C]."""
    return fourier.inverse(fourier.products(list(zip(spectra, kernels, strict=True))))
