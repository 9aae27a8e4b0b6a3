import itertools
import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from cnsr.config import GQNConfig, load_config
from cnsr.models import gqn
from cnsr.models.generator import Given, Place
from cnsr.models.gqn import GQN, Gaussian, annealed_sigma
from cnsr.models.registry import build_generator

SCENES, STEPS, LATENT = 3, 3, 2
SHARING = list(itertools.product(["LSTM", "GRU"], [False, True], [False, True]))


def make(cell="LSTM", weights=False, upscale=False, buffers=4, representation=9, downscaling=4, **settings):
    settings = {"latent_dim": LATENT, "state_dim": 6, "core_count": STEPS, "downscaling": downscaling, **settings}
    settings |= {"cell_type": cell, "weight_sharing": weights, "upscale_sharing": upscale}
    return GQN(GQNConfig(type="GQN", settings=settings), Place(buffers, 16, representation, 3))


def given_for(generator, size=16, scenes=SCENES, buffers=4, representation=9, maps=1):
    tensors = (
        torch.randn(scenes, buffers, size, size),
        torch.randn(scenes, 16),
        torch.randn(scenes, representation, maps, maps),
    )
    return Given(*(tensor.requires_grad_() for tensor in tensors))


def drawn_noise(monkeypatch, generator, scenes, size):
    """Fix the generator's noise, and return it step by step."""
    edge = size // generator.scale
    noise = [torch.randn(scenes, LATENT, edge, edge) for _ in range(generator.steps)]
    left = iter(noise)

    def take(like):
        value = next(left)
        assert like.shape == value.shape
        assert like.dtype == value.dtype
        return value

    monkeypatch.setattr(gqn, "noise_for_scenes", take)
    return [value.double() for value in noise]


def in_double(generator, given):
    weights = {name: value.detach().double().requires_grad_() for name, value in generator.named_parameters()}
    plain = [value.detach().double().requires_grad_() for value in (given.buffers, given.pose, given.representation)]
    return weights, plain


def agree(generator, monkeypatch, deviation, size=16, scenes=SCENES, **given):
    import plain_gqn

    given = given_for(generator, size, scenes, **given)
    target = torch.rand(scenes, 3, size, size) * 5
    weights, plain = in_double(generator, given)
    noise = drawn_noise(monkeypatch, generator, scenes, size)
    step = generator.training_step(given, target, 150_000)
    mean, divergences = plain_gqn.run(weights, *plain, target.double(), noise, generator.scale)
    kl, ll = plain_gqn.losses(mean, target.double(), divergences, 150_000)
    assert deviation(step.image, torch.exp(mean) - 1) < 1e-5
    assert deviation(step.losses["kl"], kl) < 1e-5
    assert deviation(step.losses["ll"], ll) < 1e-5
    sum(step.losses.values()).backward()
    (kl + ll).backward()
    for value, other in zip((given.buffers, given.pose, given.representation), plain, strict=True):
        if value.numel():
            assert deviation(value.grad, other.grad) < 1e-4
    for name, value in generator.named_parameters():
        assert deviation(value.grad, weights[name].grad) < 1e-4, name


@pytest.mark.parametrize(("cell", "weights", "upscale"), SHARING)
def test_a_training_step_agrees_with_the_plain_formula(cell, weights, upscale, monkeypatch, deviation):
    agree(make(cell, weights, upscale), monkeypatch, deviation)


# The latent maps have 1, 2, 3, 4, 5 and 8 pixels an edge: a 5 x 5 kernel hangs over both sides of the smaller ones.
@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
@pytest.mark.parametrize(("size", "downscaling"), [(4, 4), (16, 8), (9, 3), (4, 1), (10, 2), (16, 2)])
def test_any_size_and_downscaling_agrees(cell, size, downscaling, monkeypatch, deviation):
    agree(make(cell, downscaling=downscaling), monkeypatch, deviation, size)


@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
@pytest.mark.parametrize("maps", [2, 3, 4, 8])
def test_maps_of_the_representation_agree(cell, maps, monkeypatch, deviation):
    agree(make(cell), monkeypatch, deviation, maps=maps)


@pytest.mark.parametrize("kind", [{"buffers": 0}, {"representation": 0}])
def test_works_without_buffers_and_without_representation(kind, monkeypatch, deviation):
    agree(make(**kind), monkeypatch, deviation, **kind)


def test_one_scene_and_one_step_agree(monkeypatch, deviation):
    agree(make(core_count=1), monkeypatch, deviation, scenes=1)


@pytest.mark.parametrize(("cell", "weights", "upscale"), SHARING)
def test_samples_agree_with_the_plain_formula(cell, weights, upscale, monkeypatch, deviation):
    import plain_gqn

    generator = make(cell, weights, upscale)
    given = given_for(generator)
    values, plain = in_double(generator, given)
    noise = drawn_noise(monkeypatch, generator, SCENES, 16)
    mean, _ = plain_gqn.run(values, *plain, None, noise, generator.scale)
    assert deviation(generator.sample(given), torch.exp(mean) - 1) < 1e-5


def test_a_step_of_the_whole_model_agrees(make_config, make_batch, agrees):
    small = {"latent_dim": 2, "state_dim": 8, "core_count": 2, "downscaling": 2}
    config = make_config(
        encoders=[{"type": "Pool"}, {"type": "Tower"}],
        generators=[{"type": "GQN", "representations": [0, 1], "settings": small}],
        latent_separation=True,
    )
    agrees(config, make_batch(config), noise=[torch.empty(3, 2, 4, 4) for _ in range(2)])


def test_has_the_published_names_and_size():
    config = load_config("room_beauty_gqn_buffers.json").model.generators[0]
    with torch.device("meta"):
        generator = build_generator(config, 16, 256, ())
    assert sum(value.numel() for value in generator.parameters()) == 147_735_199
    shapes = {name: tuple(value.shape) for name, value in generator.state_dict().items()}
    for step, gate in itertools.product(range(12), ["forget", "input", "output", "state"]):
        assert shapes.pop(f"inference.{step}.{gate}.weight") == (128, 531, 5, 5)
        assert shapes.pop(f"generator.{step}.{gate}.weight") == (128, 410, 5, 5)
        assert shapes.pop(f"inference.{step}.{gate}.bias") == shapes.pop(f"generator.{step}.{gate}.bias") == (128,)
    assert {shapes.pop(f"upsample.{step}.weight") for step in range(12)} == {(128, 128, 4, 4)}
    assert shapes == {
        "prior.weight": (6, 128, 5, 5),
        "prior.bias": (6,),
        "posterior.weight": (6, 128, 5, 5),
        "posterior.bias": (6,),
        "downsample.weight": (7, 7, 4, 4),
        "observation.weight": (3, 128, 1, 1),
        "observation.bias": (3,),
    }


def test_shared_layers_are_the_first_of_their_kind():
    names = {name.rpartition(".")[0] for name in make("GRU", weights=True, upscale=True).state_dict()}
    cells = {f"{cell}.0.{gate}" for cell in ("inference", "generator") for gate in ("reset", "update", "state")}
    assert names == cells | {"upsample.0", "prior", "posterior", "downsample", "observation"}


def test_the_losses_are_what_their_formulas_say(monkeypatch):
    generator = make(core_count=1)
    given, target = given_for(generator), torch.rand(SCENES, 3, 16, 16) * 3
    pairs = []
    divergence = Gaussian.divergence

    def watched(posterior, prior):
        pairs.append((posterior, prior))
        return divergence(posterior, prior)

    monkeypatch.setattr(Gaussian, "divergence", watched)
    step = generator.training_step(given, target, 0)
    ((posterior, prior),) = pairs
    assert not torch.equal(posterior.mean, prior.mean)
    expected = kl_divergence(Normal(posterior.mean, posterior.std), Normal(prior.mean, prior.std))
    torch.testing.assert_close(step.losses["kl"], expected.sum() / SCENES / (25 * 16))
    log_image, log_target = torch.log(1 + step.image), torch.log(1 + target)
    torch.testing.assert_close(
        step.losses["ll"], -Normal(log_image, 2.0).log_prob(log_target).sum() / SCENES / (25 * 16)
    )
    floor = -Normal(log_target, 2.0).log_prob(log_target).sum() / SCENES / (25 * 16)
    torch.testing.assert_close(step.notes["ll_excess"], (step.losses["ll"] - floor).detach(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(step.notes["mse"], ((log_image - log_target) ** 2).mean().detach())
    torch.testing.assert_close(step.notes["elbo"], -(step.losses["kl"] + step.losses["ll"]).detach())
    assert not any(note.requires_grad for note in step.notes.values())
    assert set(step.losses) == {"kl", "ll"}


def test_the_likelihood_narrows():
    assert annealed_sigma(0) == 2.0
    assert annealed_sigma(100_000) == pytest.approx(1.35)
    assert annealed_sigma(200_000) == annealed_sigma(10**6) == 0.7
    generator = make()
    given, target = given_for(generator), torch.rand(SCENES, 3, 16, 16)
    values = []
    for iteration in (0, 400_000):
        torch.manual_seed(3)
        values.append(generator.training_step(given, target, iteration))
    early, late = values
    torch.testing.assert_close(early.losses["kl"], late.losses["kl"])
    torch.testing.assert_close(late.notes["ll_excess"], early.notes["ll_excess"] * (2 / 0.7) ** 2)
    change = 3 * 16 * math.log(2 / 0.7) / 25
    floors = [step.losses["ll"] - step.notes["ll_excess"] for step in values]
    assert (floors[0] - floors[1]).item() == pytest.approx(change, rel=1e-4)


def test_samples_come_from_the_prior_alone():
    generator = make()
    given = given_for(generator)

    def sample():
        torch.manual_seed(5)
        return generator.sample(given).detach()

    before = sample()
    with torch.no_grad():
        for layer in (generator.posterior, generator.inference):
            for value in layer.parameters():
                value.normal_()
        assert torch.equal(sample(), before)
        generator.prior.bias.add_(1)
        assert not torch.equal(sample(), before)


def test_the_same_seed_gives_the_same_step_and_another_does_not():
    generator = make()
    given, target = given_for(generator), torch.rand(SCENES, 3, 16, 16)

    def results(seed):
        torch.manual_seed(seed)
        generator.zero_grad()
        step = generator.training_step(given, target, 0)
        sum(step.losses.values()).backward()
        sample = generator.sample(given)
        return [step.image, sample, *step.losses.values(), *(value.grad for value in generator.parameters())]

    first, again, other = results(1), results(1), results(2)
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    assert not torch.equal(first[1], other[1])


@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
def test_autocast_computes_in_bfloat16_and_returns_float32(cell, deviation):
    generator = make(cell, state_dim=16)
    given, target = given_for(generator), torch.rand(SCENES, 3, 16, 16)

    def step():
        torch.manual_seed(8)
        generator.zero_grad()
        made = generator.training_step(given, target, 0)
        sum(made.losses.values()).backward()
        return made, [value.grad.clone() for value in generator.parameters()]

    exact, exact_gradients = step()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded, gradients = step()
    for value in (rounded.image, *rounded.losses.values(), *rounded.notes.values(), *gradients):
        assert value.dtype == torch.float32
    assert 1e-6 < deviation(rounded.image, exact.image) < 2e-2
    for name in exact.losses:
        assert deviation(rounded.losses[name], exact.losses[name]) < 2e-2
    flat, exact_flat = (torch.cat([part.flatten() for part in parts]) for parts in (gradients, exact_gradients))
    assert deviation(flat, exact_flat) < 5e-2
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.inference_mode():
        assert generator.sample(given).dtype == torch.float32


def test_under_autocast_the_image_is_summed_in_float32():
    generator = make(core_count=1)
    torch.nn.init.zeros_(generator.observation.bias)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mean, _ = generator(given_for(generator), torch.rand(SCENES, 3, 16, 16))
    assert not torch.equal(mean, mean.bfloat16().float())


def test_learns_one_batch():
    generator = make(core_count=2)
    given, target = given_for(generator, size=8), torch.rand(SCENES, 3, 8, 8) * 4
    optimizer = torch.optim.Adam(generator.parameters(), lr=1e-2)
    excess = []
    for _ in range(25):
        optimizer.zero_grad()
        step = generator.training_step(given, target, 400_000)
        sum(step.losses.values()).backward()
        optimizer.step()
        excess.append((step.notes["ll_excess"] + step.losses["kl"]).item())
    assert excess[-1] < 0.4 * excess[0]


def test_keeps_neither_weights_nor_constant_maps_nor_the_canvas_for_the_backward_pass():
    """What is saved are the cells' states and gates: less than the weights, which a copy of each would double."""
    generator = make(representation=64, buffers=4, state_dim=8, core_count=4)
    given = given_for(generator, representation=64)
    saved = {}

    def pack(tensor):
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        generator.training_step(given, torch.rand(SCENES, 3, 16, 16), 0)
    for value in generator.parameters():
        saved.pop(value.untyped_storage().data_ptr(), None)
    maps = SCENES * 4 * 4 * 4  # bytes of one channel of latent size
    a_step = maps * (2 * 6 * 8 + 20 * LATENT + 20)  # gates, c and h of two cells; Gaussians; inputs
    fixed = 4 * (4 * 16 * 8 * 3 * 2 + 16 * 25) + 16 * maps * (4 + 4 * 3)  # patch weights; buffers and images
    assert sum(saved.values()) < 4 * a_step + fixed
