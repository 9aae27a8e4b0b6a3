"""Image losses of the deterministic generators. Spec: ``networks.md``, "Losses of Unet and PixelCNN"."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnsr.buffers import channel_count
from cnsr.errors import ConfigError
from cnsr.models.ssim import ssim
from cnsr.models.vgg import VggFeatures

NLL_SIGMAS = (2.0, 0.1)  # first and last standard deviation of the Gaussian likelihood


@dataclass(frozen=True)
class LossScales:
    """Constants in which the generators differ: factors of two losses, and the iterations of the annealing."""

    l1: float
    nll: float
    nll_iterations: int


class ImageLoss(nn.Module):
    """The sum of losses that a config asks for; its value is a dict of the single terms.

    With Y the network's output and y the target, all means over everything: ``logl1`` 2|Y - log(1 + y)|, ``l1``
    2|Y - y|, ``logl2`` 500 (Y - log(1 + y))^2, ``logssim`` 1 - SSIM(log(1 + y), Y), ``ssim`` 1 - SSIM(y, Y), ``nll``
    the Gaussian -log N(y; Y, sigma) with annealed sigma, ``bce`` 10 times the binary cross entropy of Y clamped to
    [0, 1], ``vgg`` the distance of VGG-16 features. If any loss is a logarithmic one, the network works in log space
    and its image is exp(Y) - 1; the other losses see Y as it is. Everything is computed in float32, also under
    autocast.

    Raises:
        ConfigError: ``vgg`` cannot work with the output passes, or its weights are not there.
    """

    def __init__(self, names: Sequence[str], output_passes: Sequence[str], scales: LossScales) -> None:
        super().__init__()
        self.names = tuple(names)
        self.scales = scales
        self.log_space = any(name.startswith("log") for name in names)
        if "vgg" in names:
            if channel_count(output_passes) != 3:
                raise ConfigError("settings.loss: 'vgg' compares images of 3 channels, so output_passes must have 3")
            self.features = VggFeatures.from_environment()

    def forward(self, output: Tensor, target: Tensor, iteration: int) -> dict[str, Tensor]:
        """Return each loss as a scalar, from Y and the linear target (both [B, C, H, W]) at an iteration."""
        with torch.autocast(output.device.type, enabled=False):
            output, target = output.float(), target.float()
            return {name: self._term(name, output, target, iteration) for name in self.names}

    def image(self, output: Tensor) -> Tensor:
        """Return the linear image [B, C, H, W] that the network means by its output."""
        return torch.expm1(output.float()) if self.log_space else output.float()

    def expected_output(self, target: Tensor) -> Tensor:
        """Return the output that stands for a linear image: the inverse of `image`."""
        return torch.log1p(target.float()) if self.log_space else target.float()

    def _term(self, name: str, output: Tensor, target: Tensor, iteration: int) -> Tensor:
        match name:
            case "logl1":
                return 2 * F.l1_loss(output, torch.log1p(target))
            case "l1":
                return self.scales.l1 * F.l1_loss(output, target)
            case "logl2":
                return 500 * F.mse_loss(output, torch.log1p(target))
            case "logssim":
                return 1 - ssim(torch.log1p(target), output).mean()
            case "ssim":
                return 1 - ssim(target, output).mean()
            case "nll":
                sigma = annealed_sigma(iteration, self.scales.nll_iterations)
                constant = math.log(sigma) + 0.5 * math.log(2 * math.pi)
                return self.scales.nll * (F.mse_loss(output, target) / (2 * sigma**2) + constant)
            case "bce":
                return 10 * F.binary_cross_entropy(output.clamp(0, 1), target)
            case "vgg":
                return self.features.distance(output, target)
        raise AssertionError(f"a loss without a formula: {name}")


def annealed_sigma(iteration: int, iterations: int) -> float:
    """Return the standard deviation of the likelihood: linear from 2 to 0.1 within `iterations`, then constant."""
    first, last = NLL_SIGMAS
    return max(first + (last - first) * iteration / iterations, last)
