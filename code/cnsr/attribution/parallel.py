"""Many gradients of one function at once: scenes of a batch are independent, so each carries a gradient of its own.

``torch.func.vmap`` would do the same for any function, but not for those with a backward pass written by hand, of
which the networks have several (`cnsr.models.winograd`). A batch of copies needs nothing but the networks themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Function = Callable[[Sequence[Tensor]], Tensor]
"""Maps inputs [K, ...] to outputs [K, ...], each scene on its own."""


@dataclass(frozen=True)
class Room:
    """What there is to work in.

    Attributes:
        memory: bytes; one gradient at a time is computed even where that needs more.
        copies: of a scene at most, where gradients go through whole networks.
    """

    memory: int
    copies: int

    def part(self, share: float) -> Room:
        """Return a part of the memory."""
        return Room(int(share * self.memory), self.copies)


class Parallel:
    """A function of K scenes with the graph of its evaluation, to be differentiated as often as needed.

    Attributes:
        inputs: [K, ...] each.
        output: [K, m], flattened.
    """

    def __init__(self, function: Function, inputs: Sequence[Tensor]) -> None:
        self.inputs = [value.detach().clone().requires_grad_() for value in inputs]
        with torch.enable_grad():
            self.output = function(self.inputs).flatten(1)

    def gradients(self, directions: Tensor) -> list[Tensor]:
        """Return the gradients [k, ...] with respect to each input, for rows that multiply the outputs.

        Args:
            directions: [k, m], k at most K; row i is for scene i.
        """
        count = len(directions)
        if not self.output.requires_grad:  # no input has any influence
            return [torch.zeros_like(value[:count]) for value in self.inputs]
        missing = len(self.output) - count
        if missing:
            directions = torch.cat((directions, directions.new_zeros(missing, directions.shape[1])))
        # Of a scalar: to check gradients that are given, PyTorch first loads its symbolic shapes, for half a second.
        with torch.enable_grad():
            scalar = torch.sum(self.output * directions)
        found = torch.autograd.grad(scalar, self.inputs, retain_graph=True, materialize_grads=True)
        return [gradient[:count] for gradient in found]


def copies(inputs: Sequence[Tensor], count: int) -> list[Tensor]:
    """Return [count, ...] of each input [1, ...]."""
    return [value.expand(count, *value.shape[1:]) for value in inputs]


def batch_within(
    memory: int, function: Function, inputs: Sequence[Tensor], weights: Sequence[Tensor], most: int
) -> int:
    """Return how many scenes `Parallel` can take at once, from 1 to `most`.

    What a scene needs is what its graph keeps, and as much again for what comes and goes in the backward pass.

    Args:
        memory: bytes; one scene is taken even if it needs more.
        function: to be differentiated.
        inputs: of one scene, [1, ...] each.
        weights: what all scenes share, and which does not count.
        most: beyond, larger batches make nothing faster.
    """
    if most == 1:
        return 1
    shared = {weight.untyped_storage().data_ptr() for weight in weights}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in shared:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        scene = Parallel(function, inputs)
    ends = sum(value.nbytes for value in (*scene.inputs, scene.output))
    return max(1, min(most, memory // (2 * (sum(kept.values()) + ends))))
