"""What depends on all scenes of a batch, and not on each scene alone.

Where several processes share a batch, these are the places at which they have to talk to each other, so that together
they compute what one process would.
"""

from __future__ import annotations

import torch
from torch import Tensor


def mean_over_scenes(values: Tensor) -> Tensor:
    """Return the mean of [B, ...] over the scenes of the batch, [1, ...]."""
    return values.mean(dim=0, keepdim=True)


def noise_for_scenes(like: Tensor) -> Tensor:
    """Return standard normal noise of the shape, type and device of [B, ...], from torch's global generator."""
    return torch.randn_like(like)
