"""The networks, partitions and losses as their formulas are written: no shortcut, nothing shared with the package.

Tests compare the package with this, and ``benchmarks/training.py`` measures against it. Everything takes weights as a
mapping from parameter name to tensor and works in the type of its inputs (tests use float64).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

Weights = Mapping[str, Tensor]
CHANNELS = {"depth": 1, "roughness": 1, "id": 1, "shadows": 1, "ao": 1}  # all others have 3


def under(weights: Weights, prefix: str) -> dict[str, Tensor]:
    """The weights whose names start with the prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def as_maps(vectors: Tensor, height: int, width: int) -> Tensor:
    """[M, C] -> [M, C, height, width], constant over the image."""
    return vectors[:, :, None, None].repeat(1, 1, height, width)


# --- encoders


def convolution(w: Weights, name: str, x: Tensor, stride: int, padding: int = 0) -> Tensor:
    return F.relu(F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], stride=stride, padding=padding))


def tower(w: Weights, images: Tensor, poses: Tensor) -> Tensor:
    a = convolution(w, "conv1", images, 2)
    skip = convolution(w, "skip_conv1", a, 2)
    b = convolution(w, "conv3", convolution(w, "conv2", a, 1, 1), 2) + skip
    b = torch.cat([b, as_maps(poses, b.shape[2], b.shape[3])], dim=1)
    skip = convolution(w, "skip_conv2", b, 1, 1)
    c = convolution(w, "conv5", convolution(w, "conv4", b, 1, 1), 1, 1) + skip
    return convolution(w, "conv6", c, 1)


def pool(w: Weights, images: Tensor, poses: Tensor) -> Tensor:
    return tower(w, images, poses).mean(dim=3, keepdim=True).mean(dim=2, keepdim=True)


def pyramid(w: Weights, images: Tensor, poses: Tensor) -> Tensor:
    x = torch.cat([images, as_maps(poses, images.shape[2], images.shape[3])], dim=1)
    x = convolution(w, "in_conv", x, 2)
    d, index = images.shape[2], 0
    while d > 16:
        x = convolution(w, f"conv_list.{index}", x, 2)
        d, index = d / 2, index + 1
    return convolution(w, "out_conv", x, 8)


# --- aggregation and partition


def sigmoid(x: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-x))


def basket(u: float, a: Tensor, b: Tensor, m: float) -> Tensor:
    return (1 - sigmoid(m * (u - a))) + sigmoid(m * (u - b))


def shares(deltas: Tensor) -> list[Tensor]:
    total = sum(torch.exp(delta) for delta in deltas)
    return [torch.exp(delta) / total for delta in deltas]


def soft_mask(deltas: Tensor, index: int, channels: int, m: float) -> Tensor:
    p = shares(deltas)
    a = sum(p[:index], torch.zeros_like(p[0]))
    b = sum(p[: index + 1], torch.zeros_like(p[0]))
    return torch.stack(
        [
            basket(i / channels, a, b, m)
            * basket(i / channels, a - 1, b - 1, m)
            * basket(i / channels, a + 1, b + 1, m)
            for i in range(1, channels + 1)
        ]
    )


def thirds_mask(factor: int, channels: int) -> Tensor:
    split = channels // 3
    mask = torch.ones(channels, dtype=torch.float64)
    for i in range(1, channels + 1):
        if (i < split, split <= i < 2 * split, i >= 2 * split)[factor]:
            mask[i - 1] = 0
    return mask


def slope(start: float, end: float, sharp: float, sharpening: int, final: int, t: int) -> float:
    if t < sharpening:
        return start + (end - start) * t / sharpening
    if t < sharpening + final:
        return end + (sharp - end) * (t - sharpening) / final
    return sharp


def representation(
    views: Tensor,
    deltas: Tensor,
    *,
    factor: int | None,
    adaptive: bool,
    null: bool,
    m: float,
    func: str = "mean",
) -> Tensor:
    """[B, N, R, h, w] -> [B, R, h, w]; `factor` None: no separation."""
    own = views.mean(dim=1) if func == "mean" else views.max(dim=1).values
    channels = views.shape[2]
    result = own
    if factor is not None:
        mask = soft_mask(deltas, factor, channels, m) if adaptive else thirds_mask(factor, channels).to(views)
        mask = mask.reshape(1, channels, 1, 1)
        result = (1 - mask) * own + mask * views.mean(dim=(0, 1)).unsqueeze(0)
    if null:
        result = result * soft_mask(deltas, 3, channels, m).clamp(0, 1).reshape(1, channels, 1, 1)
    return result


def partition_price(deltas: Tensor, channels: int, weight: float) -> Tensor:
    return weight * channels / 256 * (1 - shares(deltas)[3])


# --- pixel generator


def pixel_generator(
    w: Weights,
    buffers: Tensor,
    pose: Tensor,
    r: Tensor,
    *,
    propagate_buffers: bool,
    propagate_representation: bool,
    propagate_viewpoint: bool,
    end_relu: bool,
) -> Tensor:
    """Buffers [B, x, H, W], pose [B, V], representation [B, R, h, w] -> output [B, C, H, W]."""
    height, width = buffers.shape[2:]
    pose_maps = as_maps(pose, height, width)
    constant = r.shape[2:] == (1, 1)
    r_maps = as_maps(r.flatten(1), height, width) if constant else F.interpolate(r, size=(height, width))
    hidden = F.conv2d(torch.cat([buffers, pose_maps, r_maps], dim=1), w["input.weight"], w["input.bias"])
    hidden = F.leaky_relu(hidden, 0.01)
    index = 0
    while f"layers.{index}.weight" in w:
        parts = [hidden]
        if propagate_buffers:
            parts.append(buffers)
        if propagate_representation:
            parts.append(r_maps)
        if propagate_viewpoint:
            parts.append(pose_maps)
        hidden = F.conv2d(torch.cat(parts, dim=1), w[f"layers.{index}.weight"], w[f"layers.{index}.bias"])
        hidden = F.leaky_relu(hidden, 0.01)
        index += 1
    output = F.conv2d(hidden, w["final.weight"], w["final.bias"])
    return F.relu(output) if end_relu else output


# --- losses


def window(like: Tensor) -> Tensor:
    weights = torch.zeros(11, 11, dtype=torch.float64)
    for i in range(11):
        for j in range(11):
            weights[i, j] = math.exp(-((i - 5) ** 2 + (j - 5) ** 2) / (2 * 1.5**2))
    return (weights / weights.sum()).to(like)


def ssim(x: Tensor, y: Tensor) -> Tensor:
    channels = x.shape[1]
    kernel = window(x).expand(channels, 1, 11, 11)

    def blur(image: Tensor) -> Tensor:
        return F.conv2d(image, kernel, padding=5, groups=channels)

    mx, my = blur(x), blur(y)
    vx, vy, cov = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    return (((2 * mx * my + c1) * (2 * cov + c2)) / ((mx * mx + my * my + c1) * (vx + vy + c2))).mean()


def loss(name: str, out: Tensor, y: Tensor, t: int, *, unet: bool = False) -> Tensor:
    log_y = torch.log(1 + y)
    if name == "logl1":
        return 2 * (out - log_y).abs().mean()
    if name == "l1":
        return (0.5 if unet else 2) * (out - y).abs().mean()
    if name == "logl2":
        return 500 * ((out - log_y) ** 2).mean()
    if name == "logssim":
        return 1 - ssim(log_y, out)
    if name == "ssim":
        return 1 - ssim(y, out)
    if name == "nll":
        steps = 2e4 if unet else 2e5
        sigma = max(2 + (0.1 - 2) * t / steps, 0.1)
        density = torch.exp(-((y - out) ** 2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
        return (1 if unet else 0.2) * -torch.log(density).mean()
    if name == "bce":
        p = out.clamp(0, 1)
        # logarithms are cut at -100, as everybody does
        return 10 * -(y * torch.log(p).clamp_min(-100) + (1 - y) * torch.log(1 - p).clamp_min(-100)).mean()
    raise ValueError(name)
