import pytest
import torch
import torch.nn.functional as F

from cnsr.config import UnetConfig
from cnsr.models.generator import Given, Place
from cnsr.models.unet import Unet, max_pool

NARROW = (8, 12, 16, 16, 16, 16, 16)
SAVING = (16, 24, 32, 32, 32, 32, 32)  # enough channels for convolutions with fewer products


def make(channels=NARROW, buffers=4, representation=9, outputs=("beauty",), **settings):
    config = UnetConfig(type="Unet", query_passes=("position", "id"), output_passes=outputs, settings=settings)
    return Unet(config, Place(buffers, 16, representation, 3 * len(outputs)), channels)


def given_for(generator_channels, scenes=2, size=64, cells=(1, 1)):
    buffers, representation = generator_channels
    tensors = (
        torch.randn(scenes, buffers, size, size),
        torch.randn(scenes, 16),
        torch.randn(scenes, representation, *cells),
    )
    return Given(*(tensor.requires_grad_() for tensor in tensors))


@pytest.fixture
def agree(follows):
    import plain_unet

    def check(unet, given, end_relu):
        follows(unet, given, lambda *inputs: plain_unet.unet(*inputs, end_relu=end_relu))

    return check


@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize("channels", [NARROW, SAVING])
@pytest.mark.parametrize("end_relu", [False, True])
def test_agrees_with_the_plain_formula(size, channels, end_relu, agree):
    unet = make(channels, end_relu=end_relu)
    with torch.no_grad():
        unet.final.bias.add_(0.5)  # some of the image is above 0
    agree(unet, given_for((4, 9), size=size), end_relu)


@pytest.mark.parametrize("cells", [(16, 16), (5, 5)])
def test_takes_maps_of_representations(cells, agree):
    agree(make(end_relu=False), given_for((4, 9), cells=cells), False)


def test_works_without_buffers_without_representation_and_for_one_scene(agree):
    agree(make(buffers=0, end_relu=False), given_for((0, 9)), False)
    agree(make(representation=0, end_relu=False), given_for((4, 0), scenes=1), False)


def test_has_the_published_names_and_size():
    with torch.device("meta"):
        unet = Unet(UnetConfig(type="Unet", query_passes=("position", "normal", "id")), Place(7, 16, 256, 3))
    assert sum(value.numel() for value in unet.parameters()) == 80_596_099
    shapes = {name: tuple(value.shape) for name, value in unet.state_dict().items()}
    assert shapes["down_block1.model.0.weight"] == (128, 7 + 272, 3, 3)
    assert shapes["down_block7.model.2.weight"] == (512, 512, 3, 3)
    assert shapes["upscale4.weight"] == (512, 512, 4, 4)
    assert shapes["upscale3.weight"] == (256, 128, 4, 4)
    assert shapes["up_block2.model.0.weight"] == (256, 512, 3, 3)
    assert shapes["final.weight"] == (3, 128, 1, 1)
    blocks = [f"down_block{index}" for index in range(1, 8)] + [f"up_block{index}" for index in range(1, 7)]
    layers = [f"{block}.model.{index}" for block in blocks for index in (0, 2)]
    layers += [f"upscale{index}" for index in range(1, 7)] + ["final"]
    assert set(shapes) == {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}


@pytest.mark.parametrize(("loss", "logarithmic"), [(("logl1", "logssim"), True), (("l1", "ssim"), False)])
def test_a_training_step_shows_what_sampling_would(loss, logarithmic):
    unet = make(loss=loss, end_relu=False)
    given, target = given_for((4, 9)), torch.rand(2, 3, 64, 64)
    step = unet.training_step(given, target, 0)
    assert set(step.losses) == set(loss)
    torch.testing.assert_close(step.image, unet.sample(given))
    output = unet(given)
    torch.testing.assert_close(step.image, torch.exp(output) - 1 if logarithmic else output)


def test_autocast_computes_in_bfloat16_and_returns_float32(deviation):
    unet = make(end_relu=False)
    given = given_for((4, 9))
    exact = unet(given)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = unet(given)
    assert rounded.dtype == torch.float32
    assert 1e-6 < deviation(rounded, exact) < 5e-2
    rounded.sum().backward()
    assert all(value.grad.dtype == torch.float32 for value in unet.parameters())


def test_the_same_view_gives_the_same_image_and_gradients():
    unet, given = make(SAVING), given_for((4, 9))
    results = []
    for _ in range(2):
        unet.zero_grad()
        unet.training_step(given, torch.ones(2, 3, 64, 64), 0).losses["logl1"].backward()
        results.append([unet(given), *(value.grad.clone() for value in unet.parameters())])
    assert all(map(torch.equal, *results))


def test_pooling_sends_the_gradient_to_the_first_of_equal_pixels():
    maps = torch.randint(0, 3, (2, 4, 8, 8)).float().requires_grad_()
    upstream = torch.randn(2, 4, 4, 4)
    (expected,) = torch.autograd.grad(F.max_pool2d(maps, 2), maps, upstream)
    (gradient,) = torch.autograd.grad(max_pool(maps), maps, upstream)
    assert torch.equal(gradient, expected)
