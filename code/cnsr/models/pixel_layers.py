"""The arithmetic of the pixel generator: plain matrix products, in as little memory as they need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

SLOPE = 0.01  # of LeakyReLU below 0


@dataclass(frozen=True)
class PixelLayers:
    """What the layers of a pixel generator multiply with. G is the number of groups of P pixels.

    All pixels of a group have the same pose and representation, and no other group need have.

    Attributes:
        matrices: one a layer, [G, x + 1 or 1, hidden], for the buffers that it sees and a column of ones, whose row
            is the group's bias.
        shared: one a layer but the first, [hidden, hidden], for the hidden values before it.
        final: [C, hidden], of the output.
        bias: [C].
    """

    matrices: tuple[Tensor, ...]
    shared: tuple[Tensor, ...]
    final: Tensor
    bias: Tensor

    def hidden(self, pixels: Tensor, seen: Tensor) -> Iterator[Tensor]:
        """Yield the hidden values [G, P, hidden] behind each layer.

        Args:
            pixels: [G, P, x + 1], what the first layer sees.
            seen: [G, P, x + 1 or 1], what each of the others sees beside the hidden values.
        """
        hidden = F.leaky_relu_(torch.bmm(pixels, self.matrices[0]), SLOPE)
        yield hidden
        for matrix, on_hidden in zip(self.matrices[1:], self.shared, strict=True):
            # One large product for all groups, and a thin one for each: faster than a batch of large ones.
            product = torch.matmul(hidden, on_hidden.t())
            hidden = F.leaky_relu_(product.baddbmm_(seen, matrix), SLOPE)
            yield hidden

    def applied(self, pixels: Tensor, seen: Tensor) -> Tensor:
        """Return the output [G, P, C]; arguments as for `hidden`."""
        *_, hidden = self.hidden(pixels, seen)
        return F.linear(hidden, self.final, self.bias)

    def applied_sparingly(self, pixels: Tensor, seen: Tensor) -> Tensor:
        """Return the same, with a backward pass that needs hardly any memory of its own."""
        result: Tensor = _SparingLayers.apply(  # type: ignore[no-untyped-call]
            len(self.shared), pixels, seen, self.final, self.bias, *self.shared, *self.matrices
        )
        return result


class _SparingLayers(torch.autograd.Function):
    """All layers at once: each gradient overwrites the hidden values that nobody needs any more.

    On the CPU, memory for new arrays is not free: the system hands out zeroed pages one by one. A second backward
    pass through the same graph is an error, since PyTorch finds the saved values changed.
    """

    @staticmethod
    def forward(
        ctx: Any, count: int, pixels: Tensor, seen: Tensor, final: Tensor, bias: Tensor, *weights: Tensor
    ) -> Tensor:
        hidden = list(PixelLayers(weights[count:], weights[:count], final, bias).hidden(pixels, seen))
        ctx.save_for_backward(pixels, seen, final, *weights, *hidden)
        ctx.count = count
        return F.linear(hidden[-1], final, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        count = ctx.count
        pixels, seen, final, *saved = ctx.saved_tensors
        shared, matrices, hidden = saved[:count], saved[count : 2 * count + 1], saved[2 * count + 1 :]
        of_shared, of_matrices = list(shared), list(matrices)
        of_pixels, of_seen = (
            torch.zeros_like(value) if needed else None
            for value, needed in zip((pixels, seen), ctx.needs_input_grad[1:3], strict=True)
        )
        of_final = torch.mm(gradient.flatten(0, 1).t(), hidden[-1].flatten(0, 1))
        current = torch.matmul(gradient, final)  # [G, P, hidden], the gradient of the layer's values
        for layer in range(count, -1, -1):
            torch.ops.aten.leaky_relu_backward.grad_input(current, hidden[layer], SLOPE, True, grad_input=current)
            source, of_source = (seen, of_seen) if layer else (pixels, of_pixels)
            of_matrices[layer] = torch.bmm(source.transpose(1, 2), current)
            if of_source is not None:
                of_source.baddbmm_(current, matrices[layer].transpose(1, 2))
            if layer:
                flat, free = current.flatten(0, 1), hidden[layer]
                of_shared[layer - 1] = torch.mm(flat.t(), hidden[layer - 1].flatten(0, 1))
                torch.mm(flat, shared[layer - 1], out=free.flatten(0, 1))
                current = free
        return (None, of_pixels, of_seen, of_final, gradient.sum((0, 1)), *of_shared, *of_matrices)
