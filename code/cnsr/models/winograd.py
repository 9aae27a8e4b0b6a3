"""3 x 3 convolutions with a quarter of the multiplications, for the CPU.

m outputs in a line of a convolution with k taps need only n = m + k - 1 products: y = A ((G w) * (B d)), with small
constant matrices, of n values d and k weights w (Winograd, *Arithmetic Complexity of Computations*, 1980). In two
dimensions a tile of m x m outputs takes n x n products instead of m m k k, each over all channels (Lavin & Gray, *Fast
Algorithms for Convolutional Neural Networks*, CVPR 2016, eq. 8). Here m = 4: 2.25 products a pixel instead of 9.

The formula is exact, but its sums cancel. The matrices come from evaluating polynomials at n - 1 points and at infinity
(Toom-Cook), and the choice of points sets the rounding: in float32 results deviate by 1e-6 (relative) for the points
below, by 2e-6 for the usual 0, +-1, +-2, and by 3e-7 for a plain sum.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

KERNEL, TILE = 3, 4  # k, m
POINTS = (0.0, 0.625, -0.625, 1.5, -1.5)
SIZE = len(POINTS) + 1  # n

FEWEST_CHANNELS, FEWEST_TILES = 16, 128
"""With fewer, transforming data or weights costs more than it saves, or needs much memory to save little."""
BLOCK = 2**16
"""Tiles times channels to work on at a time: few enough for the caches, enough for fast products."""

Matrix = tuple[tuple[float, ...], ...]


def is_faster(maps: Tensor, weight: Tensor) -> bool:
    """Return whether `convolve` can take maps [B, C, H, W] and a weight [o, C, 3, 3], and does so quickly."""
    scenes, _, height, width = maps.shape
    return (
        maps.device.type == "cpu"
        and maps.dtype in (torch.float32, torch.float64)
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()  # which would fall to pieces at every one of them
        and min(weight.shape[:2]) >= FEWEST_CHANNELS
        and height % TILE == width % TILE == 0
        and scenes * height * width >= FEWEST_TILES * TILE * TILE
    )


def convolve(parts: Sequence[Tensor], weight: Tensor, bias: Tensor) -> Tensor:
    """Return the convolution, zero-padded to keep the size, of maps that stand for their concatenation.

    Differentiable once.

    Args:
        parts: [B, C_i, H, W] each, H and W multiples of 4; fastest if channels are last in memory.
        weight: [o, sum of C_i, 3, 3].
        bias: [o].

    Returns:
        [B, o, H, W], channels last.
    """
    first, *others = zip(parts, torch.split(weight, [part.shape[1] for part in parts], dim=1), strict=True)
    result: Tensor = _Convolution.apply(*first, bias)  # type: ignore[no-untyped-call]
    for other in others:  # a sum needs less memory than the transforms of a concatenation
        result.add_(_Convolution.apply(*other, None))  # type: ignore[no-untyped-call]
    return result


def transposed(upstream: Tensor, weight: Tensor, border: bool) -> Tensor:
    """Return what the transpose of a convolution makes of gradients.

    Args:
        upstream: [B, H, W, o], contiguous, H and W multiples of 4.
        weight: [o, C, 3, 3].
        border: whether the pixels around the image, which the kernel reaches too, are part of the result.

    Returns:
        [B, H, W, C], or with the border [B, H + 2, W + 2, C].
    """
    scenes, height, width, _ = upstream.shape
    kernel, around = _transformed(weight), KERNEL - 1 if border else 0
    inside = upstream.new_empty(1).expand(scenes, height, width, weight.shape[1])  # nothing but a shape
    result = upstream.new_empty(scenes, height + around, width + around, weight.shape[1])
    for chunk, tiles in _chunks(inside, len(weight)):
        tiles.spread(upstream[chunk])
        torch.bmm(tiles.products, kernel, out=tiles.data)
        tiles.unload(result[chunk], border)
    return result


class _Convolution(torch.autograd.Function):
    """`convolve` of one part; the derivative goes back through the transposed matrices, with as few products."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(maps, weight)
        scenes, _, height, width = maps.shape
        shape = (scenes, len(weight), height, width)
        result = torch.empty(shape, dtype=maps.dtype, memory_format=torch.channels_last)
        images, results = _channels_last(maps), _channels_last(result)
        kernel = _transformed(weight).transpose(1, 2)
        for chunk, tiles in _chunks(images, len(weight)):
            tiles.load(images[chunk])
            torch.bmm(tiles.data, kernel, out=tiles.products)
            tiles.collect(results[chunk])
            if bias is not None:
                results[chunk].add_(bias)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        maps, weight = ctx.saved_tensors
        to_maps, to_weight, to_bias = ctx.needs_input_grad
        gradient = torch.empty_like(maps, memory_format=torch.channels_last) if to_maps else None
        images, results = _channels_last(maps), _channels_last(upstream)
        kernel = _transformed(weight)
        on_kernel = torch.empty_like(kernel) if to_weight else None
        for chunk, tiles in _chunks(images, len(weight)):
            tiles.spread(results[chunk])
            if on_kernel is not None:
                tiles.load(images[chunk])
                on_kernel.baddbmm_(tiles.products.transpose(1, 2), tiles.data, beta=0 if chunk.start == 0 else 1)
            if gradient is not None:
                torch.bmm(tiles.products, kernel, out=tiles.data)
                tiles.unload(_channels_last(gradient)[chunk])
        on_weight = None if on_kernel is None else _transformed_back(on_kernel)
        return gradient, on_weight, results.sum(dim=(0, 1, 2)) if to_bias else None


def _chunks(images: Tensor, outputs: int) -> Iterator[tuple[slice, _Tiles]]:
    """Yield slices of the scenes of images [B, H, W, C], and room to work for each."""
    scenes, height, width, channels = images.shape
    most = max(1, BLOCK * TILE * TILE // (height * width * max(channels, outputs)))
    room = None
    for first in range(0, scenes, most):
        count = min(most, scenes - first)
        if room is None or room.scenes != count:
            room = _Tiles(images[:count], outputs)
        yield slice(first, first + count), room


class _Tiles:
    """Room for some scenes, and the transforms between their images and the factors and results of the products.

    Attributes:
        data: [n n, tiles, C]: B d B^T of each tile.
        products: [n n, tiles, o].
    """

    def __init__(self, images: Tensor, outputs: int) -> None:
        self.scenes, height, width, channels = images.shape
        rows, columns, border = height // TILE, width // TILE, KERNEL - 1
        grid = (self.scenes, rows, columns)
        self.padded = images.new_zeros(self.scenes, height + border, width + border, channels)
        self.inside = self.padded[:, border // 2 : -border // 2, border // 2 : -border // 2]
        self.data_lines = images.new_empty(SIZE, self.scenes, rows, width + border, channels)
        self.data_tiles = images.new_empty(SIZE, SIZE, *grid, channels)
        self.product_tiles = images.new_empty(SIZE, SIZE, *grid, outputs)
        self.product_lines = images.new_empty(SIZE, *grid, TILE, outputs)
        self.data = self.data_tiles.view(SIZE * SIZE, -1, channels)
        self.products = self.product_tiles.view(SIZE * SIZE, -1, outputs)

    def load(self, images: Tensor) -> None:
        """Make `data` of images [scenes, H, W, C]."""
        self.inside.copy_(images)
        on_data = _matrices()[0]
        _transform(on_data, self.padded.unfold(1, SIZE, TILE).unbind(-1), self.data_lines.unbind(0))
        _transform(on_data, self.data_lines.unfold(3, SIZE, TILE).unbind(-1), self.data_tiles.unbind(1))

    def unload(self, gradient: Tensor, border: bool = False) -> None:
        """Turn a gradient of `data` into that of images [scenes, H, W, C], or with their border [H + 2, W + 2]."""
        on_data = _matrices()[0]
        _transform_back(on_data, self.data_tiles.unbind(1), self.data_lines, 3)
        _transform_back(on_data, self.data_lines.unbind(0), self.padded, 1)
        gradient.copy_(self.padded if border else self.inside)
        self.padded.zero_()  # the border is to be 0 for the next images

    def collect(self, results: Tensor) -> None:
        """Turn `products` into results [scenes, H, W, o]."""
        on_products = _matrices()[1]
        _transform(on_products, self.product_tiles.unbind(1), self.product_lines.unbind(4))
        _transform(on_products, self.product_lines.unbind(0), _rows_of_tiles(results))

    def spread(self, gradient: Tensor) -> None:
        """Turn a gradient of results [scenes, H, W, o] into that of `products`."""
        on_results = tuple(zip(*_matrices()[1], strict=True))
        _transform(on_results, _rows_of_tiles(gradient), self.product_lines.unbind(0))
        _transform(on_results, self.product_lines.unbind(4), self.product_tiles.unbind(1))


def _rows_of_tiles(images: Tensor) -> tuple[Tensor, ...]:
    """Return the m rows of all tiles of [scenes, H, W, C]: [scenes, H / m, W / m, m, C] each."""
    scenes, height, width, channels = images.shape
    return images.view(scenes, height // TILE, TILE, width // TILE, TILE, channels).unbind(2)


def _channels_last(maps: Tensor) -> Tensor:
    """Return [B, C, H, W] as [B, H, W, C]."""
    return maps.permute(0, 2, 3, 1).contiguous()


def _transformed(weight: Tensor) -> Tensor:
    """Return G w G^T of weights [o, C, k, k], [n n, o, C]."""
    return torch.mm(_on_weight(weight), weight.reshape(-1, KERNEL * KERNEL).t()).view(-1, *weight.shape[:2])


def _transformed_back(gradient: Tensor) -> Tensor:
    """Return the gradient of weights [o, C, k, k] from that of `_transformed`."""
    return torch.mm(gradient.flatten(1).t(), _on_weight(gradient)).view(*gradient.shape[1:], KERNEL, KERNEL)


def _on_weight(like: Tensor) -> Tensor:
    """Return G for both dimensions, [n n, k k]."""
    on_line = like.new_tensor(_matrices()[2], dtype=torch.float64)
    return torch.kron(on_line, on_line).to(like.dtype)


def _transform(matrix: Matrix, sources: Sequence[Tensor], targets: Sequence[Tensor]) -> None:
    """Write the product of a small matrix and the sources, which are rows, to the targets."""
    for coefficients, target in zip(matrix, targets, strict=True):
        terms = [(scale, source) for scale, source in zip(coefficients, sources, strict=True) if scale]
        terms.sort(key=lambda term: term[0] != 1)
        (scale, first), *others = terms
        if scale != 1 or not others:
            torch.mul(first, scale, out=target)
        else:
            (scale, second), *others = others
            torch.add(first, second, alpha=scale, out=target)
        for scale, source in others:
            target.add_(source, alpha=scale)


def _transform_back(matrix: Matrix, sources: Sequence[Tensor], target: Tensor, dim: int) -> None:
    """Do the transpose of transforming the windows of `target` along `dim`, which overlap, to the sources."""
    overlap = SIZE - TILE
    target.narrow(dim, target.shape[dim] - overlap, overlap).zero_()
    windows = target.unfold(dim, SIZE, TILE).unbind(-1)
    _transform(tuple(zip(*matrix, strict=True))[:TILE], sources, windows[:TILE])
    for coefficients, window in zip(tuple(zip(*matrix, strict=True))[TILE:], windows[TILE:], strict=True):
        for scale, source in zip(coefficients, sources, strict=True):
            window.add_(source, alpha=scale)


@lru_cache
def _matrices() -> tuple[Matrix, Matrix, Matrix]:
    """Return B [n, n], A [m, n] and G [n, k].

    Of B and G, each row but the last belongs to a point, and the last to infinity; of A, each column.
    """
    on_data = (*((*_polynomial([y for y in POINTS if y != x]), 0.0) for x in POINTS), _polynomial(POINTS))
    on_products = tuple((*(x**i for x in POINTS), float(i == TILE - 1)) for i in range(TILE))
    scales = {x: math.prod(x - y for y in POINTS if y != x) for x in POINTS}
    on_weight = tuple(tuple(x**i / scales[x] for i in range(KERNEL)) for x in POINTS)
    return on_data, on_products, (*on_weight, tuple(float(i == KERNEL - 1) for i in range(KERNEL)))


def _polynomial(roots: Sequence[float]) -> tuple[float, ...]:
    """Return the coefficients, constant first, of the product of all (x - root)."""
    result: tuple[float, ...] = (1.0,)
    for root in roots:
        result = tuple(up - root * same for up, same in zip((0.0, *result), (*result, 0.0), strict=True))
    return result
