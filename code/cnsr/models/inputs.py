"""What a network sees of a view's buffers: resized, cleaned, and concatenated in the config's order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

MIRROR_PASSES = ("mirror", "mirror_hit", "mirror_normal")
MIRROR_ROUGHNESS = 0.75
"""Roughness above which a reflected ray says nothing about what a surface looks like."""


def network_input(buffers: Mapping[str, Tensor], passes: Sequence[str], size: int) -> Tensor:
    """Return the named buffers ([M, C, H, W] each) as one tensor [M, sum of C, size, size].

    Resizing takes the nearest pixel. `indirect`, a difference of two estimates, is clamped to >= 0. Where
    `roughness` is among the passes, the mirror buffers are 0 wherever it is above 0.75.

    Args:
        buffers: linear images by pass; those that are not named are ignored.
        passes: at least one, in the order of the config.
        size: edge of the result in pixels.

    Raises:
        KeyError: a named buffer is missing.
    """
    images = {name: resized(buffers[name], size) for name in passes}
    if "indirect" in images:
        images["indirect"] = images["indirect"].clamp_min(0)
    if "roughness" in images:
        rough = images["roughness"] > MIRROR_ROUGHNESS  # [M, 1, S, S]
        for name in set(MIRROR_PASSES) & set(images):
            images[name] = images[name].masked_fill(rough, 0.0)
    return torch.cat([images[name] for name in passes], dim=1)


def target_image(buffers: Mapping[str, Tensor], passes: Sequence[str], size: int) -> Tensor:
    """Return the buffers that a generator aims at, [M, sum of C, size, size]; `indirect` is clamped to >= 0."""
    return torch.cat([network_input(buffers, (name,), size) for name in passes], dim=1)


def join_representations(representations: Sequence[Tensor]) -> Tensor:
    """Concatenate [B, R_i, h_i, w_i] on channels; smaller maps are resized (nearest) to the largest one."""
    height = max(part.shape[2] for part in representations)
    width = max(part.shape[3] for part in representations)
    return torch.cat(
        [
            part if part.shape[2:] == (height, width) else F.interpolate(part, size=(height, width), mode="nearest")
            for part in representations
        ],
        dim=1,
    )


def resized(image: Tensor, size: int) -> Tensor:
    """Return [M, C, H, W] as [M, C, size, size], taking the nearest pixel."""
    return image if image.shape[-2:] == (size, size) else F.interpolate(image, size=(size, size), mode="nearest")


def seen_places(shape: Sequence[int], size: int, device: torch.device) -> Tensor:
    """Return which pixel of an image of shape (H, W) each pixel of what `resized` makes of it shows, [size size]."""
    places = torch.arange(math.prod(shape), dtype=torch.float64, device=device).view(1, 1, *shape)
    return resized(places, size).flatten().long()


def unresized(gradient: Tensor, height: int, width: int) -> Tensor:
    """Return the gradients of images [M, C, height, width] from those [M, C, S, S] of what `resized` makes of them."""
    if gradient.shape[2:] == (height, width):
        return gradient
    seen = seen_places((height, width), gradient.shape[-1], gradient.device)
    result = gradient.new_zeros(*gradient.shape[:2], height * width).index_add_(2, seen, gradient.flatten(2))
    return result.view(*gradient.shape[:2], height, width)
