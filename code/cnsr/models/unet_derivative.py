"""Gradients of numbers in an image that a U-Net (`cnsr.models.unet`) makes, many at a time.

For one view, all ReLUs and max pools are fixed: the rest is linear, and the gradients of many outputs go back through
it as one batch, without the graph of an evaluation. On the way up a pixel of the image depends on a window of each
level alone: 5 pixels wide at the full resolution, 8 and 10 wide at the next ones. Each output has a window of its own;
what of it lies outside of the image is dropped. From the level on where the windows are as large as the image, and on
the way down, whole images are followed. Images lie channels last: [K, height, width, channels].
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cnsr.models import winograd
from cnsr.models.constant_maps import taps_inside
from cnsr.models.generator import Given, ImageDerivative, Told
from cnsr.models.inputs import unresized

_MOST = 64
"""Outputs at a time: more are not faster."""
_GROWTH = 4
"""Pixels by which two convolutions make a window wider: an image without room for them is followed as a whole."""
_PIECE = 24 * 2**20
"""Bytes for the gradients of a level on the way down: with large images, only some outputs go there at a time."""
_FEWEST_CHANNELS = 128
"""With fewer, ordinary convolutions are as fast as those of `winograd`."""


@dataclass(frozen=True)
class BlockValues:
    """A block of two convolutions at the values that it has for a view.

    Attributes:
        first: weights [o, C, 3, 3].
        second: weights [o, o, 3, 3].
        hidden: behind the first one and its ReLU, [1, o, s, s].
        features: behind the second one and its ReLU.
    """

    first: Tensor
    second: Tensor
    hidden: Tensor
    features: Tensor


class _Block:
    """A block with its ReLUs as factors 0 and 1.

    Attributes:
        size: s.
        channels: o.
        on_hidden: factors [s s + 1, o]; the last row is for all pixels outside of the image, and 0.
        on_features: the same.
    """

    def __init__(self, values: BlockValues) -> None:
        self.first, self.second, self.size = values.first, values.second, values.features.shape[-1]
        self.channels = len(values.second)
        self.on_hidden, self.on_features = _factors(values.hidden), _factors(values.features)


class DownLevel(_Block):
    """A level of the way down, which sees maps, representation and pose.

    Attributes:
        pooling: factors [2, 2, s / 2, s / 2, o] of each pixel in a square of four: 1 for the one that the max pool
            behind it takes, if it is above 0. Without meaning at the deepest level, which alone may have an odd s.
    """

    def __init__(self, values: BlockValues) -> None:
        super().__init__(values)
        self.pooling = values.features.new_zeros(0) if self.size % 2 else _pooling(values.features[0])


class UpLevel(_Block):
    """A level of the way up, which sees what is scaled up from the level below, and the features of the way down.

    Args:
        values: of its block.
        upscale: weights [channels below, o, 4, 4] of the transposed convolution.
    """

    def __init__(self, values: BlockValues, upscale: Tensor) -> None:
        super().__init__(values)
        self.upscale = upscale


@dataclass(frozen=True)
class _Window:
    """Gradients of a part of an image for each of K outputs.

    Attributes:
        values: [K, n, n, C].
        corner: [K, 2], row and column of the first pixel, which may lie outside of the image.
        size: s of the image.
    """

    values: Tensor
    corner: Tensor
    size: int

    @property
    def edge(self) -> int:
        """Return n."""
        return self.values.shape[1]

    def places(self) -> Tensor:
        """Return where in the image's s s pixels those of the windows are, [K, n, n]; s s for those outside."""
        return _places(self.corner, self.edge, self.size)

    def whole(self) -> bool:
        """Whether the windows are the image."""
        return self.edge == self.size and not self.corner.any()

    def back(self, weight: Tensor, factors: Tensor | None = None) -> _Window:
        """Return the gradients before a convolution, times factors [s s + 1, C]; wider by a pixel on each side.

        An image as a whole stays as it is.
        """
        whole = self.whole()
        values = _transposed(self.values, weight, border=not whole)
        window = _Window(values, self.corner if whole else self.corner - 1, self.size)
        return window if factors is None else window.times(factors)

    def times(self, factors: Tensor) -> _Window:
        """Multiply the values by factors [s s + 1, C]."""
        if self.whole():
            self.values.mul_(factors[:-1].view(self.size, self.size, -1))
        else:
            self.values.mul_(factors[self.places()])
        return self

    def part(self, channels: slice) -> _Window:
        """Return some channels."""
        return _Window(self.values[..., channels], self.corner, self.size)

    def outputs(self, some: slice) -> _Window:
        """Return the windows of some outputs."""
        return _Window(self.values[some], self.corner[some], self.size)

    def add_to(self, images: Tensor) -> None:
        """Add the values to images [K, s, s, C]."""
        if self.whole():
            images.add_(self.values)
            return
        places, pixels = self.places(), self.size**2
        inside = places < pixels
        first = torch.arange(len(images), device=images.device).view(-1, 1, 1) * pixels
        flat = images.view(-1, images.shape[-1])
        chosen = (first + places)[inside]
        flat[chosen] += self.values[inside]

    def below(self, weight: Tensor) -> _Window:
        """Return the gradients before a transposed convolution [C', C, 4, 4], in an image of half the size."""
        size = self.size // 2
        edge, corner = self.edge // 2 + 2, (self.corner - 1).div(2, rounding_mode="floor")
        if edge + _GROWTH > size:
            edge, corner = size, torch.zeros_like(corner)
        # The kernel at a pixel p of the smaller image touches the pixels 2 p - 1 to 2 p + 2.
        values = self._framed(2 * corner - 1, 2 * edge + 2)
        made = F.conv2d(values.permute(0, 3, 1, 2), weight, stride=2).permute(0, 2, 3, 1)
        return _Window(made.contiguous(), corner, size)

    def _framed(self, corner: Tensor, edge: int) -> Tensor:
        """Return the values in windows at other corners and of another size, [K, edge, edge, C], with 0 around."""
        count, channels = len(self.values), self.values.shape[-1]
        flat = self.values.new_zeros(count * edge * edge + 1, channels)  # the last one is for all that is dropped
        places = _places(self.corner - corner, self.edge, edge)
        inside = (places < edge * edge) & (self.places() < self.size**2)
        first = torch.arange(count, device=corner.device).view(-1, 1, 1) * edge * edge
        flat[torch.where(inside, first + places, len(flat) - 1)] = self.values
        return flat[:-1].view(count, edge, edge, channels)


class UnetDerivative(ImageDerivative):
    """Derivative of the image.

    Args:
        down: levels of the way down, from the full resolution on.
        up: of the way up; one less.
        final: weights [C, channels] of the last convolution.
        given: the view.
        slopes: derivative of the image by the last convolution's result, [C, S, S].
    """

    def __init__(
        self, down: Sequence[DownLevel], up: Sequence[UpLevel], final: Tensor, given: Given, slopes: Tensor
    ) -> None:
        self.down, self.up, self.final, self.given, self.slopes = down, up, final, given, slopes
        self.inside = [taps_inside(level.size, winograd.KERNEL, slopes) for level in down]
        self.is_map = given.representation.shape[2:] != (1, 1)

    @property
    def least_memory(self) -> int:
        """Bytes for two outputs."""
        return self._shared_bytes + 2 * self._output_bytes

    def gradients(self, outputs: Tensor, memory: int, told: Told) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the gradients."""
        count = max(1, min(_MOST, (memory - self._shared_bytes) // self._output_bytes))
        for some in torch.split(outputs, count):
            deepest, skips = self._up(some, told)
            representation = deepest.new_zeros(len(some), *self.given.representation.shape[1:])
            buffers = self._down(len(self.up), deepest, skips, representation, told)
            yield buffers.permute(0, 3, 1, 2), representation

    def _up(self, outputs: Tensor, told: Told) -> tuple[Tensor, list[_Window]]:
        """Return gradients of the deepest features [K, s, s, C], and those of the other levels' on the way down.

        Half of the work is done then, of which each level counts the same.
        """
        channel, row, column = outputs.unbind(1)
        values = self.final[channel] * self.slopes[channel, row, column][:, None]
        window = _Window(values[:, None, None], outputs[:, 1:], self.up[0].size)
        skips = []
        for level, skipped in zip(self.up, self.down, strict=False):
            seen = window.times(level.on_features).back(level.second, level.on_hidden).back(level.first)
            skips.append(seen.part(slice(len(level.second), None)).times(skipped.on_features))
            window = seen.part(slice(len(level.second))).below(level.upscale)
            told(len(outputs) / 2 / len(self.up))
        return window.times(self.down[-1].on_features).values, skips

    def _down(
        self, index: int, gradient: Tensor, skips: Sequence[_Window], representation: Tensor, told: Told
    ) -> Tensor:
        """Return the gradients of the buffers, [K, S, S, x], and add those of the representation.

        Args:
            index: of a level.
            gradient: of its second convolution's result, [K, s, s, o].
            skips: of those of the levels above it.
            representation: [K, R, h, w].
            told: of halves of outputs, as they arrive at the buffers.
        """
        level = self.down[index]
        hidden = _transposed(gradient, level.second, border=False)
        hidden.mul_(level.on_hidden[:-1].view(hidden.shape[1:]))
        channels = self.down[index - 1].channels if index else self.given.buffers.shape[1]
        if self.is_map:
            seen = _transposed(hidden, level.first[:, : channels + representation.shape[1]], border=False)
            maps, on_map = seen[..., :channels], seen[..., channels:].permute(0, 3, 1, 2)
            representation += unresized(on_map, *representation.shape[2:])
        else:
            maps = _transposed(hidden, level.first[:, :channels], border=False)
            representation += self._on_vector(index, hidden, channels)[:, :, None, None]
        if index == 0:
            told(len(maps) / 2)
            return maps
        above = self.down[index - 1]
        count = max(1, _PIECE // (above.size**2 * above.channels * maps.element_size()))
        made = []
        for start in range(0, len(maps), count):
            some = slice(start, start + count)
            whole = _unpooled(maps[some], above.pooling)
            skips[index - 1].outputs(some).add_to(whole)
            rest = [window.outputs(some) for window in skips[: index - 1]]
            made.append(self._down(index - 1, whole, rest, representation[some], told))
        return made[0] if len(made) == 1 else torch.cat(made)

    def _on_vector(self, index: int, hidden: Tensor, start: int) -> Tensor:
        """Return gradients [K, R] of a representation that a level sees as constant maps, from channel `start` on."""
        count, channels = len(hidden), hidden.shape[-1]
        weight = self.down[index].first[:, start : start + self.given.representation.shape[1]]  # [o, R, 3, 3]
        inside = self.inside[index].t().expand(count, -1, -1)
        taps = torch.bmm(inside, hidden.view(count, -1, channels))  # [K, 9, o]
        return torch.mm(taps.flatten(1), weight.flatten(2).permute(2, 0, 1).flatten(0, 1))

    @property
    def _output_bytes(self) -> int:
        """Bytes for the windows of an output, and for the gradient that is handed on, and may be copied."""
        windows = sum(min(12, level.size) ** 2 * (2 * level.channels + len(level.upscale)) for level in self.up)
        return 2 * (windows * self.slopes.element_size() + self.given.nbytes)

    @property
    def _shared_bytes(self) -> int:
        """Bytes for pieces of the large images at each level, and for the largest weights in other forms."""
        image = max(level.size**2 * level.channels for level in self.down) * self.slopes.element_size()
        weights = max(level.first.numel() for level in self.up) * self.slopes.element_size()
        return 6 * max(_PIECE, image) + 4 * weights


def _transposed(values: Tensor, weight: Tensor, border: bool) -> Tensor:
    """Return the gradients before a convolution [o, C, 3, 3] from those behind it, [K, n, n, o].

    Args:
        values: behind the convolution.
        weight: of the convolution.
        border: whether the pixels around are part of the result, [K, n + 2, n + 2, C] instead of [K, n, n, C].
    """
    edge, tile = values.shape[1], winograd.TILE
    if weight.shape[1] == 0:  # of a U-Net that sees no buffers; PyTorch refuses such convolutions
        wide = edge + 2 * border
        return values.new_empty(len(values), wide, wide, 0)
    if edge >= tile and min(weight.shape[:2]) >= _FEWEST_CHANNELS:
        missing = -edge % tile
        padded = F.pad(values, (0, 0, 0, missing, 0, missing)) if missing else values.contiguous()
        if winograd.is_faster(padded.permute(0, 3, 1, 2), weight):
            made = winograd.transposed(padded, weight, border)
            return made[:, : edge + 2, : edge + 2] if border else made[:, :edge, :edge]
    made = F.conv_transpose2d(values.permute(0, 3, 1, 2), weight, padding=0 if border else 1)
    return made.permute(0, 2, 3, 1).contiguous()


def _unpooled(pooled: Tensor, factors: Tensor) -> Tensor:
    """Return gradients [K, 2 s, 2 s, C] from those of the pooled image [K, s, s, C]; factors as in `DownLevel`."""
    count, size, _, channels = pooled.shape
    whole = pooled.new_empty(count, size, 2, size, 2, channels)
    for row in range(2):
        for column in range(2):
            torch.mul(pooled, factors[row, column], out=whole[:, :, row, :, column])
    return whole.view(count, 2 * size, 2 * size, channels)


def _pooling(features: Tensor) -> Tensor:
    """Return `DownLevel.pooling` for features [o, s, s]; of equal pixels, the first one is taken."""
    channels, size, _ = features.shape
    squares = features.permute(1, 2, 0).reshape(size // 2, 2, size // 2, 2, channels).permute(1, 3, 0, 2, 4)
    corners = squares.flatten(0, 1)  # [4, s / 2, s / 2, o]
    taken = F.one_hot((corners == corners.amax(dim=0)).byte().argmax(dim=0), 4)  # the first one
    return ((corners > 0) * taken.movedim(-1, 0)).to(features.dtype).view(squares.shape)


def _factors(values: Tensor) -> Tensor:
    """Return 1 where values [1, C, s, s] are above 0, and 0 elsewhere, [s s + 1, C]; the last row is 0."""
    rows = (values[0] > 0).to(values.dtype).flatten(1).t()
    return F.pad(rows, (0, 0, 0, 1)).contiguous()


def _places(corner: Tensor, edge: int, size: int) -> Tensor:
    """Return where in the s s pixels of images those of windows lie, [K, edge, edge]; s s for those outside.

    Args:
        corner: row and column of each window's first pixel, [K, 2].
        edge: of the windows.
        size: s.
    """
    line = corner[:, :, None] + torch.arange(edge, device=corner.device)  # [K, 2, edge]
    row, column = line[:, 0, :, None], line[:, 1, None, :]
    inside = (row >= 0) & (row < size) & (column >= 0) & (column < size)
    return torch.where(inside, row * size + column, size * size)
