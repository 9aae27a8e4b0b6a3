"""Convolutions with large kernels as products of spectra, for the derivatives of recurrent networks.

A k x k convolution of s x s maps, zero-padded to keep the size, is cyclic if the maps are padded to n = s + k // 2: the
border that either end of the kernel reaches is the same. Its discrete Fourier transform is a product for each
frequency, over all channels. Of a real image's n x n frequencies, n // 2 + 1 columns determine the others. A complex
product takes three real ones (Gauss): with a + ib for data and u + iv for weights, p = (a + b) u, q = a (v - u) and
r = b (u + v) give the real part p - r and the imaginary part p + q. So the whole has the form y = A ((G w) * (B d)) of
`cnsr.models.winograd`, with 2.1 real products a pixel instead of 25 (s = 16, k = 5), and the rounding of a plain sum.

Small transforms are fastest as matrix products; maps lie pixels first, so that each is one of a few rows and many
columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

_PRODUCTS = 3
"""Real products for a complex one."""


class Fourier:
    """Transforms between maps of s x s pixels, kernels of k x k, and the factors of the products that convolve them.

    A convolution is ``inverse(products([(data(maps), kernels(weight))]))``. Large results of the steps between lie in
    memory that is kept for the next ones: what `products` returns holds until it is called again.

    Args:
        size: s.
        kernel: k, odd.
        like: says type and device.
    """

    def __init__(self, size: int, kernel: int, like: Tensor) -> None:
        self.size, self.kernel = size, kernel
        n = size + kernel // 2
        self.lines, self.columns = n, n // 2 + 1

        def fitting(matrix: Tensor) -> Tensor:
            return matrix.to(like)

        pixels, taps = torch.arange(size), torch.arange(kernel) - kernel // 2
        across, down = _waves(torch.arange(self.columns), pixels, n), _waves(torch.arange(n), pixels, n)
        self._on_rows = fitting(torch.cat((across.real, across.imag)))  # [2 columns, s]
        split = torch.stack((down.real, -down.imag), dim=-1), torch.stack((down.imag, down.real), dim=-1)
        factors = torch.stack((split[0] + split[1], *split), dim=1)  # [n, 3, s, 2]
        self._on_columns = fitting(factors.view(_PRODUCTS * n, 2 * size))
        # Convolutions of networks are correlations: their spectra are products with conjugates.
        on_rows, on_columns = _waves(torch.arange(self.columns), taps, n), _waves(torch.arange(n), taps, n)
        waves = on_rows[:, None, None, :] * on_columns[:, :, None]
        u, v = waves.real, -waves.imag  # [columns, n, k, k]
        self._on_kernels = fitting(torch.stack((u, v - u, u + v), dim=2).view(-1, kernel * kernel))
        back = down.conj().t()[:, :, None] / n  # [s, n, 1]
        # p, q and r add 1 + i, i and -1 times themselves to the complex product.
        parts = back * torch.tensor([1 + 1j, 1j, -1], dtype=back.dtype)
        self._from_columns = fitting(torch.stack((parts.real, parts.imag)).view(2 * size, _PRODUCTS * n))
        twice = torch.full((self.columns, 1), 2.0, dtype=torch.float64)
        twice[0] = 1
        if n % 2 == 0:
            twice[-1] = 1
        inner = across.conj() * twice / n  # [columns, s]
        self._from_rows = fitting(torch.stack((inner.real, -inner.imag), dim=1).view(-1, size).t())
        self._kept: dict[str, Tensor] = {}

    @property
    def frequencies(self) -> int:
        """Number of products, which is that of rows in `data` and `kernels`."""
        return len(self._on_kernels)

    @staticmethod
    def products_of(size: int, kernel: int) -> int:
        """Return `frequencies` for maps and kernels of these sizes."""
        n = size + kernel // 2
        return _PRODUCTS * n * (n // 2 + 1)

    def data(self, maps: Tensor) -> Tensor:
        """Return B d of maps [s, s, B, C]: [frequencies, B, C]."""
        s, width = self.size, maps.shape[2] * maps.shape[3]
        rows = torch.matmul(self._on_rows, maps.reshape(s, s, width))  # [s, (2, columns), B C]
        by_column = rows.view(2 * s, self.columns, width).transpose(0, 1)
        return torch.matmul(self._on_columns, by_column).view(-1, *maps.shape[2:])

    def kernels(self, weight: Tensor, out: Tensor | None = None) -> Tensor:
        """Return G w of weights [o, C, k, k]: [frequencies, C, o], which is `out` if given."""
        taps = weight.permute(2, 3, 1, 0).reshape(self.kernel**2, -1)
        if out is None:
            out = weight.new_empty(self.frequencies, weight.shape[1], weight.shape[0])
        torch.mm(self._on_kernels, taps, out=out.view(self.frequencies, -1))
        return out

    def products(self, factors: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """Return the sum of all products of data [frequencies, B, C_i] and kernels [frequencies, C_i, o]."""
        (data, kernels), *others = factors
        result = torch.bmm(data, kernels, out=self._room("products", len(data), data.shape[1], kernels.shape[2], data))
        for data, kernels in others:
            result.baddbmm_(data, kernels)
        return result

    def inverse(self, products: Tensor) -> Tensor:
        """Return A y of products [frequencies, B, o]: maps [s, s, B, o]."""
        s, width = self.size, products.shape[1] * products.shape[2]
        matrix = self._from_columns.expand(self.columns, -1, -1)
        room = self._room("columns", self.columns, 2 * s, width, products)
        columns = torch.bmm(matrix, products.view(self.columns, -1, width), out=room)  # [columns, (2, s), B o]
        by_row = columns.view(2 * self.columns, s, width).transpose(0, 1)
        return torch.matmul(self._from_rows, by_row).view(s, s, *products.shape[1:])

    def _room(self, name: str, first: int, rows: int, columns: int, like: Tensor) -> Tensor:
        """Return memory for [first, rows, columns], which is used again: the system takes long to hand out more."""
        needed = first * rows * columns
        if name not in self._kept or len(self._kept[name]) < needed:
            self._kept[name] = like.new_empty(needed)
        return self._kept[name][:needed].view(first, rows, columns)


def flipped(weight: Tensor) -> Tensor:
    """Return the weight [C, o, k, k] whose convolution is the transpose of that with [o, C, k, k]."""
    return weight.transpose(0, 1).flip(2, 3)


def _waves(frequencies: Tensor, places: Tensor, n: int) -> Tensor:
    """Return exp(-2 pi i f x / n) in float64, [frequencies, places]."""
    angles = -2 * math.pi / n * frequencies[:, None].double() * places.double()
    return torch.polar(torch.ones_like(angles), angles)
