"""Steps of Adam: all weights at once, or each as soon as its gradient is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class Adam:
    """Minimizes losses over the weights of a model.

    A weight's step needs its own gradient alone. In the backward pass the gradients come one after the other, so that
    each can be used up before the next one is made: as many bytes less as the model has. The numbers are the same.
    Several processes exchange their gradients before anybody makes a step, and GPUs are faster if they make all at
    once: there, gradients wait for the end of the backward pass.

    Args:
        model: whose weights are optimized; those that get no gradient stay as they are.
        learning_rate: of all weights.
        at_once: whether all weights make their step together, behind the backward pass.
    """

    def __init__(self, model: nn.Module, learning_rate: float, at_once: bool) -> None:
        self._weights = list(model.parameters())
        groups = [self._weights] if at_once else [[weight] for weight in self._weights]
        self._optimizers = [torch.optim.Adam(group, lr=learning_rate, fused=True) for group in groups]
        self._at_once = at_once
        if not at_once:
            for weight, optimizer in zip(self._weights, self._optimizers, strict=True):
                if weight.requires_grad:
                    weight.register_post_accumulate_grad_hook(_Step(optimizer))  # type: ignore[no-untyped-call]

    def descend(self, loss: Tensor) -> None:
        """Make a step against the gradient of `loss`."""
        if not self._at_once:
            loss.backward()  # type: ignore[no-untyped-call]  # the steps are made on the way
            return
        (optimizer,) = self._optimizers
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """Return options and moments in the form of ``torch.optim.Adam``, for weights in the order of the model."""
        (options,) = self._optimizers[0].state_dict()["param_groups"]
        held = {weight: moments for optimizer in self._optimizers for weight, moments in optimizer.state.items()}
        moments = {index: held[weight] for index, weight in enumerate(self._weights) if weight in held}
        return {"state": moments, "param_groups": [{**options, "params": list(range(len(self._weights)))}]}

    def load_moments(self, state: Mapping[int, Mapping[str, Tensor]]) -> None:
        """Go on from these moments (as under "state" of `state_dict`), with the options of this optimizer.

        Raises:
            KeyError, ValueError: they are no moments of Adam.
        """
        for index, optimizer in enumerate(self._optimizers):
            (options,) = optimizer.state_dict()["param_groups"]
            own = dict(state) if self._at_once else {0: state[index]} if index in state else {}
            optimizer.load_state_dict({"state": own, "param_groups": [options]})
            for weight, held in optimizer.state.items():
                for kind, value in held.items():
                    # Fused Adam goes through memory: moments from another device may be laid out in another way.
                    if value.shape == weight.shape and value.stride() != weight.stride():
                        held[kind] = torch.empty_like(weight).copy_(value)


class _Step:
    """What happens when a weight's gradient is there."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer

    def __call__(self, _: Tensor) -> None:
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
