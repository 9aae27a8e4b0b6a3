import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from cnsr.training import metrics


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(5)
    reference = torch.rand(3, 3, 20, 20, generator=generator) * 1.6
    return reference + 0.2 * torch.randn(reference.shape, generator=generator), reference


def srgb(linear):
    """The curve of IEC 61966-2-1, once more and plainly."""
    return [12.92 * x if x <= 0.0031308 else 1.055 * x ** (1 / 2.4) - 0.055 for x in linear]


def test_display_referred_is_the_clamped_srgb_curve():
    values = [-1.0, 0.0, 0.001, 0.0031308, 0.0032, 0.18, 0.5, 1.0, 7.0]
    expected = srgb([min(max(x, 0), 1) for x in values])
    assert metrics.display_referred(torch.tensor(values)).tolist() == pytest.approx(expected, abs=1e-6)


def test_display_referred_has_a_finite_gradient_everywhere():
    radiance = torch.tensor([0.0, 1e-8, 0.5, 2.0], requires_grad=True)
    metrics.display_referred(radiance).sum().backward()
    assert radiance.grad.isfinite().all()


def test_psnr_agrees_with_scikit_image(pair):
    shown = [metrics.display_referred(image).double().numpy() for image in pair]
    expected = [peak_signal_noise_ratio(shown[1][i], shown[0][i], data_range=1.0) for i in range(3)]
    assert metrics.psnr(*pair).tolist() == pytest.approx(expected, abs=1e-3)


def test_psnr_of_identical_images_is_the_documented_maximum(pair):
    assert metrics.psnr(pair[1], pair[1]).tolist() == [100.0] * 3


def test_psnr_ignores_what_a_screen_cannot_show():
    assert metrics.psnr(torch.full((1, 3, 4, 4), 5.0), torch.full((1, 3, 4, 4), 1.0)).item() == 100.0


def test_ssim_agrees_with_scikit_image_away_from_the_border(pair):
    """scikit-image mirrors at the border and we pad with zeros: images with a black margin have the same SSIM."""
    padded = [torch.nn.functional.pad(image, (6, 6, 6, 6)) for image in pair]
    shown = [metrics.display_referred(image).double().numpy() for image in padded]
    expected = [
        structural_similarity(
            shown[0][i], shown[1][i], channel_axis=0, data_range=1.0, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False, full=True,
        )[1].mean()
        for i in range(3)
    ]  # fmt: skip
    assert metrics.ssim(*padded).tolist() == pytest.approx(expected, abs=1e-4)


def test_ssim_of_identical_images_is_one(pair):
    assert metrics.ssim(pair[1], pair[1]).tolist() == pytest.approx([1.0] * 3, abs=1e-5)


def test_mape_and_rmse_by_hand():
    reference = torch.tensor([0.0, 0.09, 1.0, 3.0]).view(1, 1, 2, 2)
    prediction = torch.tensor([0.01, 0.04, 2.0, 3.0]).view(1, 1, 2, 2)
    assert metrics.mape(prediction, reference).item() == pytest.approx((1 + 0.5 + 1 / 1.01 + 0) / 4, rel=1e-5)
    assert metrics.rmse(prediction, reference).item() == pytest.approx(math.sqrt((1e-4 + 25e-4 + 1) / 4), rel=1e-5)


def test_metrics_are_of_images_not_of_the_whole_batch():
    """The root of a mean over all pixels would be 0.2236, the mean of the roots is 0.2."""
    errors = torch.tensor([0.1, 0.3]).view(2, 1, 1, 1)
    result = metrics.image_metrics(1 + errors.expand(2, 3, 8, 8), torch.ones(2, 3, 8, 8))
    assert result["rmse"].mean().item() == pytest.approx(0.2, rel=1e-5)
    assert set(result) == {"psnr", "ssim", "mape", "rmse"}
    assert all(values.shape == (2,) for values in result.values())


def test_metrics_of_one_channel_and_half_precision():
    reference = torch.from_numpy(np.linspace(0, 1, 64, dtype=np.float16).reshape(1, 1, 8, 8))
    assert metrics.image_metrics(reference, reference)["psnr"].item() == 100.0


def test_different_shapes_are_a_programming_error():
    with pytest.raises(ValueError, match=r"prediction is \(1, 3, 4, 4\), reference \(1, 3, 8, 8\)"):
        metrics.image_metrics(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 8, 8))
