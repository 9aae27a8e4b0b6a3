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

from cnsr.models.cell_derivatives import CellDerivative, GRUDerivative, LSTMDerivative
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

    @abstractmethod
    def differentiated(self, state: State | None, inputs: Sequence[Input]) -> tuple[State, CellDerivative]:
        """Return the next state, and the derivative of this step; arguments as for `forward`, of one scene."""

    def _weights(self) -> list[Tensor]:
        return [cast("nn.Conv2d", self.get_submodule(name)).weight for name in self.gates()]

    def _convolve(self, gates: Sequence[str], inputs: Sequence[Input]) -> Tensor:
        """Return the convolution of [h, inputs] for all of the gates, [B, gates H, s, s] in float32.

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
        constant = spread_taps(sum(taps, _taps_of_bias(biases)), taps_inside(total.shape[-1], KERNEL, biases))
        return total.add_(constant.to(total.dtype)).float()


class LSTMCell(RecurrentCell):
    """Long short-term memory: the state is (h, c). Spec: ``networks.md``, "GQN"."""

    @staticmethod
    def gates() -> tuple[str, ...]:
        """Return the names of the gates."""
        return "forget", "input", "output", "state"

    def forward(self, state: State | None, inputs: Sequence[Input]) -> State:
        """Return the next (h, c)."""
        hidden = None if state is None else state[0]
        gates = self._convolve(self.gates(), (hidden, *inputs))
        result: State = _LSTMUpdate.apply(gates, None if state is None else state[1])  # type: ignore[no-untyped-call]
        return result

    def differentiated(self, state: State | None, inputs: Sequence[Input]) -> tuple[State, CellDerivative]:
        """Return the next (h, c), and the derivative of this step."""
        hidden, memory = (None, None) if state is None else state
        values = self._convolve(self.gates(), (hidden, *inputs))
        following: State = _LSTMUpdate.apply(values, memory)  # type: ignore[no-untyped-call]
        gates = values.chunk(4, dim=1)  # the update has overwritten them with their values
        return following, LSTMDerivative(self._weights(), gates, memory, following[1])


class GRUCell(RecurrentCell):
    """Gated recurrent unit: the state is (h,). Spec: ``networks.md``, "GQN"."""

    @staticmethod
    def gates() -> tuple[str, ...]:
        """Return the names of the gates."""
        return "reset", "update", "state"

    def forward(self, state: State | None, inputs: Sequence[Input]) -> State:
        """Return the next (h,)."""
        hidden = None if state is None else state[0]
        return self._next(hidden, *self._values(hidden, inputs)[1:])

    def differentiated(self, state: State | None, inputs: Sequence[Input]) -> tuple[State, CellDerivative]:
        """Return the next (h,), and the derivative of this step."""
        hidden = None if state is None else state[0]
        reset, update, new = self._values(hidden, inputs)
        return self._next(hidden, update, new), GRUDerivative(self._weights(), hidden, (reset, update, new))

    def _values(self, hidden: Tensor | None, inputs: Sequence[Input]) -> tuple[Tensor, Tensor, Tensor]:
        """Return the values of reset gate, update gate, and of what is new, [B, H, s, s] each."""
        reset, update = torch.sigmoid(self._convolve(("reset", "update"), (hidden, *inputs))).chunk(2, dim=1)
        kept = None if hidden is None else hidden * reset
        return reset, update, torch.tanh(self._convolve(("state",), (kept, *inputs)))

    @staticmethod
    def _next(hidden: Tensor | None, update: Tensor, new: Tensor) -> State:
        enters = new * update
        return (enters if hidden is None else hidden * (1 - update) + enters,)


def _taps_of_bias(bias: Tensor) -> Tensor:
    """Return taps [o, 1, k k] that add a bias [o]: every pixel sees the middle one."""
    beside = KERNEL * KERNEL // 2
    return F.pad(bias[:, None, None], (beside, beside))


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


class _LSTMUpdate(torch.autograd.Function):
    """From what the gates' convolutions give, [B, 4 H, s, s], and the memory c, make the next h and c.

    The gates' values overwrite the former, which nobody may use any more, and are all that is kept beside c.
    """

    @staticmethod
    def forward(ctx: Any, gates: Tensor, memory: Tensor | None) -> tuple[Tensor, Tensor]:
        forget, enter, leave, new = gates.chunk(4, dim=1)
        gates[:, : 3 * forget.shape[1]].sigmoid_()
        new.tanh_()
        following = enter * new
        if memory is not None:
            following.addcmul_(forget, memory)
        ctx.save_for_backward(gates, memory, following)
        return torch.tanh(following).mul_(leave), following

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_hidden: Tensor, of_following: Tensor) -> tuple[Tensor, Tensor | None]:
        gates, memory, following = ctx.saved_tensors
        forget, enter, leave, new = gates.chunk(4, dim=1)
        through_tanh, through_sigmoid = torch.ops.aten.tanh_backward, torch.ops.aten.sigmoid_backward
        shown = torch.tanh(following)
        change = through_tanh(of_hidden * leave, shown).add_(of_following)  # gradient of the next c
        result = torch.empty_like(gates)
        of_forget, of_enter, of_leave, of_new = result.chunk(4, dim=1)
        of_enter.copy_(through_sigmoid(change * new, enter))
        of_leave.copy_(through_sigmoid(of_hidden * shown, leave))
        of_new.copy_(through_tanh(change * enter, new))
        if memory is None:
            of_forget.zero_()
            return result, None
        of_forget.copy_(through_sigmoid(change * memory, forget))
        return result, change.mul_(forget)
