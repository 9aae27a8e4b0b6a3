"""Convolutions of maps that are constant over the image, without making the maps.

Pose and representation of a scene are the same in all pixels. A k x k convolution with zero padding maps a constant
channel to a value that depends only on which of the kernel's taps lie inside of the image. So the products of weights
and vectors are formed once a scene and tap, and each pixel adds up the taps that it sees.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnsr.models import winograd


def convolve(layer: nn.Conv2d, maps: Sequence[Tensor], constants: Tensor | None = None) -> Tensor:
    """Return what a 3 x 3 layer, padded to keep the size, makes of maps and of vectors that stand for constant maps.

    The same as convolving their concatenation.

    Args:
        layer: with padding and stride 1.
        maps: [B, x_i, S, S] each.
        constants: [B, c]; c and all x_i are the layer's input channels.

    Returns:
        [B, o, S, S].
    """
    channels = sum(part.shape[1] for part in maps)
    on_maps, on_constants = torch.split(layer.weight, [channels, layer.in_channels - channels], dim=1)
    bias = cast("Tensor", layer.bias)
    if channels == 0 and constants is not None:  # a generator that sees no buffers
        return convolved_constants(constants, on_constants, maps[0].shape[-1]) + bias[:, None, None]
    if winograd.is_faster(maps[0], on_maps):
        result = winograd.convolve(maps, on_maps, bias)
    else:
        together = maps[0] if len(maps) == 1 else torch.cat(list(maps), dim=1)
        result = F.conv2d(together, on_maps, bias, padding=1)
    if constants is None:
        return result
    return result.add_(convolved_constants(constants, on_constants, result.shape[-1]).to(result.dtype))


def convolved_constants(constants: Tensor, weight: Tensor, size: int) -> Tensor:
    """Return the convolution, zero-padded to keep the size, of vectors [B, c] that stand for constant maps.

    Args:
        constants: [B, c].
        weight: [o, c, k, k], k odd.
        size: S.

    Returns:
        [B, o, S, S], channels last.
    """
    return spread_taps(constant_taps(constants, weight), taps_inside(size, weight.shape[-1], constants))


def constant_taps(constants: Tensor, weight: Tensor) -> Tensor:
    """Return what each tap of a kernel makes of vectors that stand for constant maps.

    Args:
        constants: [B, c].
        weight: [o, c, k, k].

    Returns:
        [o, B, k k].
    """
    # A product for each output channel; with weights or parts of them as they lie, none is copied.
    return torch.bmm(constants.expand(len(weight), -1, -1), weight.flatten(2))


def spread_taps(taps: Tensor, inside: Tensor) -> Tensor:
    """Return maps [B, o, S, S] (channels last) whose pixels are the sums of those taps [o, B, k k] that they see.

    Args:
        taps: from `constant_taps`.
        inside: from `taps_inside`.
    """
    maps = torch.matmul(inside, taps.permute(1, 2, 0))  # [B, S S, o]
    size = math.isqrt(len(inside))
    return maps.transpose(1, 2).view(len(maps), -1, size, size)


def taps_inside(size: int, kernel: int, like: Tensor) -> Tensor:
    """Return [S S, k k]: 1 where the tap of that column lies inside of the image, seen from that row's pixel."""
    pixel = torch.arange(size, device=like.device)[:, None]
    seen = pixel + torch.arange(kernel, device=like.device) - kernel // 2
    line = ((seen >= 0) & (seen < size)).to(like.dtype)  # [S, k]
    return torch.kron(line, line)
