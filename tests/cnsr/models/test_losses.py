import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from cnsr.errors import ConfigError
from cnsr.models.losses import ImageLoss, annealed_sigma
from cnsr.models.pixel_generator import SCALES
from cnsr.models.ssim import ssim, ssim_map
from cnsr.models.unet import SCALES as UNET_SCALES
from cnsr.models.vgg import WEIGHTS_VARIABLE, VggFeatures

ALL = ("logl1", "l1", "logl2", "logssim", "ssim", "nll", "bce")


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("iteration", [0, 12_345, 10**6])
@pytest.mark.parametrize("unet", [False, True])
def test_losses_agree_with_the_plain_formula(name, iteration, unet, deviation):
    import plain_networks

    output = (torch.rand(2, 3, 13, 17) * 1.4 - 0.2).requires_grad_()
    target = torch.rand(2, 3, 13, 17)
    scales = UNET_SCALES if unet else SCALES
    plain = output.detach().double().requires_grad_()
    term = ImageLoss([name], ["beauty"], scales)(output, target, iteration)[name]
    reference = plain_networks.loss(name, plain, target.double(), iteration, unet=unet)
    assert term.shape == ()
    assert term.item() == pytest.approx(reference.item(), rel=1e-5)
    term.backward()
    reference.backward()
    assert deviation(output.grad, plain.grad) < 1e-4


def test_several_losses_are_named_terms():
    output, target = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8)
    terms = ImageLoss(ALL, ["albedo"], SCALES)(output, target, 7)
    assert tuple(terms) == ALL


@pytest.mark.parametrize("names", [["logl1"], ["l1", "logssim"], ["logl2"]])
def test_log_space(names):
    loss = ImageLoss(names, ["beauty"], SCALES)
    image = torch.rand(1, 3, 4, 4) * 20
    assert loss.log_space
    torch.testing.assert_close(loss.image(loss.expected_output(image)), image)
    linear = ImageLoss(["l1", "ssim", "nll", "bce"], ["beauty"], SCALES)
    assert not linear.log_space
    assert torch.equal(linear.image(image), image)
    assert torch.equal(linear.expected_output(image), image)


def test_sigma_is_annealed():
    assert annealed_sigma(0, 100) == 2
    assert annealed_sigma(50, 100) == pytest.approx(1.05)
    assert annealed_sigma(100, 100) == pytest.approx(0.1)
    assert annealed_sigma(10**7, 100) == 0.1


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 99))
def test_ssim_agrees_with_the_plain_formula(height, width, seed):
    import plain_networks

    generator = torch.Generator().manual_seed(seed)
    x, y = torch.rand(2, 3, 2, height, width, generator=generator)
    assert float(ssim(x, y).mean()) == pytest.approx(float(plain_networks.ssim(x.double(), y.double())), rel=1e-5)
    torch.testing.assert_close(ssim(x, x), torch.ones(3))
    torch.testing.assert_close(ssim(x, y), ssim(y, x))


def test_ssim_agrees_with_scikit_image_away_from_the_border():
    rng = np.random.default_rng(5)
    x = rng.random((24, 20))
    y = np.clip(x + 0.2 * rng.standard_normal((24, 20)), 0, 1)
    _, reference = structural_similarity(
        x, y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0, full=True
    )
    result = ssim_map(torch.tensor(x)[None, None], torch.tensor(y)[None, None])[0, 0].numpy()
    np.testing.assert_allclose(result[5:-5, 5:-5], reference[5:-5, 5:-5], rtol=1e-9)


def test_ssim_is_one_value_an_image():
    x, y = torch.rand(2, 3, 3, 12, 12)
    torch.testing.assert_close(ssim(x, y), torch.stack([ssim(a[None], b[None])[0] for a, b in zip(x, y, strict=True)]))


def test_losses_stay_float32_under_autocast():
    output, target = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)
    loss = ImageLoss(ALL, ["albedo"], SCALES)
    exact = loss(output, target, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = loss(output, target, 5)
        similarity = ssim(output, target)
    assert {name: float(value) for name, value in terms.items()} == {name: float(v) for name, v in exact.items()}
    assert torch.equal(similarity, ssim(output, target))


def vgg_weights():
    weights, channels = {}, 3
    layers = {0: 64, 2: 64, 5: 128, 7: 128, 10: 256, 12: 256, 14: 256, 17: 512, 19: 512, 21: 512}
    for index, width in layers.items():
        weights[f"features.{index}.weight"] = torch.randn(width, channels, 3, 3) / (3 * channels**0.5)
        weights[f"features.{index}.bias"] = torch.zeros(width)
        channels = width
    return weights


def test_vgg_needs_its_weights(monkeypatch, tmp_path):
    monkeypatch.delenv(WEIGHTS_VARIABLE, raising=False)
    with pytest.raises(ConfigError, match=r"'vgg' needs the weights of VGG-16.* set CNSR_VGG_WEIGHTS to .* or choose"):
        ImageLoss(["vgg"], ["beauty"], SCALES)
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(tmp_path / "none.pth"))
    with pytest.raises(ConfigError, match=r"none\.pth \(CNSR_VGG_WEIGHTS\) cannot be read"):
        ImageLoss(["vgg"], ["beauty"], SCALES)
    broken = tmp_path / "broken.pth"
    broken.write_bytes(b"not a PyTorch file")
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(broken))
    with pytest.raises(ConfigError, match="cannot be read"):
        ImageLoss(["vgg"], ["beauty"], SCALES)
    other = tmp_path / "other.pth"
    torch.save({"features.0.weight": torch.zeros(2, 2)}, other)
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(other))
    with pytest.raises(ConfigError, match=r"features\.0\.weight should have the shape \(64, 3, 3, 3\)"):
        ImageLoss(["vgg"], ["beauty"], SCALES)
    with pytest.raises(ConfigError, match="images of 3 channels"):
        ImageLoss(["vgg"], ["beauty", "id"], SCALES)


def test_vgg_with_weights(monkeypatch, tmp_path):
    """The first distance is computed here by hand; the weights are no part of the model's state."""
    weights = vgg_weights()
    path = tmp_path / "vgg16.pth"
    torch.save(weights, path)
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(path))
    loss = ImageLoss(["vgg"], ["beauty"], SCALES)
    assert not loss.state_dict()
    assert not list(loss.parameters())
    output, target = torch.rand(1, 3, 16, 16, requires_grad=True), torch.rand(1, 3, 16, 16)
    term = loss(output, target, 0)["vgg"]
    term.backward()
    assert output.grad.abs().max() > 0

    def features(image):
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        x, compared = (image - mean[:, None, None]) / std[:, None, None], []
        for index in range(22):
            if index in (4, 9, 16):
                x = torch.nn.MaxPool2d(2)(x)
            elif f"features.{index}.weight" in weights:
                layer = weights[f"features.{index}.weight"], weights[f"features.{index}.bias"]
                x = torch.relu(torch.conv2d(x, *layer, padding=1))
            if index in (2, 7, 14, 21):
                compared.append(x)
        return compared

    pairs = zip(features(output.detach()), features(target), strict=True)
    assert term.item() == pytest.approx(sum(float((a - b).abs().mean()) for a, b in pairs) / 4, rel=1e-5)
    assert float(VggFeatures(weights).distance(target, target)) == 0
