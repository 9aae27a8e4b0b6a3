"""The GQN generator as its formulas are written: maps expanded and concatenated, one convolution a gate.

Weights are a mapping from parameter name to tensor, as in ``plain_networks``. Lists hold one entry a step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from plain_networks import Weights, as_maps
from torch import Tensor

State = tuple[Tensor, ...]  # (h, c) of an LSTM, (h,) of a GRU


def conv(w: Weights, name: str, x: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    return F.conv2d(x, w[f"{name}.weight"], w.get(f"{name}.bias"), stride=stride, padding=padding)


def cell(w: Weights, name: str, state: State, x: Tensor) -> State:
    def gate(gate_name: str, seen: Tensor) -> Tensor:
        return conv(w, f"{name}.{gate_name}", seen, padding=2)

    seen = torch.cat([state[0], x], dim=1)
    if f"{name}.forget.weight" in w:
        _, c = state
        forget, enter = torch.sigmoid(gate("forget", seen)), torch.sigmoid(gate("input", seen))
        leave, new = torch.sigmoid(gate("output", seen)), torch.tanh(gate("state", seen))
        c = forget * c + enter * new
        return leave * torch.tanh(c), c
    (h,) = state
    reset, update = torch.sigmoid(gate("reset", seen)), torch.sigmoid(gate("update", seen))
    new = torch.tanh(gate("state", torch.cat([h * reset, x], dim=1)))
    return (h * (1 - update) + new * update,)


def gaussian(w: Weights, name: str, h: Tensor) -> tuple[Tensor, Tensor]:
    mean, raw = conv(w, name, h, padding=2).chunk(2, dim=1)
    return mean, F.softplus(raw)


def layer(w: Weights, name: str, step: int) -> str:
    """The name of a step's layer; a layer that all steps share is number 0."""
    return f"{name}.{step}" if any(key.startswith(f"{name}.1.") for key in w) else f"{name}.0"


def run(
    w: Weights, buffers: Tensor, pose: Tensor, r: Tensor, target: Tensor | None, noise: Sequence[Tensor], scale: int
) -> tuple[Tensor, list[Tensor]]:
    """Mean of the image [B, C, S, S] in log space, and every step's KL divergence [B, Z, S/scale, S/scale].

    Latent variables come from the posterior if there is a target, else (then no KL) from the prior.
    """
    size = buffers.shape[-1] // scale
    pose_maps = as_maps(pose, size, size)
    r_maps = F.interpolate(r, size=(size, size), mode="nearest") if r.shape[1] else r.new_zeros(len(r), 0, size, size)
    small = conv(w, "downsample", buffers, stride=scale) if buffers.shape[1] else buffers[:, :, ::scale, ::scale]
    y = None if target is None else F.interpolate(target, size=(size, size), mode="nearest")
    units = w["prior.weight"].shape[1]
    states = 2 if "generator.0.forget.weight" in w else 1
    inner = outer = (buffers.new_zeros(len(buffers), units, size, size),) * states
    canvas = buffers.new_zeros(len(buffers), units, size * scale, size * scale)
    divergences = []
    for step in range(len(noise)):
        p_mean, p_std = gaussian(w, "prior", outer[0])
        if y is None:
            z = p_mean + p_std * noise[step]
        else:
            seen = torch.cat([outer[0], y, pose_maps, r_maps], dim=1)
            inner = cell(w, layer(w, "inference", step), inner, seen)
            q_mean, q_std = gaussian(w, "posterior", inner[0])
            z = q_mean + q_std * noise[step]
            spread = (q_std**2 + (q_mean - p_mean) ** 2) / (2 * p_std**2)
            divergences.append(torch.log(p_std / q_std) + spread - 0.5)
        given = torch.cat([pose_maps, r_maps, z, small], dim=1)
        outer = cell(w, layer(w, "generator", step), outer, given)
        name = f"{layer(w, 'upsample', step)}.weight"
        canvas = canvas + F.conv_transpose2d(outer[0], w[name], stride=scale)
    return conv(w, "observation", canvas), divergences


def sigma(t: int) -> float:
    return max(0.7 + 1.3 * (1 - t / 2e5), 0.7)


def losses(mean: Tensor, target: Tensor, divergences: Sequence[Tensor], t: int) -> tuple[Tensor, Tensor]:
    """KL term and negative log likelihood."""
    scale = 25 * target.shape[-1]
    s = sigma(t)
    density = -((torch.log(1 + target) - mean) ** 2) / (2 * s**2) - math.log(s) - 0.5 * math.log(2 * math.pi)
    kl = sum((step.sum(dim=(1, 2, 3)) for step in divergences), target.new_zeros(len(target)))
    return (kl / scale).mean(), (-density.sum(dim=(1, 2, 3)) / scale).mean()
