"""Encoders: one observed view in, its contribution to the scene's representation out."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnsr.buffers import channel_count
from cnsr.config import RepresentationConfig
from cnsr.models.constant_maps import convolve


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


class Tower(Encoder):
    """Convolutions that quarter the image size: R x S/4 x S/4.

    The layers are those of the tower encoder of Eslami et al. 2018 (supplement, figure S1), for R channels. Images
    are laid out channels-last, which is faster on the CPU, needs less memory, and suits the kernels of GPUs.

    Args:
        config: says which buffers are observed, and R, at least 2.
        pose_dim: V.
        partitions: number of partition logits.
    """

    def __init__(self, config: RepresentationConfig, pose_dim: int, partitions: int) -> None:
        super().__init__(partitions)
        full, half = config.representation_dim, config.representation_dim // 2
        self.conv1 = nn.Conv2d(channel_count(config.observation_passes), full, 2, stride=2)
        self.skip_conv1 = nn.Conv2d(full, full, 2, stride=2)
        self.conv2 = nn.Conv2d(full, half, 3, padding=1)
        self.conv3 = nn.Conv2d(half, full, 2, stride=2)
        self.skip_conv2 = nn.Conv2d(full + pose_dim, full, 3, padding=1)
        self.conv4 = nn.Conv2d(full + pose_dim, half, 3, padding=1)
        self.conv5 = nn.Conv2d(half, full, 3, padding=1)
        self.conv6 = nn.Conv2d(full, full, 1)

    def forward(self, images: Tensor, poses: Tensor) -> Tensor:
        """Return [M, R, S/4, S/4] from buffers [M, x, S, S], S a multiple of 4, and poses [M, V]."""
        images = images.contiguous(memory_format=torch.channels_last)
        # ReLU in place: a convolution keeps its input for the backward pass, not its output.
        a = F.relu_(self.conv1(images))  # [M, R, S/2, S/2]
        skip = F.relu_(self.skip_conv1(a))  # [M, R, S/4, S/4]
        b = F.relu_(self.conv3(F.relu_(convolve(self.conv2, [a])))) + skip
        skip = F.relu_(convolve(self.skip_conv2, [b], poses))
        c = F.relu_(convolve(self.conv5, [F.relu_(convolve(self.conv4, [b], poses))])) + skip
        return F.relu_(self.conv6(c))


class Pool(Tower):
    """The tower encoder and then the average over all pixels: R x 1 x 1."""

    def forward(self, images: Tensor, poses: Tensor) -> Tensor:
        """Return [M, R, 1, 1], averaged in float32, from buffers [M, x, S, S], S a multiple of 4, and poses [M, V]."""
        return super().forward(images, poses).float().mean(dim=(2, 3), keepdim=True)


class Pyramid(Encoder):
    """Convolutions that halve the image size until 8 pixels are left, and one that takes these: R x 1 x 1.

    `in_conv` leaves S/2 pixels, and of `conv_list` there are log2(S / 16) layers, so that 8 are left for S = 16, 32,
    64, ... and for no other size. After Eslami et al. 2018 (supplement, figure S1), whose S is 64.

    Args:
        config: says which buffers are observed, their size S, and R.
        pose_dim: V.
        partitions: number of partition logits.
    """

    def __init__(self, config: RepresentationConfig, pose_dim: int, partitions: int) -> None:
        super().__init__(partitions)
        channels = 32
        self.in_conv = nn.Conv2d(channel_count(config.observation_passes) + pose_dim, channels, 2, stride=2)
        self.conv_list = nn.ModuleList()
        size = config.render_size
        while size > 16:
            self.conv_list.append(nn.Conv2d(channels, 2 * channels, 2, stride=2))
            channels, size = 2 * channels, size // 2
        self.out_conv = nn.Conv2d(channels, config.representation_dim, 8, stride=8)

    def forward(self, images: Tensor, poses: Tensor) -> Tensor:
        """Return [M, R, 1, 1] from buffers [M, x, S, S], S that of the config, and poses [M, V]."""
        images = images.contiguous(memory_format=torch.channels_last)
        on_images, on_poses = torch.split(self.in_conv.weight, [images.shape[1], poses.shape[1]], dim=1)
        # Without padding, every pixel sees all taps of a constant map.
        constant = F.linear(poses, on_poses.sum(dim=(2, 3)))[:, :, None, None]  # [M, 32, 1, 1]
        x = F.conv2d(images, on_images, self.in_conv.bias, stride=2)
        x = F.relu_(x.add_(constant))
        for layer in self.conv_list:
            x = F.relu_(layer(x))
        return F.relu_(self.out_conv(x))
