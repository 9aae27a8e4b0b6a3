"""What depends on all scenes of a batch, and not on each scene alone.

Where several processes share a training batch, these are the places at which they talk to each other, so that together
they compute what one process would. Whoever sets up the default process group of ``torch.distributed`` thereby says
that every training step is shared: each process has equally many scenes, in the order of the ranks, minimizes the mean
loss of its own, and averages its gradients with those of the others (``DistributedDataParallel``). All of them must
come by here in the same order. Evaluation, which one process may do alone, takes no such means, and draws its noise
for itself: gradients are off then.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def mean_over_scenes(values: Tensor) -> Tensor:
    """Return the mean of [B, ...] over the scenes of the whole batch, [1, ...]; differentiable."""
    own = values.mean(dim=0, keepdim=True)
    if _place()[1] == 1:
        return own
    shared: Tensor = _MeanOverProcesses.apply(own)  # type: ignore[no-untyped-call]
    return shared


def noise_for_scenes(like: Tensor) -> Tensor:
    """Return standard normal noise of the shape, type and device of [B, ...], from torch's global generator.

    In training, each process draws the noise of the whole batch and takes that of its own scenes: with equal states of
    their generators, K processes use the numbers that one would, and leave the state that one would.
    """
    rank, count = _place() if torch.is_grad_enabled() else (0, 1)
    scenes = len(like)
    # Always contiguous: the numbers must not come in another order where `like` lies in memory otherwise.
    noise = torch.randn((count * scenes, *like.shape[1:]), dtype=like.dtype, device=like.device)
    return noise[rank * scenes : (rank + 1) * scenes]


class _MeanOverProcesses(torch.autograd.Function):
    """The mean of what the processes have.

    It goes into the losses of all processes, so that its gradient is the sum of theirs; of that sum, each process's
    value has 1/K. The backward pass is the same operation as the forward pass.
    """

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:  # noqa: ARG004 - nothing to remember
        return _mean_over_processes(own)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ARG004
        return _mean_over_processes(gradients[0])


def _mean_over_processes(own: Tensor) -> Tensor:
    total = own.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total.div_(_place()[1])


def _place() -> tuple[int, int]:
    """Return the rank of this process, and how many share a batch."""
    if not (dist.is_available() and dist.is_initialized()):
        return 0, 1
    return dist.get_rank(), dist.get_world_size()
