import pytest
import torch
import torch.nn.functional as F

from cnsr.models.fourier import Fourier, flipped


def pixels_first(maps):
    return maps.permute(2, 3, 0, 1)


@pytest.mark.parametrize(("size", "kernel"), [(16, 5), (1, 5), (2, 5), (7, 5), (6, 3), (8, 1)])
def test_convolutions_are_the_plain_ones(size, kernel, deviation):
    maps, weight = torch.randn(3, 4, size, size), torch.randn(5, 4, kernel, kernel)
    fourier = Fourier(size, kernel, maps)
    data, kernels = fourier.data(pixels_first(maps)), fourier.kernels(weight)
    assert len(data) == len(kernels) == fourier.frequencies == Fourier.products_of(size, kernel)
    found = fourier.inverse(fourier.products([(data, kernels)]))
    expected = F.conv2d(maps.double(), weight.double(), padding=kernel // 2)
    assert deviation(found, pixels_first(expected)) < 1e-6


def test_many_channels_lose_no_digits(deviation):
    maps, weight = torch.randn(2, 128, 16, 16), torch.randn(64, 128, 5, 5)
    fourier = Fourier(16, 5, maps)
    found = fourier.inverse(fourier.products([(fourier.data(pixels_first(maps)), fourier.kernels(weight))]))
    assert deviation(found, pixels_first(F.conv2d(maps.double(), weight.double(), padding=2))) < 1e-6


def test_a_flipped_weight_is_the_transpose(deviation):
    upstream, weight = torch.randn(2, 5, 6, 6), torch.randn(5, 3, 5, 5)
    fourier = Fourier(6, 5, upstream)
    found = fourier.inverse(
        fourier.products([(fourier.data(pixels_first(upstream)), fourier.kernels(flipped(weight)))])
    )
    expected = F.conv_transpose2d(upstream.double(), weight.double(), padding=2)
    assert deviation(found, pixels_first(expected)) < 1e-6


def test_products_are_summed_and_memory_is_used_again(deviation):
    maps, others = torch.randn(2, 3, 5, 5), torch.randn(2, 4, 5, 5)
    weight = torch.randn(6, 7, 5, 5)
    fourier = Fourier(5, 5, maps)
    on_maps, on_others = weight.split([3, 4], dim=1)
    used = torch.full((fourier.frequencies, 3, 6), torch.nan)
    assert fourier.kernels(on_maps, out=used) is used
    for _ in range(2):
        factors = [(fourier.data(pixels_first(maps)), used)]
        factors.append((fourier.data(pixels_first(others)), fourier.kernels(on_others)))
        found = fourier.inverse(fourier.products(factors))
        expected = F.conv2d(torch.cat((maps, others), dim=1).double(), weight.double(), padding=2)
        assert deviation(found, pixels_first(expected)) < 1e-6
        fourier.inverse(fourier.products([(fourier.data(pixels_first(maps[:1])), used)]))  # of another size
