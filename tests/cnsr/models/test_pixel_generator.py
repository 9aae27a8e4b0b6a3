import itertools

import pytest
import torch

from cnsr.config import PixelCNNConfig
from cnsr.models.generator import Given, Place
from cnsr.models.pixel_generator import PixelGenerator

SWITCHES = ("propagate_buffers", "propagate_representation", "propagate_viewpoint", "end_relu")


def make(switches, passes=("position", "id"), outputs=("beauty",), representation=9, **settings):
    config = PixelCNNConfig(
        type="PixelCNN",
        query_passes=passes,
        output_passes=outputs,
        settings={"layers": 3, "hidden_units": 24, "loss": ("l1",), **switches, **settings},
    )
    return PixelGenerator(config, Place(4 if passes else 0, 16, representation, 3 * len(outputs)))


def given_for(generator, scenes=3, height=6, width=6, cells=(1, 1)):
    c = generator.place
    tensors = (
        torch.randn(scenes, c.buffers, height, width),
        torch.randn(scenes, c.pose),
        torch.randn(scenes, c.representation, *cells),
    )
    return Given(*(tensor.requires_grad_() for tensor in tensors))


@pytest.fixture
def agree(follows):
    import plain_networks

    def check(generator, given, switches):
        follows(generator, given, lambda *inputs: plain_networks.pixel_generator(*inputs, **switches))

    return check


@pytest.mark.parametrize("flags", list(itertools.product([False, True], repeat=4)))
@pytest.mark.parametrize("size", [(6, 6), (5, 9)])
def test_agrees_with_the_plain_formula(flags, size, agree):
    switches = dict(zip(SWITCHES, flags, strict=True))
    generator = make(switches)
    agree(generator, given_for(generator, height=size[0], width=size[1]), switches)


def test_works_without_buffers_and_without_representation(agree):
    switches = dict.fromkeys(SWITCHES, True) | {"end_relu": False}
    for generator in (make(switches, passes=()), make(switches, representation=0)):
        agree(generator, given_for(generator), switches)


@pytest.mark.parametrize("cells", [(3, 2), (6, 6), (4, 4), (12, 12)])
@pytest.mark.parametrize("propagate_buffers", [False, True])
def test_takes_maps_of_representations(cells, propagate_buffers, agree):
    """Maps that divide the image, that do not, and that are finer than it."""
    switches = dict.fromkeys(SWITCHES, True) | {"propagate_buffers": propagate_buffers}
    generator = make(switches)
    agree(generator, given_for(generator, cells=cells), switches)


def test_looking_at_a_trained_network_gives_the_same_gradients_any_number_of_times(agree):
    switches = dict.fromkeys(SWITCHES, True) | {"end_relu": False}
    generator = make(switches).eval()
    given = given_for(generator)
    agree(generator, given, switches)
    image = generator(given)
    twice = [torch.autograd.grad(image.sum(), given.buffers, retain_graph=True)[0] for _ in range(2)]
    assert torch.equal(*twice)


def test_a_second_backward_pass_of_training_is_refused():
    generator = make(dict.fromkeys(SWITCHES, True))
    loss = generator(given_for(generator)).sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_works_for_one_scene_of_one_pixel(agree):
    switches = dict.fromkeys(SWITCHES, True) | {"end_relu": False}
    generator = make(switches)
    agree(generator, given_for(generator, scenes=1, height=1, width=1), switches)


def test_has_the_published_names_and_size():
    settings = {"layers": 10, "hidden_units": 512, "propagate_buffers": True}
    config = PixelCNNConfig(type="PixelCNN", query_passes=("position", "normal", "id"), settings=settings)
    generator = PixelGenerator(config, Place(7, 16, 256, 3))
    assert sum(value.numel() for value in generator.parameters()) == 4_199_939
    shapes = {name: tuple(value.shape) for name, value in generator.state_dict().items()}
    assert shapes.pop("input.weight") == (512, 279, 1, 1)
    assert shapes.pop("final.weight") == (3, 512, 1, 1)
    assert {shapes.pop(f"layers.{index}.weight") for index in range(10)} == {(512, 791, 1, 1)}
    assert set(shapes) == {"input.bias", "final.bias", *(f"layers.{index}.bias" for index in range(10))}


def test_keeps_no_more_for_the_backward_pass_than_hidden_values():
    """Constant maps are never expanded: what is saved over all pixels are the hidden layers and the buffers."""
    generator = make(dict.fromkeys(SWITCHES, True), representation=256)
    given = given_for(generator, scenes=2, height=32, width=32)
    saved = {}

    def pack(tensor):
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        generator(given)
    pixels = 2 * 32 * 32 * 4
    weights = sum(value.numel() for value in generator.parameters()) * 4 * 2
    assert sum(saved.values()) < pixels * (4 * 24 + 5 + 3 + 3) + weights


def test_log_losses_make_log_images():
    generator = make({"end_relu": False}, loss=("logl1",))
    given = given_for(generator)
    torch.testing.assert_close(generator.sample(given), torch.exp(generator(given)) - 1)
    step = generator.training_step(given, torch.rand(3, 3, 6, 6), 0)
    torch.testing.assert_close(step.image, generator.sample(given))
    assert set(step.losses) == {"logl1"}
    generator = make({"end_relu": False}, loss=("ssim", "l1"))
    assert torch.equal(generator.sample(given), generator(given))


@pytest.mark.parametrize(("loss", "expected"), [("logl1", 0.6931471), ("l1", 1.0)])
def test_log_mean_starts_at_the_mean(loss, expected):
    generator = make({"end_relu": True}, loss=(loss,), initial_output="log_mean")
    target = torch.ones(2, 3, 6, 6)
    target[:, 1] = 0
    generator.initialize_output(target)
    torch.testing.assert_close(generator.final.bias.detach(), torch.tensor([expected, 0.0, expected]))


def test_default_start_is_left_alone():
    generator = make({"end_relu": True})
    before = generator.final.bias.clone()
    generator.initialize_output(torch.ones(2, 3, 6, 6))
    assert torch.equal(generator.final.bias, before)


def test_autocast_computes_in_bfloat16_and_returns_float32(deviation):
    generator = make(dict.fromkeys(SWITCHES, True) | {"end_relu": False})
    given = given_for(generator, height=16, width=16)
    exact = generator(given)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = generator(given)
    assert rounded.dtype == torch.float32
    assert 1e-6 < deviation(rounded, exact) < 2e-2
    rounded.sum().backward()
    assert all(value.grad.dtype == torch.float32 for value in generator.parameters())
