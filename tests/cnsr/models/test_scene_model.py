import itertools

import pytest
import torch

from cnsr.config import load_config
from cnsr.errors import ConfigError
from cnsr.models.model import SceneModel


def count(module):
    return sum(value.numel() for value in module.parameters())


def test_published_config_has_the_published_size_and_names():
    model = SceneModel(load_config("room_beauty.json"))
    assert count(model.representation.representations[0]) == 2_000_643
    assert count(model.generator.generators[0]) == 4_199_939
    names = set(model.state_dict())
    assert {"representation.representations.0.deltas", "generator.generators.0.layers.9.weight"} <= names
    assert all(name.startswith(("representation.representations.0.", "generator.generators.0.")) for name in names)


MODES = [
    {"latent_separation": False, "empty_partition": False},
    {"latent_separation": True, "adaptive_separation": False},
    {"latent_separation": True, "adaptive_separation": True},
    {"latent_separation": True, "adaptive_separation": True, "empty_partition": True, "partition_loss": 0.3},
    {"latent_separation": False, "empty_partition": True, "partition_loss": 0.3},
]


@pytest.mark.parametrize(("mode", "factor", "func"), list(itertools.product(MODES, [None, 0, 2], ["mean", "max"])))
def test_a_training_step_agrees_with_the_plain_formula(mode, factor, func, make_config, make_batch, agrees):
    config = make_config(
        **mode, encoder={"aggregation_func": func}, settings={"loss": ["logl1", "logssim"], "propagate_buffers": True}
    )
    agrees(config, make_batch(config, factor=factor))


def test_the_sizes_of_partitions_are_learned(make_config, make_batch):
    config = make_config(latent_separation=True)
    model = SceneModel(config)
    for factor in range(3):
        model.zero_grad()
        model(make_batch(config, factor=factor), 0).loss.backward()
        assert model.representation.representations[0].deltas.grad.abs().max() > 0


def test_terms_are_logged_by_name(make_config, make_batch):
    config = make_config(latent_separation=True, empty_partition=True, partition_loss=0.5)
    output = SceneModel(config)(make_batch(config), 0)
    shares = ["lighting_percentage", "geometry_percentage", "material_percentage", "empty_percentage"]
    losses = ["generator0_logl1", "generator0_logssim", "partition"]
    assert set(output.terms) == {*shares, *losses, "absolute_rsize"}
    assert all(not value.requires_grad and value.shape == () for value in output.terms.values())
    assert [float(output.terms[name]) for name in shares] == [0.25] * 4
    assert float(output.terms["absolute_rsize"]) == 9
    assert float(output.terms["partition"]) == pytest.approx(0.5 * 12 / 256 * 0.75)
    torch.testing.assert_close(output.loss, sum(output.terms[name] for name in losses))
    assert set(output.images[-1]) == {"beauty"}
    assert not output.images[-1]["beauty"].requires_grad


def test_shares_of_static_partitions_and_of_several_encoders(make_config, make_batch):
    config = make_config(latent_separation=True, adaptive_separation=False, encoders=[{}, {"representation_dim": 9}])
    terms = SceneModel(config)(make_batch(config), 0).terms
    assert float(terms["representation0_lighting_percentage"]) == pytest.approx(3 / 12)
    assert float(terms["representation1_material_percentage"]) == pytest.approx(4 / 9)
    plain = make_config()
    assert set(SceneModel(plain)(make_batch(plain), 0).terms) == {"generator0_logl1", "generator0_logssim"}


@pytest.mark.parametrize("func", ["mean", "MAX"])
def test_the_order_of_observations_does_not_matter(func, make_config, make_batch):
    config = make_config(latent_separation=True, encoder={"aggregation_func": func})
    model, batch = SceneModel(config), make_batch(config, views=4)
    order = torch.tensor([2, 0, 3, 1])
    shuffled = {name: image[:, order] for name, image in batch.observations.items()}
    for factor in (None, 1):
        (first,) = model.encode(batch.observations, batch.observation_poses, 10, factor)
        (second,) = model.encode(shuffled, batch.observation_poses[:, order], 10, factor)
        torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-6)


def test_scenes_do_not_mix_at_test_time(make_config, make_batch):
    config = make_config(latent_separation=True, empty_partition=True)
    model, batch = SceneModel(config), make_batch(config)
    (all_scenes,) = model.encode(batch.observations, batch.observation_poses, 500)
    one = {name: image[1:2] for name, image in batch.observations.items()}
    torch.testing.assert_close(model.encode(one, batch.observation_poses[1:2], 500)[0], all_scenes[1:2])


def test_the_null_partition_is_silent_at_test_time(make_config, make_batch):
    config = make_config(empty_partition=True, encoder={"representation_dim": 16, "sharpen_sigmoid": 1e5})
    model, batch = SceneModel(config), make_batch(config)
    (vector,) = model.encode(batch.observations, batch.observation_poses)
    assert (vector[:, 12:15] == 0).all()
    assert vector[:, :11].abs().sum() > 0


def test_views_and_image_sizes_may_vary(make_config, make_batch):
    config = make_config(latent_separation=True)
    model = SceneModel(config)
    for views, size in ((1, 8), (5, 8), (2, 16)):
        batch = make_batch(config, views=views, size=size)
        assert model(batch, 0).images[-1]["beauty"].shape == (3, 3, 8, 8)


def test_prediction_does_not_look_at_the_target(make_config, make_batch):
    config = make_config()
    model, batch = SceneModel(config), make_batch(config)
    vectors = model.encode(batch.observations, batch.observation_poses)
    inputs = {name: batch.queries[name] for name in ("position", "id")}
    predicted = model.predict(inputs, batch.query_poses, vectors)
    torch.testing.assert_close(predicted["beauty"], model(batch, 0).images[-1]["beauty"])


def test_several_outputs_are_keyed_by_pass(make_config, make_batch):
    config = make_config(generator={"output_passes": ["shadows", "direct"]})
    model, batch = SceneModel(config), make_batch(config)
    buffers = model(batch, 0).images[-1]
    assert {name: image.shape[1] for name, image in buffers.items()} == {"shadows": 1, "direct": 3}


def test_several_encoders_are_concatenated(make_config, make_batch):
    config = make_config(
        encoders=[{"representation_dim": 6}, {"representation_dim": 9, "observation_passes": ["depth"]}],
        generators=[{"representations": [1, 0]}, {"representations": [1]}, {"representations": []}],
    )
    model, batch = SceneModel(config), make_batch(config)
    assert [g.input.in_channels for g in model.generator.generators] == [4 + 16 + 15, 4 + 16 + 9, 4 + 16]
    first, second = model.encode(batch.observations, batch.observation_poses)
    assert (first.shape[1], second.shape[1]) == (6, 9)
    model(batch, 0).loss.backward()
    assert all(value.grad is not None for name, value in model.named_parameters() if "deltas" not in name)


def test_a_detached_encoder_is_frozen(make_config, make_batch):
    config = make_config(latent_separation=True, encoders=[{"detach": True}, {}], generator={"representations": [0, 1]})
    model = SceneModel(config)
    model(make_batch(config), 0).loss.backward()
    frozen, learning = model.representation.representations
    assert all(value.grad is None and not value.requires_grad for value in frozen.parameters())
    assert all(value.grad is not None for value in learning.parameters())


def chain(**first):
    """A generator of shadows, and one that reads them."""
    return [
        {"query_passes": ["position"], "output_passes": ["shadows"], **first},
        {"query_passes": ["position", "shadows"], "output_passes": ["beauty"]},
    ]


def reached(model, batch):
    """Whether the second generator's loss depends on the weights of the first."""
    model.zero_grad()
    model(batch, 0).loss.backward()
    return model.generator.generators[0].final.weight.grad is not None


def test_overridden_buffers_reach_later_generators(make_config, make_batch):
    base = make_config(generators=chain(discard_loss=True))
    batch = make_batch(base)
    state = SceneModel(base).state_dict()
    vectors, plain, sampled, trained = None, {}, {}, {}
    for name, change in {
        "none": {},
        "sample": {"override_sample": True},
        "train": {"override_train": True},
        "detached": {"override_train": True, "detach": True},
    }.items():
        model = SceneModel(make_config(generators=chain(discard_loss=True, **change)))
        model.load_state_dict(state)
        vectors = model.encode(batch.observations, batch.observation_poses)
        plain[name] = reached(model, batch)
        trained[name] = model(batch, 0).images[-1]["beauty"]
        sampled[name] = model.predict(batch.queries, batch.query_poses, vectors)["beauty"]
    assert plain == {"none": False, "sample": False, "train": True, "detached": False}
    assert torch.equal(trained["none"], trained["sample"])
    assert torch.equal(trained["train"], trained["detached"])
    assert not torch.allclose(trained["none"], trained["train"])
    torch.testing.assert_close(sampled["none"], trained["none"])
    torch.testing.assert_close(sampled["sample"], trained["train"])
    torch.testing.assert_close(sampled["train"], trained["none"])


def test_discarded_losses_are_logged_but_not_minimized(make_config, make_batch):
    config = make_config(generators=chain(discard_loss=True), settings={"loss": ["logl1"]})
    output = SceneModel(config)(make_batch(config), 0)
    assert set(output.terms) == {"generator0_logl1", "generator1_logl1"}
    torch.testing.assert_close(output.loss, output.terms["generator1_logl1"])


def test_targets_stay_the_true_ones(make_config, make_batch):
    """An override changes what later generators read, never what they aim at."""
    generators = [{"override_train": True}, {"query_passes": ["beauty"]}]
    config = make_config(generators=generators, settings={"loss": ["l1"]})
    model, batch = SceneModel(config), make_batch(config)
    output = model(batch, 0)
    error = 2 * (output.images[-1]["beauty"] - batch.queries["beauty"]).abs().mean()
    torch.testing.assert_close(output.terms["generator1_l1"], error)


def test_gradient_reg_acts_on_the_encoder(make_config, make_batch):
    gradients = []
    base = make_config(latent_separation=True)
    state, batch = SceneModel(base).state_dict(), make_batch(base)
    for strength in (0.0, 0.5):
        model = SceneModel(make_config(latent_separation=True, encoder={"gradient_reg": strength}))
        model.load_state_dict(state)
        output = model(batch, 0)
        output.loss.backward()
        gradients.append((output.loss.detach(), model.representation.representations[0].conv6.weight.grad))
    assert torch.equal(gradients[0][0], gradients[1][0])
    assert not torch.allclose(gradients[0][1], gradients[1][1])


def test_fresh_outputs_can_start_at_the_mean(make_config, make_batch):
    config = make_config(settings={"initial_output": "log_mean", "loss": ["logl1"]})
    model, batch = SceneModel(config), make_batch(config)
    model.initialize_outputs(batch)
    expected = torch.log1p(batch.queries["beauty"]).mean(dim=(0, 2, 3))
    torch.testing.assert_close(model.generator.generators[0].final.bias.detach(), expected)


def test_autocast_keeps_sums_in_float32(make_config, make_batch, deviation):
    config = make_config(latent_separation=True, empty_partition=True)
    model, batch = SceneModel(config), make_batch(config)
    exact = model(batch, 0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(batch, 0)
        (vector,) = model.encode(batch.observations, batch.observation_poses, 0, 1)
    output.loss.backward()
    assert vector.dtype == output.loss.dtype == output.images[-1]["beauty"].dtype == torch.float32
    assert output.loss.item() == pytest.approx(exact.loss.item(), rel=2e-2)


def test_faults_of_networks_name_their_place(make_config, monkeypatch):
    monkeypatch.delenv("CNSR_VGG_WEIGHTS", raising=False)
    with pytest.raises(ConfigError, match=r"^model\.generators\[1\]\.settings\.loss: 'vgg' needs"):
        SceneModel(make_config(generators=[{}, {"settings": {"loss": ["vgg"]}}]))


@pytest.mark.parametrize(
    ("generator", "times"),
    [({}, 1), ({"type": "GQN", "settings": {"state_dim": 4, "latent_dim": 2, "core_count": 1, "downscaling": 2}}, 2)],
)
def test_encoders_are_run_twice_beside_generators_that_keep_little(generator, times, make_config, make_batch):
    config = make_config(generator=generator)
    model, batch = SceneModel(config), make_batch(config)  # 6 views
    views = []
    (encoder,) = model.representation.representations
    encoder.register_forward_pre_hook(lambda _, inputs: views.append(len(inputs[0])))
    model(batch, 0).loss.backward()
    assert views == ([6] if times == 1 else [2, 2, 2, *views[3:]])
    assert sum(views) == 6 * times
    views.clear()
    model.eval()
    model(batch, 0).loss.backward()
    assert views == [6]


def partitions_of(config, deltas):
    model = SceneModel(config)
    with torch.no_grad():
        model.representation.representations[0].deltas.copy_(torch.tensor(deltas).log())
    found = model.representation.partitions(0)
    return {name: channels.tolist() for name, channels in found.items()}


def test_partitions_have_the_channels_of_their_shares(make_config):
    encoder = {"representation_dim": 20}
    config = make_config(encoder=encoder, latent_separation=True)
    found = partitions_of(config, [0.325, 0.5, 0.175])
    assert found == {"lighting": [*range(6)], "geometry": [*range(6, 16)], "material": [*range(16, 20)]}
    config = make_config(encoder=encoder, latent_separation=True, empty_partition=True)
    found = partitions_of(config, [0.325, 0.4, 0.1, 0.175])
    assert found["material"] == [14, 15]
    assert found["empty"] == [16, 17, 18, 19]


def test_static_partitions_are_thirds(make_config):
    config = make_config(latent_separation=True, adaptive_separation=False)
    found = partitions_of(config, [0.9, 0.05, 0.05])
    assert found == {"lighting": [0, 1, 2], "geometry": [3, 4, 5, 6], "material": [7, 8, 9, 10, 11]}


def test_without_factors_channels_belong_to_none(make_config):
    assert partitions_of(make_config(), [0.2, 0.3, 0.5]) == {}
    config = make_config(empty_partition=True)
    assert partitions_of(config, [0.225, 0.275, 0.25, 0.25]) == {"empty": [9, 10, 11]}
