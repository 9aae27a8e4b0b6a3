import pytest
import torch

from cnsr.config import RepresentationConfig
from cnsr.models.encoders import Pool, Pyramid, Tower
from cnsr.models.registry import build_encoder

ALL_PASSES = ("beauty", "normal", "position", "id")
COMPARED = [
    ("Pool", ("beauty",), 8, 8),
    ("Pool", ("normal", "id", "albedo"), 12, 16),
    ("Pool", ALL_PASSES, 13, 20),
    ("Pool", ("depth",), 2, 4),
    ("Tower", ("beauty", "id"), 9, 4),
    ("Tower", ("beauty",), 10, 8),
    ("Tower", ALL_PASSES, 7, 28),
    ("Tower", ("beauty",), 40, 64),  # enough channels and pixels for saving products
    ("Pyramid", ("beauty",), 5, 16),
    ("Pyramid", ("depth", "id"), 6, 32),
    ("Pyramid", ALL_PASSES, 7, 64),
]


def make(kind, passes, dim, size, partitions=3):
    config = RepresentationConfig(type=kind, observation_passes=passes, representation_dim=dim, render_size=size)
    return build_encoder(config, 16, partitions)


def observed(encoder, views, size):
    first = encoder.in_conv if isinstance(encoder, Pyramid) else encoder.conv1
    channels = first.in_channels - 16 * isinstance(encoder, Pyramid)
    return torch.rand(views, channels, size, size, requires_grad=True), torch.randn(views, 16, requires_grad=True)


@pytest.mark.parametrize("views", [1, 8])
@pytest.mark.parametrize(("kind", "passes", "dim", "size"), COMPARED)
def test_encoders_agree_with_the_plain_formulas(kind, passes, dim, size, views, deviation):
    import plain_networks

    plain = {"Pool": plain_networks.pool, "Tower": plain_networks.tower, "Pyramid": plain_networks.pyramid}[kind]
    encoder = make(kind, passes, dim, size)
    images, poses = observed(encoder, views, size)
    weights = {name: value.detach().double().requires_grad_() for name, value in encoder.named_parameters()}
    plain_images, plain_poses = (value.detach().double().requires_grad_() for value in (images, poses))

    result = encoder(images, poses)
    reference = plain(weights, plain_images, plain_poses)
    edge = size // 4 if kind == "Tower" else 1
    assert result.shape == (views, dim, edge, edge)
    assert reference.std() > 0
    assert deviation(result, reference) < 1e-5

    direction = torch.randn(result.shape)
    (result * direction).sum().backward()
    (reference * direction).sum().backward()
    assert deviation(images.grad, plain_images.grad) < 1e-4
    assert deviation(poses.grad, plain_poses.grad) < 1e-4
    for name, value in encoder.named_parameters():
        if name != "deltas":
            assert deviation(value.grad, weights[name].grad) < 1e-4, name


@pytest.mark.parametrize(("partitions", "count"), [(3, 2_000_643), (4, 2_000_644)])
@pytest.mark.parametrize("kind", ["Pool", "Tower"])
def test_tower_and_pool_have_the_published_names_and_size(kind, partitions, count):
    encoder = make(kind, ALL_PASSES, 256, 64, partitions)
    assert sum(value.numel() for value in encoder.parameters()) == count
    layers = ("conv1", "skip_conv1", "conv2", "conv3", "skip_conv2", "conv4", "conv5", "conv6")
    names = {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}
    assert set(encoder.state_dict()) == names | {"deltas"}
    assert encoder.deltas.tolist() == [1.0] * partitions


@pytest.mark.parametrize(("size", "layers"), [(16, 0), (32, 1), (64, 2), (128, 3)])
def test_pyramid_has_the_layers_that_its_image_size_asks_for(size, layers):
    encoder = make("Pyramid", ("beauty",), 11, size, partitions=4)
    shapes = {name: tuple(value.shape) for name, value in encoder.state_dict().items() if name.endswith(".weight")}
    widths = [32 * 2**index for index in range(layers + 1)]
    assert shapes == {
        "in_conv.weight": (32, 3 + 16, 2, 2),
        **{f"conv_list.{index}.weight": (2 * widths[index], widths[index], 2, 2) for index in range(layers)},
        "out_conv.weight": (11, widths[-1], 8, 8),
    }
    assert encoder.deltas.tolist() == [1.0] * 4
    assert encoder(*observed(encoder, 2, size)).shape == (2, 11, 1, 1)


def test_pool_averages_in_float32_under_autocast(deviation):
    encoder = Pool(RepresentationConfig(representation_dim=16), 16, 3)
    images, poses = torch.rand(4, 3, 32, 32), torch.randn(4, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = encoder(images, poses)
    assert rounded.dtype == torch.float32
    assert not torch.equal(rounded, rounded.bfloat16().float())  # more than bfloat16 holds
    assert deviation(rounded, encoder(images, poses)) < 2e-2


@pytest.mark.parametrize(("kind", "size"), [("Tower", 16), ("Pyramid", 32)])
def test_tower_and_pyramid_work_under_autocast_and_in_inference_mode(kind, size, deviation):
    encoder = make(kind, ("beauty", "id"), 16, size)
    images, poses = observed(encoder, 3, size)
    exact = encoder(images, poses)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = encoder(images, poses)
    rounded.float().sum().backward()
    assert deviation(rounded, exact) < 3e-2
    assert images.grad.isfinite().all()
    with torch.inference_mode():
        assert torch.equal(encoder(images, poses), exact)


def test_pool_is_the_average_of_tower():
    config = RepresentationConfig(representation_dim=6, render_size=12)
    tower, pool = Tower(config, 16, 3), Pool(config, 16, 3)
    pool.load_state_dict(tower.state_dict())
    images, poses = observed(tower, 2, 12)
    torch.testing.assert_close(pool(images, poses), tower(images, poses).mean((2, 3), keepdim=True))
