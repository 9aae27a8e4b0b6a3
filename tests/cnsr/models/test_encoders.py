import pytest
import torch

from cnsr.config import RepresentationConfig
from cnsr.errors import ConfigError
from cnsr.models.encoders import Pool


@pytest.mark.parametrize(
    ("passes", "channels", "dim", "size"),
    [
        (("beauty",), 3, 8, 8),
        (("normal", "id", "albedo"), 7, 12, 16),
        (("beauty", "normal", "position", "id"), 10, 13, 20),
    ],
)
def test_pool_agrees_with_the_plain_formula(passes, channels, dim, size, deviation):
    import plain_networks

    encoder = Pool(RepresentationConfig(observation_passes=passes, representation_dim=dim), 16, 3)
    images = torch.randn(5, channels, size, size, requires_grad=True)
    poses = torch.randn(5, 16, requires_grad=True)
    weights = {name: value.detach().double().requires_grad_() for name, value in encoder.named_parameters()}
    plain_images, plain_poses = (value.detach().double().requires_grad_() for value in (images, poses))
    direction = torch.randn(5, dim, 1, 1)

    result = encoder(images, poses)
    reference = plain_networks.pool(weights, plain_images, plain_poses)
    assert result.shape == (5, dim, 1, 1)
    assert deviation(result, reference) < 1e-5

    (result * direction).sum().backward()
    (reference * direction).sum().backward()
    assert deviation(images.grad, plain_images.grad) < 1e-4
    assert deviation(poses.grad, plain_poses.grad) < 1e-4
    for name, value in encoder.named_parameters():
        if name != "deltas":
            assert deviation(value.grad, weights[name].grad) < 1e-4, name


@pytest.mark.parametrize(("partitions", "count"), [(3, 2_000_643), (4, 2_000_644)])
def test_pool_has_the_published_names_and_size(partitions, count):
    config = RepresentationConfig(observation_passes=("beauty", "normal", "position", "id"), representation_dim=256)
    encoder = Pool(config, 16, partitions)
    assert sum(value.numel() for value in encoder.parameters()) == count
    layers = ("conv1", "skip_conv1", "conv2", "conv3", "skip_conv2", "conv4", "conv5", "conv6")
    names = {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}
    assert set(encoder.state_dict()) == names | {"deltas"}
    assert encoder.deltas.tolist() == [1.0] * partitions


def test_one_channel_is_too_few_for_pool():
    with pytest.raises(ConfigError, match="representation_dim: must be at least 2 for a Pool encoder"):
        Pool(RepresentationConfig(representation_dim=1), 16, 3)


def test_pool_averages_in_float32_under_autocast(deviation):
    encoder = Pool(RepresentationConfig(representation_dim=16), 16, 3)
    images, poses = torch.rand(4, 3, 32, 32), torch.randn(4, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = encoder(images, poses)
    assert rounded.dtype == torch.float32
    assert not torch.equal(rounded, rounded.bfloat16().float())  # more than bfloat16 holds
    assert deviation(rounded, encoder(images, poses)) < 2e-2
