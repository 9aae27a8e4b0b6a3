import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cnsr.models.constant_maps import convolve, convolved_constants


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 16])
def test_constants_give_what_their_maps_would(kernel, size, deviation):
    """At every border: sizes smaller than the kernel have pixels that see it cut on both sides."""
    vectors = torch.randn(3, 5, requires_grad=True)
    weight = torch.randn(4, 5, kernel, kernel, requires_grad=True)
    result = convolved_constants(vectors, weight, size)
    plain_vectors, plain_weight = (value.detach().double().requires_grad_() for value in (vectors, weight))
    maps = plain_vectors[:, :, None, None].expand(-1, -1, size, size)
    plain = F.conv2d(maps, plain_weight, padding=kernel // 2)
    assert deviation(result, plain) < 1e-6
    upstream = torch.randn_like(result)
    result.backward(upstream)
    plain.backward(upstream.double())
    assert deviation(vectors.grad, plain_vectors.grad) < 1e-5
    assert deviation(weight.grad, plain_weight.grad) < 1e-5


@pytest.mark.parametrize(
    ("widths", "outputs", "size"),
    [([3], 7, 6), ([2, 4], 7, 5), ([3], 4, 1), ([20], 18, 32), ([16, 17], 16, 32)],
)
@pytest.mark.parametrize("constants", [0, 4])
def test_maps_and_constants_are_convolved_together(widths, outputs, size, constants, deviation):
    """Also with so many channels and pixels that products are saved."""
    maps = [torch.randn(2, width, size, size, requires_grad=True) for width in widths]
    vectors = torch.randn(2, constants, requires_grad=True) if constants else None
    layer = nn.Conv2d(sum(widths) + constants, outputs, 3, padding=1)
    result = convolve(layer, maps, vectors)

    weight, bias = (value.detach().double().requires_grad_() for value in (layer.weight, layer.bias))
    plain_maps = [part.detach().double().requires_grad_() for part in maps]
    together = list(plain_maps)
    if vectors is not None:
        plain_vectors = vectors.detach().double().requires_grad_()
        together.append(plain_vectors[:, :, None, None].expand(-1, -1, size, size))
    plain = F.conv2d(torch.cat(together, dim=1), weight, bias, padding=1)
    assert deviation(result, plain) < 1e-5

    upstream = torch.randn(result.shape)
    result.backward(upstream)
    plain.backward(upstream.double())
    assert deviation(layer.weight.grad, weight.grad) < 1e-4
    assert deviation(layer.bias.grad, bias.grad) < 1e-4
    for part, plain_part in zip(maps, plain_maps, strict=True):
        assert deviation(part.grad, plain_part.grad) < 1e-4
    if vectors is not None:
        assert deviation(vectors.grad, plain_vectors.grad) < 1e-4
