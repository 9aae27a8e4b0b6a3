"""Encoders: one observed view in, its contribution to the scene's representation out."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnsr.buffers import channel_count
from cnsr.config import RepresentationConfig
from cnsr.errors import ConfigError


class Encoder(nn.Module, ABC):
    """Base of all encoders.

    Attributes:
        deltas: logits of the partitions' shares of the channels: lighting, geometry, material, and the null
            partition where there is one. They start equal.
    """

    def __init__(self, partitions: int) -> None:
        super().__init__()
        self.deltas = nn.Parameter(torch.ones(partitions))

    @abstractmethod
    def forward(self, images: Tensor, poses: Tensor) -> Tensor:
        """Return the views' contributions [M, R, h, w] from their buffers [M, x, S, S] and poses [M, V]."""


class Pool(Encoder):
    """Convolutions that quarter the image size, then the average over all pixels: R x 1 x 1.

    The layers are those of the tower encoder of Eslami et al. 2018 (supplement, figure S1), for R channels.

    Args:
        config: says which buffers are observed, and R.
        pose_dim: V.
        partitions: number of partition logits.

    Raises:
        ConfigError: R is less than 2.
    """

    def __init__(self, config: RepresentationConfig, pose_dim: int, partitions: int) -> None:
        super().__init__(partitions)
        full, half = config.representation_dim, config.representation_dim // 2
        if half < 1:
            raise ConfigError(f"representation_dim: must be at least 2 for a Pool encoder (got {full})")
        self.conv1 = nn.Conv2d(channel_count(config.observation_passes), full, 2, stride=2)
        self.skip_conv1 = nn.Conv2d(full, full, 2, stride=2)
        self.conv2 = nn.Conv2d(full, half, 3, padding=1)
        self.conv3 = nn.Conv2d(half, full, 2, stride=2)
        self.skip_conv2 = nn.Conv2d(full + pose_dim, full, 3, padding=1)
        self.conv4 = nn.Conv2d(full + pose_dim, half, 3, padding=1)
        self.conv5 = nn.Conv2d(half, full, 3, padding=1)
        self.conv6 = nn.Conv2d(full, full, 1)

    def forward(self, images: Tensor, poses: Tensor) -> Tensor:
        """Return [M, R, 1, 1] from buffers [M, x, S, S], S a multiple of 4, and poses [M, V]."""
        return self._features(images, poses).float().mean(dim=(2, 3), keepdim=True)

    def _features(self, images: Tensor, poses: Tensor) -> Tensor:
        # ReLU in place: a convolution keeps its input for the backward pass, not its output.
        a = F.relu_(self.conv1(images))  # [M, R, S/2, S/2]
        skip = F.relu_(self.skip_conv1(a))  # [M, R, S/4, S/4]
        b = F.relu_(self.conv3(F.relu_(self.conv2(a)))) + skip
        pose_maps = poses[:, :, None, None].expand(-1, -1, *b.shape[2:]).to(b.dtype)
        b = torch.cat((b, pose_maps), dim=1)  # [M, R + V, S/4, S/4]
        skip = F.relu_(self.skip_conv2(b))
        c = F.relu_(self.conv5(F.relu_(self.conv4(b)))) + skip
        return F.relu_(self.conv6(c))
