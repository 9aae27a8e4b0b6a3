import pytest
import torch
import torch.nn.functional as F

from cnsr.models.constant_maps import convolve_with_constants, convolved_constants


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


def test_maps_and_constants_are_convolved_together(deviation):
    maps, vectors, bias = torch.randn(2, 3, 6, 6), torch.randn(2, 4), torch.randn(7)
    weight = torch.randn(7, 3 + 4, 3, 3)
    on_maps, on_constants = weight.split([3, 4], dim=1)
    together = torch.cat([maps, vectors[:, :, None, None].expand(-1, -1, 6, 6)], dim=1)
    for bias_or_none in (bias, None):
        result = convolve_with_constants(maps, on_maps, vectors, on_constants, bias_or_none)
        assert deviation(result, F.conv2d(together, weight, bias_or_none, padding=1)) < 1e-6
