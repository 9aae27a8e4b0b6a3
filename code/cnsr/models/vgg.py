"""Perceptual distance of images by features of VGG-16, whose weights the user provides."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnsr.errors import ConfigError

WEIGHTS_VARIABLE = "CNSR_VGG_WEIGHTS"

# (index in torchvision's `features`, channels), one row a resolution; the last ReLU of each row is compared.
_STAGES = (
    ((0, 64), (2, 64)),
    ((5, 128), (7, 128)),
    ((10, 256), (12, 256), (14, 256)),
    ((17, 512), (19, 512), (21, 512)),
)
_MEAN = (0.485, 0.456, 0.406)  # of ImageNet, on which the network was trained
_STD = (0.229, 0.224, 0.225)


class VggFeatures(nn.Module):
    """The convolutions of VGG-16 (Simonyan & Zisserman 2015) up to ``relu4_3``, frozen.

    The weights are no part of a checkpoint: they are known, and would be most of it.

    Args:
        weights: ``features.<i>.weight`` and ``.bias`` as torchvision names them; others are ignored.

    Raises:
        ConfigError: a weight is missing or has the wrong shape.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        channels = 3
        for index, width in (layer for stage in _STAGES for layer in stage):
            for kind, shape in (("weight", (width, channels, 3, 3)), ("bias", (width,))):
                tensor = weights.get(f"features.{index}.{kind}")
                if not isinstance(tensor, Tensor) or tensor.shape != shape:
                    raise ConfigError(
                        f"settings.loss: the file in {WEIGHTS_VARIABLE} is not that of VGG-16: "
                        f"features.{index}.{kind} should have the shape {shape}"
                    )
                self.register_buffer(f"{kind}{index}", tensor.float().clone(), persistent=False)
            channels = width
        self.register_buffer("mean", torch.tensor(_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(3, 1, 1), persistent=False)

    @classmethod
    def from_environment(cls) -> VggFeatures:
        """Read the file that the environment variable ``CNSR_VGG_WEIGHTS`` names.

        Raises:
            ConfigError: the variable is not set, or the file is not a PyTorch file with VGG-16's weights.
        """
        name = os.environ.get(WEIGHTS_VARIABLE)
        if not name:
            raise ConfigError(
                "settings.loss: 'vgg' needs the weights of VGG-16, which are not part of this project: set "
                f"{WEIGHTS_VARIABLE} to torchvision's vgg16-397923af.pth, or choose another loss"
            )
        try:
            weights = torch.load(Path(name), map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ConfigError(f"settings.loss: {name} ({WEIGHTS_VARIABLE}) cannot be read: {reason}") from error
        return cls(weights if isinstance(weights, Mapping) else {})

    def distance(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the mean absolute difference of features, averaged over ``relu1_2``, ``2_2``, ``3_3`` and ``4_3``.

        After the feature reconstruction loss of Johnson et al. 2016. Both images are [B, 3, H, W] in [0, 1], H and W
        at least 8.
        """
        pairs = zip(self._features(first), self._features(second), strict=True)
        return torch.stack([F.l1_loss(a, b) for a, b in pairs]).mean()

    def _features(self, images: Tensor) -> Iterator[Tensor]:
        features = (images - self.mean) / self.std
        for number, stage in enumerate(_STAGES):
            if number:
                features = F.max_pool2d(features, 2)
            for index, _ in stage:
                weight, bias = self.get_buffer(f"weight{index}"), self.get_buffer(f"bias{index}")
                features = F.relu(F.conv2d(features, weight, bias, padding=1))
            yield features
