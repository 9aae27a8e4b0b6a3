"""Structural similarity with the zero-padded window that all losses, logs and tables of this project mean."""

from __future__ import annotations

import torch
from torch import Tensor

WINDOW = 11  # pixels along an edge
SIGMA = 1.5  # pixels
C1 = 0.01**2
C2 = 0.03**2


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """Return the structural similarity [B] of two stacks of images [B, C, H, W], averaged over channels and pixels.

    Wang et al. 2004, with an 11x11 Gaussian window (standard deviation 1.5 pixels), zero padding and a value range
    of 1. Computed in float32 at least, also under autocast.
    """
    return ssim_map(first, second).mean(dim=(1, 2, 3))


def ssim_map(first: Tensor, second: Tensor) -> Tensor:
    """Return the structural similarity of every pixel and channel [B, C, H, W]; see `ssim`."""
    with torch.autocast(first.device.type, enabled=False):
        x = first.to(torch.promote_types(first.dtype, torch.float32))
        y = second.to(x.dtype)
        mean_x, mean_y, mean_xx, mean_yy, mean_xy = _blur(torch.stack((x, y, x * x, y * y, x * y)))
        variance_x, variance_y = mean_xx - mean_x**2, mean_yy - mean_y**2
        covariance = mean_xy - mean_x * mean_y
        luminance = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
        structure = (2 * covariance + C2) / (variance_x + variance_y + C2)
        similarity: Tensor = luminance * structure
        return similarity


def _blur(images: Tensor) -> Tensor:
    """Convolve [..., H, W] with the window.

    The Gaussian is separable, and a zero-padded convolution along one axis is a product with a banded matrix. For
    images of some hundred pixels that is many times faster than a convolution with few channels, here and on GPUs.
    """
    height, width = images.shape[-2:]
    return _band(height, images) @ images @ _band(width, images)


def _band(size: int, like: Tensor) -> Tensor:
    """Return the symmetric [size, size] matrix whose rows are the one-dimensional window around each pixel."""
    pixels = torch.arange(size, device=like.device, dtype=like.dtype)
    distance = (pixels[:, None] - pixels[None, :]).abs()
    taps = torch.arange(WINDOW, device=like.device, dtype=like.dtype) - WINDOW // 2
    weights = torch.exp(-(distance**2) / (2 * SIGMA**2)) / torch.exp(-(taps**2) / (2 * SIGMA**2)).sum()
    return torch.where(distance <= WINDOW // 2, weights, 0.0)
