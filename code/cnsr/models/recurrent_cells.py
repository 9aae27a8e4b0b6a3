"""Convolutional LSTM and GRU cells. Their gates see the hidden state and further inputs side by side.

A convolution of concatenated inputs is the sum of the convolutions of each. So nothing is concatenated, what is still
0 is left out, and what is constant over the image never becomes a map. All gates with the same input are one
convolution, whose stacked weights live only while it runs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from cnsr.models.constant_maps import constant_taps, spread_taps, taps_inside

KERNEL = 5

State = tuple[Tensor, ...]
"""Maps [B, H, s, s] in float32 that a cell hands on. The first is the hidden state h, which others may look at."""

Input = Tensor | None
"""Maps [B, c, s, s], a vector [B, c] that stands for constant maps, or `None`: a hidden state that is still 0."""


class RecurrentCell(nn.Module, ABC):
    """Base of the cells; each makes a convolution for every gate, from [h, inputs] to H channels.

    Args:
        hidden: H.
        inputs: channels of all inputs together.
    """

    def __init__(self, hidden: int, inputs: int) -> None:
        super().__init__()
        self.hidden = hidden
        for name in self.gates():
            self.add_module(name, nn.Conv2d(hidden + inputs, hidden, KERNEL, padding=KERNEL // 2))

    @staticmethod
    @abstractmethod
    def gates() -> tuple[str, ...]:
        """Return the names of the gates, which are those of their layers."""

    @abstractmethod
    def forward(self, state: State | None, inputs: Sequence[Input]) -> State:
        """Return the next state.

        Args:
            state: what the cell returned last; `None` at the start, where all of it is 0.
            inputs: in the order of the weights' channels; some are maps, and at least one is a vector.
        """

    def _convolve(self, gates: Sequence[str], inputs: Sequence[Input]) -> tuple[Tensor, ...]:
        """Return for each of the gates the convolution [B, H, s, s] of [h, inputs], in float32.

        Args:
            gates: their names.
            inputs: h (a map or `None`), and what follows.
        """
        layers = [cast("nn.Conv2d", self.get_submodule(name)) for name in gates]
        widths = [self.hidden if part is None else part.shape[1] for part in inputs]
        biases = torch.cat([cast("Tensor", layer.bias) for layer in layers])
        # [inputs][gates]: the part of each gate's weights that is for an input
        weights = zip(*(torch.split(layer.weight, widths, dim=1) for layer in layers), strict=True)
        maps: list[Tensor] = []
        taps: list[Tensor] = []
        for part, on_part in zip(inputs, weights, strict=True):
            if part is not None and part.ndim == 4:
                maps.append(_StackedConvolution.apply(part, *on_part))  # type: ignore[no-untyped-call]
            elif part is not None:
                taps.append(torch.cat([constant_taps(part, weight) for weight in on_part]))
        total = maps[0]
        for term in maps[1:]:
            total = total.add_(term)
        constant = spread_taps(_with_bias(sum(taps[1:], taps[0]), biases), taps_inside(total.shape[-1], KERNEL, biases))
        return total.add_(constant.to(total.dtype)).float().chunk(len(gates), dim=1)


class LSTMCell(RecurrentCell):
    """Long short-term memory: the state is (h, c). Spec: ``networks.md``, "GQN"."""

    @staticmethod
    def gates() -> tuple[str, ...]:
        """Return the names of the gates."""
        return "forget", "input", "output", "state"

    def forward(self, state: State | None, inputs: Sequence[Input]) -> State:
        """Return the next (h, c)."""
        hidden = None if state is None else state[0]
        forget, enter, leave, new = self._convolve(self.gates(), (hidden, *inputs))
        memory = torch.sigmoid(enter) * torch.tanh(new)
        if state is not None:
            memory = memory + torch.sigmoid(forget) * state[1]
        return torch.sigmoid(leave) * torch.tanh(memory), memory


class GRUCell(RecurrentCell):
    """Gated recurrent unit: the state is (h,). Spec: ``networks.md``, "GQN"."""

    @staticmethod
    def gates() -> tuple[str, ...]:
        """Return the names of the gates."""
        return "reset", "update", "state"

    def forward(self, state: State | None, inputs: Sequence[Input]) -> State:
        """Return the next (h,)."""
        hidden = None if state is None else state[0]
        reset, update = (torch.sigmoid(gate) for gate in self._convolve(("reset", "update"), (hidden, *inputs)))
        kept = None if hidden is None else hidden * reset
        (new,) = self._convolve(("state",), (kept, *inputs))
        new = torch.tanh(new) * update
        return (new if hidden is None else hidden * (1 - update) + new,)


def _with_bias(taps: Tensor, bias: Tensor) -> Tensor:
    """Add a bias [o] to taps [o, B, k k]: every pixel sees the middle one."""
    middle = torch.zeros(taps.shape[-1], dtype=bias.dtype, device=bias.device)
    middle[len(middle) // 2] = 1
    return taps + bias[:, None, None] * middle


class _StackedConvolution(torch.autograd.Function):
    """Convolution of maps [B, c, s, s] with the weights of several layers, one after the other: [B, sum of o, s, s].

    An ordinary one would keep the stacked copy of the weights for the backward pass, which in a recurrent network with
    weights for each step is as large as the network. Here they are stacked again.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor, *weights: Tensor) -> Tensor:
        ctx.save_for_backward(maps, *weights)
        return F.conv2d(maps, torch.cat(weights), padding=weights[0].shape[-1] // 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        maps, *weights = ctx.saved_tensors
        padding = weights[0].shape[-1] // 2
        of_maps, of_stacked, _ = torch.ops.aten.convolution_backward(
            gradient,
            maps.to(gradient.dtype),
            torch.cat(weights).to(gradient.dtype),
            None,
            stride=[1, 1],
            padding=[padding, padding],
            dilation=[1, 1],
            transposed=False,
            output_padding=[0, 0],
            groups=1,
            output_mask=[ctx.needs_input_grad[0], any(ctx.needs_input_grad[1:]), False],
        )
        # Autocast may have made the convolution one of another type than its inputs.
        of_weights = (
            [None] * len(weights)
            if of_stacked is None
            else of_stacked.to(weights[0].dtype).split([len(weight) for weight in weights])
        )
        return None if of_maps is None else of_maps.to(maps.dtype), *of_weights
