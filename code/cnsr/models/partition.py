"""Partition of the representation: each factor of a scene (lighting, geometry, material) gets channels of its own.

In a training batch all scenes share two factors and differ in the third. Outside that factor's channels every scene
gets the mean of the batch, so only its own partition can tell the scenes apart. Spec: ``networks.md``, "Aggregation
and partition".
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cnsr.config import RepresentationConfig
from cnsr.datasets.batch import FACTORS
from cnsr.models.shared_batch import mean_over_scenes

NULL = len(FACTORS)
"""Index of the null partition among the logits, after those of the factors."""


def slope_at(config: RepresentationConfig, iteration: int | None) -> float:
    """Return the slope of the masks' edges at an iteration; ``None`` is the end of the schedule.

    It goes linearly from `start_sigmoid` to `end_sigmoid` within `sharpening` iterations, then linearly to
    `sharpen_sigmoid` within `final_sharpening`, and stays there.
    """
    if iteration is None or iteration >= config.sharpening + config.final_sharpening:
        return config.sharpen_sigmoid
    if iteration < config.sharpening:
        done = iteration / config.sharpening
        return config.start_sigmoid + (config.end_sigmoid - config.start_sigmoid) * done
    done = (iteration - config.sharpening) / config.final_sharpening
    return config.end_sigmoid + (config.sharpen_sigmoid - config.end_sigmoid) * done


def partition_shares(deltas: Tensor) -> Tensor:
    """Return the share of the channels that each partition has, from the logits [3 or 4]; the shares sum to 1."""
    return deltas.softmax(dim=0)


def basket(position: Tensor, low: Tensor, high: Tensor, slope: float) -> Tensor:
    """Return 1 outside of [low, high] and 0 inside, with logistic edges.

    (1 - sigmoid(m (u - a))) + sigmoid(m (u - b)), with 1 - sigmoid(x) written as sigmoid(-x): small values deep
    inside a sharp interval keep their precision.
    """
    return torch.sigmoid(slope * (low - position)) + torch.sigmoid(slope * (position - high))


def interval_mask(channels: int, low: Tensor, high: Tensor, slope: float) -> Tensor:
    """Return [R]: 1 for channels outside of [low, high], 0 inside; soft edges, periodic on the unit interval.

    Channel i (from 1) lies at i / R.
    """
    position = torch.arange(1, channels + 1, device=low.device, dtype=low.dtype) / channels
    mask = basket(position, low, high, slope)
    for period in (-1, 1):
        mask = mask * basket(position, low + period, high + period, slope)
    return mask


def adaptive_mask(deltas: Tensor, index: int, channels: int, slope: float) -> Tensor:
    """Return the mask [R] of the partition `index`, whose borders are the cumulated shares of the logits `deltas`.

    Computed in float64, since a steep slope multiplies the rounding of the borders; the result has the logits' type.
    """
    borders = partition_shares(deltas.double()).cumsum(dim=0)
    low = borders[index - 1] if index else torch.zeros_like(borders[0])
    return interval_mask(channels, low, borders[index], slope).to(deltas.dtype)


def adaptive_owners(deltas: Tensor, channels: int) -> Tensor:
    """Return [R]: the index of the partition in whose interval each channel's coordinate lies, borders above included.

    The masks blend at the borders, and at 1 into 0 as well.
    """
    borders = partition_shares(deltas.double()).cumsum(dim=0)
    position = torch.arange(1, channels + 1, device=deltas.device, dtype=torch.float64) / channels
    return torch.searchsorted(borders[:-1], position)


def null_mask(deltas: Tensor, channels: int, slope: float) -> Tensor:
    """Return [R]: 0 for channels of the null partition, whose values reach no generator, else 1."""
    return adaptive_mask(deltas, NULL, channels, slope).clamp(0, 1)


def static_mask(channels: int, factor: int, device: torch.device) -> Tensor:
    """Return the mask [R] of a factor where the channels are split in fixed thirds.

    With split = floor(R / 3), channel i (from 1) belongs to lighting for i < split, to geometry for
    split <= i < 2 split, else to material.
    """
    split = channels // 3
    channel = torch.arange(1, channels + 1, device=device)
    owner = (channel >= split).int() + (channel >= 2 * split).int()
    return (owner != factor).float()


def separate(own: Tensor, views: Tensor, mask: Tensor, gradient_reg: float = 0.0) -> Tensor:
    """Return each scene's own values where `mask` is 0 and the mean of the batch where it is 1.

    Args:
        own: [B, R, h, w], aggregated over each scene's observations.
        views: [B, N, R, h, w], the vectors of the single observations; their mean over B and N is the batch's.
        mask: [R].
        gradient_reg: see `regularize_gradient`; 0 leaves gradients alone.
    """
    mask = mask[:, None, None]  # [R, 1, 1]
    mixed = (1 - mask) * own + mask * mean_over_scenes(views.mean(dim=1))
    return regularize_gradient(mixed, mask, gradient_reg) if gradient_reg else mixed


def regularize_gradient(mixed: Tensor, mask: Tensor, strength: float) -> Tensor:
    """Return `mixed` [B, R, h, w] unchanged, but change its gradient in the backward pass.

    After Kulkarni et al. 2015, section 3.2. The gradient g of the mixed representation becomes

        (1 - mask) g + mask ((1 - strength) g + strength (mean of g over the batch - g)),

    and it is this gradient that goes on through the mixing, to the encoder and to the partition logits. The mask
    only blends here: no gradient flows to it from this formula. The mean of g is that over the scenes.

    Where the mask is exactly 1, all scenes share one mean; the deviations from the mean gradient cancel in it, and
    (1 - strength) g remains: an inactive partition learns less from what it must not explain. Where the mask is
    soft, the deviations do reach the single scenes.

    The published code changed the gradients after they had gone to the encoder, so there this had no effect: a run
    that is to reproduce the paper's results sets ``gradient_reg`` to 0.
    """
    result: Tensor = _RegularizedGradient.apply(mixed, mask.detach(), strength)  # type: ignore[no-untyped-call]
    return result


class _RegularizedGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, mixed: Tensor, mask: Tensor, strength: float) -> Tensor:
        ctx.save_for_backward(mask)
        ctx.strength = strength
        return mixed.view_as(mixed)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = gradients
        (mask,) = ctx.saved_tensors
        # (1 - mask) g + mask ((1 - s) g + s (mean - g)) with the terms of g collected
        weight = ctx.strength * mask
        return gradient + weight * (mean_over_scenes(gradient) - 2 * gradient), None, None
