"""The U-Net generator (``Unet``): convolutions at seven levels of resolution. Spec: ``networks.md``."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

from cnsr.config import UnetConfig
from cnsr.models.constant_maps import convolve
from cnsr.models.generator import Generator, Given, ImageDerivative, Place, Step
from cnsr.models.losses import ImageLoss, LossScales
from cnsr.models.unet_derivative import BlockValues, DownLevel, UnetDerivative, UpLevel

CHANNELS = (128, 256, 512, 512, 512, 512, 512)
"""Of the features at each level, from the full resolution down."""
UP_NAMES = ("3", "2", "1", "6", "5", "4")
"""By what published checkpoints call the way up to each level but the deepest."""
SCALES = LossScales(l1=0.5, nll=1.0, nll_iterations=20_000)

BlockCall = Callable[[str, Sequence[Tensor], Tensor | None], Tensor]
"""Returns the features that a block, by its name, makes of maps and of vectors that stand for constant maps."""


class Unet(Generator):
    """Maps the buffers, the query pose and the representation to radiance, with features of ever larger surroundings.

    On the way down, each level also sees representation and pose; what its convolution makes of constant maps is
    computed once a scene. On the way up, each level sees the features that the way down had there. Images are laid
    out channels-last.

    Args:
        config: says the losses and the buffers.
        place: numbers of channels.
        channels: of the features at each of the seven levels.
    """

    def __init__(self, config: UnetConfig, place: Place, channels: Sequence[int] = CHANNELS) -> None:
        super().__init__()
        self.settings = config.settings
        self.criterion = ImageLoss(config.settings.loss, config.output_passes, SCALES)
        before = (place.buffers, *channels)
        extras = place.representation + place.pose
        for level, features in enumerate(channels):
            self.add_module(f"down_block{level + 1}", _Block(before[level] + extras, features))
        for level, name in reversed(list(enumerate(UP_NAMES))):
            features = channels[level]
            upscale = nn.ConvTranspose2d(channels[level + 1], features, 4, stride=2, padding=1)
            self.add_module(f"upscale{name}", upscale)
            self.add_module(f"up_block{name}", _Block(2 * features, features))
        self.final = nn.Conv2d(channels[0], place.output, 1)

    def training_step(self, given: Given, target: Tensor, iteration: int) -> Step:
        """Return the image [B, C, S, S] and the losses that the config names."""
        output = self(given)
        return Step(self.criterion.image(output), self.criterion(output, target, iteration))

    def sample(self, given: Given) -> Tensor:
        """Return the image [B, C, S, S]."""
        return self.criterion.image(self(given))

    def derivative(self, given: Given, outputs: int) -> ImageDerivative | None:  # noqa: ARG002 - however few
        """Return the derivative of what `sample` makes of one view."""
        values: dict[str, BlockValues] = {}

        def call(name: str, maps: Sequence[Tensor], constants: Tensor | None) -> Tensor:
            block = self._block(name)
            hidden, features = block.values(maps, constants)
            values[name] = BlockValues(*block.weights, hidden, features)
            return features

        with torch.no_grad():
            output = self.final(self._features(given, call))
        with torch.enable_grad():
            output.requires_grad_()
            image = self.criterion.image(self._finished(output))
            (slopes,) = torch.autograd.grad(image.sum(), output)  # each pixel has its own
        down = [DownLevel(values[f"down_block{level + 1}"]) for level in range(len(CHANNELS))]
        up = [UpLevel(values[f"up_block{name}"], self._upscale(name).weight) for name in UP_NAMES]
        return UnetDerivative(down, up, self.final.weight.flatten(1), given, slopes[0])

    def forward(self, given: Given) -> Tensor:
        """Return the output Y [B, C, S, S] in float32, in log space if a loss is logarithmic; S a multiple of 64."""
        return self._finished(self.final(self._features(given, self._call)))

    def _finished(self, output: Tensor) -> Tensor:
        output = output.float()
        return F.relu(output) if self.settings.end_relu else output

    def _features(self, given: Given, call: BlockCall) -> Tensor:
        """Return the features of the way up at the full resolution; every block is called by `call`."""
        x = given.buffers.contiguous(memory_format=torch.channels_last)
        skips: list[Tensor] = []
        for level in range(len(CHANNELS)):
            if level:
                x = max_pool(x)
            x = call(f"down_block{level + 1}", *_seen(x, given))  # [B, channels, S / 2^level, S / 2^level]
            skips.append(x)
        skips.pop()
        for name in reversed(UP_NAMES):
            x = call(f"up_block{name}", [_upscaled(self._upscale(name), x), skips.pop()], None)
        return x

    def _call(self, name: str, maps: Sequence[Tensor], constants: Tensor | None) -> Tensor:
        """Return the features of a block from maps [B, C_i, s, s] and vectors [B, c] that stand for constant maps.

        In training on the CPU, the first level keeps no hidden values for the backward pass. They are the largest of
        all, and made of few channels: quickly computed once more.
        """
        block = self._block(name)
        if name == "down_block1" and self.training and torch.is_grad_enabled() and maps[0].device.type == "cpu":
            return cast("Tensor", checkpoint(block, maps, constants, use_reentrant=False, preserve_rng_state=False))
        return cast("Tensor", block(maps, constants))

    def _upscale(self, name: str) -> nn.ConvTranspose2d:
        return cast("nn.ConvTranspose2d", self.get_submodule(f"upscale{name}"))

    def _block(self, name: str) -> _Block:
        return cast("_Block", self.get_submodule(name))


def max_pool(maps: Tensor) -> Tensor:
    """Return the largest of each 2 x 2 pixels: [B, C, H / 2, W / 2] from [B, C, H, W]. Differentiable once.

    On the CPU it keeps both images, which the convolutions around it keep anyway, instead of indices.
    """
    if maps.device.type != "cpu" or torch.compiler.is_compiling():
        return F.max_pool2d(maps, 2)
    return cast("Tensor", _MaxPool.apply(maps))  # type: ignore[no-untyped-call]


class _MaxPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor) -> Tensor:
        pooled = F.max_pool2d(maps, 2)
        ctx.save_for_backward(maps, pooled)
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, remaining: Tensor) -> Tensor:
        maps, pooled = ctx.saved_tensors
        gradient = torch.empty_like(maps)
        for row, column in itertools.product(range(2), range(2)):
            corner = gradient[:, :, row::2, column::2]
            torch.eq(maps[:, :, row::2, column::2], pooled, out=corner)
            remaining = remaining - corner.mul_(remaining)  # of equal pixels, the first gets it all
        return gradient


class _Block(nn.Module):
    """Two 3 x 3 convolutions, each with a ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            nn.ReLU(inplace=True),
        )

    @property
    def weights(self) -> tuple[Tensor, Tensor]:
        """Of both convolutions."""
        first, _, second, _ = self.model
        return cast("nn.Conv2d", first).weight, cast("nn.Conv2d", second).weight

    def forward(self, maps: Sequence[Tensor], constants: Tensor | None = None) -> Tensor:
        """Return [B, outputs, s, s] from maps [B, C_i, s, s] and vectors [B, c] that stand for constant maps."""
        return self.values(maps, constants)[1]

    def values(self, maps: Sequence[Tensor], constants: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return what the first convolution makes, and then the second; arguments as for `forward`."""
        first, rectify, second, _ = self.model
        hidden: Tensor = rectify(_convolved(cast("nn.Conv2d", first), maps, constants))
        return hidden, rectify(_convolved(cast("nn.Conv2d", second), [hidden], None))


def _seen(features: Tensor, given: Given) -> tuple[list[Tensor], Tensor]:
    """Return what a level on the way down convolves: maps [B, C_i, s, s], and vectors for constant maps [B, c]."""
    if given.representation.shape[2:] == (1, 1):
        return [features], torch.cat((given.representation.flatten(1), given.pose), dim=1)
    size = features.shape[2:]
    return [features, F.interpolate(given.representation, size=size, mode="nearest").to(features.dtype)], given.pose


def _convolved(layer: nn.Conv2d, maps: Sequence[Tensor], constants: Tensor | None) -> Tensor:
    """Return the layer's convolution of the concatenation of maps [B, C_i, s, s] and constant maps."""
    if maps[0].shape[-1] > 1:
        return convolve(layer, maps, constants)
    # Of the kernel, only the center lies inside of the image.
    seen = [part.flatten(1) for part in maps] + ([] if constants is None else [constants])
    return F.linear(torch.cat(seen, dim=1), layer.weight[:, :, 1, 1], layer.bias)[:, :, None, None]


def _upscaled(layer: nn.ConvTranspose2d, features: Tensor) -> Tensor:
    """Return the layer's output, maps of twice the size [B, o, 2 s, 2 s], for features [B, i, s, s]."""
    if features.shape[-1] > 1:
        result: Tensor = layer(features)
        return result
    # What the outer taps of the 4 x 4 kernel make of a single pixel lies outside of the image.
    taps = layer.weight[:, :, 1:3, 1:3].flatten(1)  # [i, o 2 2]
    bias = cast("Tensor", layer.bias).repeat_interleave(4)
    return F.linear(features.flatten(1), taps.t(), bias).view(len(features), -1, 2, 2)
