"""How good a picture is. Names mean one thing everywhere (``docs/conventions.md``).

Inputs are linear radiance [B, C, H, W]; each metric gives one number an image, [B], and averages are taken over
images.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cnsr.models import ssim as similarity

MAXIMUM_PSNR = 100.0
"""dB. A mean squared error below 1e-10 (identical images have 0) counts as 1e-10, so that averages stay finite."""


def display_referred(radiance: Tensor) -> Tensor:
    """Return `radiance` as a screen shows it: clamped to [0, 1], with the sRGB curve (IEC 61966-2-1)."""
    linear = radiance.clamp(0, 1)
    # The lower bound keeps the power's gradient finite where the other branch is taken.
    curved = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, 12.92 * linear, curved)


def psnr(prediction: Tensor, reference: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio [B] in dB of the display-referred images, at most `MAXIMUM_PSNR`."""
    error = (display_referred(prediction) - display_referred(reference)).square().flatten(1).mean(1)
    return -10 * torch.log10(error.clamp(min=10 ** (-MAXIMUM_PSNR / 10)))


def ssim(prediction: Tensor, reference: Tensor) -> Tensor:
    """Return the structural similarity [B] of the display-referred images (Wang et al. 2004).

    The window is 11x11, Gaussian with sigma = 1.5, zero-padded, as in the networks' losses.
    """
    return similarity.ssim(display_referred(prediction), display_referred(reference))


def mape(prediction: Tensor, reference: Tensor) -> Tensor:
    """Return the mean of abs(p - r) / (r + 0.01) [B], on linear radiance (a fraction, not in percent)."""
    return ((prediction - reference).abs() / (reference + 0.01)).flatten(1).mean(1)


def rmse(prediction: Tensor, reference: Tensor) -> Tensor:
    """Return the root of the mean squared error [B] of each image, on linear radiance."""
    return (prediction - reference).square().flatten(1).mean(1).sqrt()


def image_metrics(prediction: Tensor, reference: Tensor) -> dict[str, Tensor]:
    """Return all metrics, each [B], by name.

    Raises:
        ValueError: the shapes differ.
    """
    if prediction.shape != reference.shape:
        raise ValueError(f"prediction is {tuple(prediction.shape)}, reference {tuple(reference.shape)}")
    prediction, reference = prediction.float(), reference.float()
    return {
        "psnr": psnr(prediction, reference),
        "ssim": ssim(prediction, reference),
        "mape": mape(prediction, reference),
        "rmse": rmse(prediction, reference),
    }
