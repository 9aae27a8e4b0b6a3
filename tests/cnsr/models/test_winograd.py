import pytest
import torch
import torch.nn.functional as F

from cnsr.models import winograd


@pytest.mark.parametrize("size", [(4, 4), (8, 4), (12, 16)])
@pytest.mark.parametrize("widths", [(3,), (5, 2)])
@pytest.mark.parametrize("outputs", [1, 6])
def test_results_and_gradients_are_those_of_the_plain_convolution(size, widths, outputs, deviation):
    parts = [torch.randn(3, width, *size, requires_grad=True) for width in widths]
    weight = torch.randn(outputs, sum(widths), 3, 3, requires_grad=True)
    bias = torch.randn(outputs, requires_grad=True)
    result = winograd.convolve(parts, weight, bias)
    assert result.is_contiguous(memory_format=torch.channels_last)
    own = [*parts, weight, bias]
    plain = [value.detach().double().requires_grad_() for value in own]
    reference = F.conv2d(torch.cat(plain[:-2], dim=1), plain[-2], plain[-1], padding=1)
    assert deviation(result, reference) < 5e-6
    upstream = torch.randn_like(result)
    result.backward(upstream)
    reference.backward(upstream.double())
    for value, other in zip(own, plain, strict=True):
        assert deviation(value.grad, other.grad) < 5e-6


def test_many_channels_lose_no_digits(deviation):
    """Sums over channels average the rounding out, as those of a plain convolution do."""
    maps, weight = torch.randn(2, 256, 16, 16), torch.randn(64, 256, 3, 3)
    result = winograd.convolve([maps], weight, torch.zeros(64))
    assert deviation(result, F.conv2d(maps.double(), weight.double(), padding=1)) < 3e-6


def test_gradients_that_nobody_needs_are_not_computed():
    maps, weight, bias = torch.randn(2, 4, 8, 8), torch.randn(3, 4, 3, 3, requires_grad=True), torch.zeros(3)
    winograd.convolve([maps], weight, bias).sum().backward()
    assert weight.grad is not None
    assert maps.grad is None
    assert bias.grad is None
    frozen, seen = weight.detach(), maps.requires_grad_()
    winograd.convolve([seen], frozen, bias).sum().backward()
    assert seen.grad.shape == seen.shape


def test_it_is_for_large_images_on_the_cpu_in_full_precision():
    maps, weight = torch.zeros(16, 32, 32, 32), torch.zeros(32, 32, 3, 3)
    assert winograd.is_faster(maps, weight)
    assert not winograd.is_faster(maps.bfloat16(), weight)
    assert not winograd.is_faster(maps[..., :30], weight), "no whole tiles"
    assert not winograd.is_faster(maps, weight[:3])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not winograd.is_faster(maps, weight)


def test_the_number_of_scenes_changes_nothing(deviation):
    """Scenes are worked on in groups that fit the caches; the last one may be smaller."""
    maps, weight, bias = torch.randn(7, 64, 32, 32), torch.randn(64, 64, 3, 3), torch.randn(64)
    together = winograd.convolve([maps], weight, bias)
    alone = torch.cat([winograd.convolve([scene[None]], weight, bias) for scene in maps])
    assert deviation(together, alone) < 1e-6


@pytest.mark.parametrize("border", [False, True])
@pytest.mark.parametrize("size", [4, 8])
def test_the_transpose_reaches_the_pixels_around(size, border, deviation):
    upstream, weight = torch.randn(3, size, size, 5), torch.randn(5, 7, 3, 3)
    found = winograd.transposed(upstream, weight, border)
    upstream = upstream.permute(0, 3, 1, 2).double()
    expected = F.conv_transpose2d(upstream, weight.double(), padding=0 if border else 1)
    assert deviation(found.permute(0, 3, 1, 2), expected) < 5e-6
