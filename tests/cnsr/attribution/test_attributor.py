"""Attributions are those of one backward pass per output."""

import pytest
import torch
from architectures import ARCHITECTURES, COPY, DIRECT, GQN, GRU, INDIRECT, PIXEL, POOL, SUM, UNET
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnsr.attribution.attributor import Attributor, total
from cnsr.attribution.outputs import Channels, Patch, whole_image, whole_representation
from cnsr.models.model import SceneModel

OTHERS = {
    "largest of the views": ([POOL | {"aggregation_func": "max"}], [PIXEL]),
    "rectified": ([POOL], [PIXEL | {"settings": {"layers": 1, "hidden_units": 9, "end_relu": True}}]),
    "representation seen once": (
        [POOL],
        [PIXEL | {"settings": {"layers": 2, "hidden_units": 9, "propagate_representation": False}}],
    ),
    "mirrors and indirect light": (
        [POOL | {"observation_passes": ["indirect", "roughness", "mirror"]}],
        [PIXEL | {"query_passes": ["roughness", "mirror_hit", "indirect"]}],
    ),
    "detached": ([POOL], [DIRECT | {"detach": True}, INDIRECT, SUM]),
    "maps of two sizes": (
        [POOL | {"type": "Tower"}, POOL | {"type": "Tower", "render_size": 24, "representation_dim": 5}],
        [PIXEL | {"representations": [1, 0]}],
    ),
    "maps that fit into no pixels": ([POOL | {"type": "Tower", "render_size": 24}], [PIXEL]),
    "generators of two sizes": ([POOL], [DIRECT | {"render_size": 8}, INDIRECT, SUM]),
    "recurrent after others": ([POOL], [GQN | {"output_passes": ["direct"]}, GRU, COPY | {"settings": {"index": 1}}]),
    "copy of a copied sum": ([POOL], [DIRECT, INDIRECT, SUM, PIXEL | {"query_passes": ["direct", "ao"]}]),
    "no representation": ([POOL], [PIXEL | {"representations": []}]),
}
ALL = ARCHITECTURES | OTHERS


def model_of(name, make_model, **keys):
    encoders, generators = ALL[name]
    return make_model(encoders, generators, **keys)


def last_patch(config, **place):
    index = len(config.model.generators) - 1
    return Patch(index, config.model.generators[index].output_passes[0], **place)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("copies", [None, 7])
def test_a_patch_has_the_mean_of_all_its_pixels(name, copies, make_model, make_scene, agrees):
    model, config = model_of(name, make_model)
    scene = make_scene(config)
    patch = last_patch(config, left=3, top=5, width=3, height=2)
    agrees(model, scene, Attributor(model, scene, copies=copies), patch)


@pytest.mark.parametrize("name", ["pool, pixel generator", "sum", "copy", "LSTM", "detached", "two encoders"])
def test_the_whole_image_has_the_mean_of_all_pixels(name, make_model, make_scene, agrees):
    encoders, generators = ALL[name]
    model, config = make_model(encoders, [part | {"render_size": 8} for part in generators])
    scene = make_scene(config)
    index = len(generators) - 1
    whole = whole_image(config, index, config.model.generators[index].output_passes[0])
    assert whole.count == 192
    agrees(model, scene, Attributor(model, scene), whole)


@pytest.mark.parametrize("name", ["pool, pixel generator", "tower", "pyramid", "chain of everything"])
def test_channels_of_the_representation_are_outputs_too(name, make_model, make_scene, agrees):
    model, config = model_of(name, make_model, empty_partition=True)
    scene = make_scene(config)
    attributor = Attributor(model, scene, 123)
    for outputs in (Channels(0, (4,)), Channels(0, (1, 7, 3)), whole_representation(config, 0)):
        if name != "tower" or len(outputs.channels) < 4:
            agrees(model, scene, attributor, outputs, 123)


@pytest.mark.parametrize("size", [8, 32, 24])
@pytest.mark.parametrize("name", ["sum", "tower", "LSTM"])
def test_buffers_may_have_another_size_than_the_networks(name, size, make_model, make_scene, agrees):
    model, config = model_of(name, make_model)
    scene = make_scene(config, views=1, size=size)
    patch = last_patch(config, left=2, top=0, width=4, height=3)
    agrees(model, scene, Attributor(model, scene), patch)


@pytest.mark.parametrize("views", [1, 2, 6])
def test_any_number_of_observations(views, make_model, make_scene, agrees):
    model, config = model_of("two encoders", make_model)
    scene = make_scene(config, views=views)
    agrees(model, scene, Attributor(model, scene), last_patch(config, left=0, top=0, width=2, height=2))


@given(
    encoder=st.sampled_from(["Pool", "Tower", "Pyramid"]),
    aggregation=st.sampled_from(["mean", "max"]),
    generator=st.sampled_from([PIXEL, GQN, GRU, UNET]),
    views=st.integers(1, 3),
    left=st.integers(0, 13),
    top=st.integers(0, 13),
    width=st.integers(1, 3),
    height=st.integers(1, 3),
    memory=st.sampled_from([1, 2**20, 2**24, 2**30]),
    copies=st.sampled_from([None, 2, 64]),
    iteration=st.none() | st.integers(0, 10**6),
    empty=st.booleans(),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_models(
    make_model, make_scene, agrees, encoder, aggregation, generator, views, left, top, width, height,
    memory, copies, iteration, empty,
):  # fmt: skip
    model, config = make_model(
        [POOL | {"type": encoder, "aggregation_func": aggregation}], [generator], empty_partition=empty
    )
    scene = make_scene(config, views=views)
    attributor = Attributor(model, scene, iteration, memory, copies)
    agrees(model, scene, attributor, Patch(0, "beauty", left, top, width, height), iteration)


@pytest.mark.parametrize("memory", [1, 10_000, 300_000, 2**24])
def test_the_result_does_not_depend_on_the_memory(memory, make_model, make_scene):
    model, config = model_of("pool, pixel generator", make_model)
    scene = make_scene(config)
    whole = whole_image(config, 0, "beauty")
    found, expected = (Attributor(model, scene, memory=some, copies=64).attribute(whole) for some in (memory, 2**30))
    for values, others in (
        *((found.queries[name], expected.queries[name]) for name in ("position", "id")),
        *((found.observations[name], expected.observations[name]) for name in ("beauty", "normal")),
        (found.representations[0], expected.representations[0]),
    ):
        assert torch.allclose(values, others, rtol=1e-4, atol=1e-5 * float(others.max()))


def test_gradients_of_several_pixels_do_not_cancel(make_model, make_scene):
    """Two outputs that depend on an input with opposite signs: the attribution of both is that of one of them."""
    model, config = make_model([POOL], [PIXEL | {"settings": {"layers": 1, "hidden_units": 4, "loss": ["l1"]}}])
    pixel = model.generator.generators[0]
    with torch.no_grad():
        pixel.final.weight[1] = -pixel.final.weight[0]
        pixel.final.weight[2] = 0
        pixel.final.bias.fill_(10)  # far from what would be cut off
        pixel.final.weight.mul_(0.01)
    scene = make_scene(config)
    found = Attributor(model, scene).attribute(Patch(0, "beauty", 0, 0))
    image = scene.queries["position"].clone().requires_grad_()
    made = model.eval().predict(
        {**scene.queries, "position": image},
        scene.query_poses,
        model.encode(scene.observations, scene.observation_poses),
    )["beauty"]
    (gradient,) = torch.autograd.grad(made[0, 0, 0, 0], image)
    assert total(found.queries["position"]) == pytest.approx(2 / 3 * total((gradient * image.detach()).abs()), rel=1e-5)
    assert total(found.queries["position"]) > 0


def test_a_known_network(make_model, make_scene):
    """A pixel generator that copies one channel of the normal: it is all that matters, with its own value."""
    network = {"layers": 1, "hidden_units": 2, "loss": ["l1"], "propagate_representation": False, "end_relu": False}
    network |= {"propagate_viewpoint": False}
    model, config = make_model([POOL], [PIXEL | {"query_passes": ["depth", "normal"], "settings": network}])
    pixel = model.generator.generators[0]
    with torch.no_grad():
        for weight in pixel.parameters():
            weight.zero_()
        pixel.input.weight[0, 2] = 1  # behind depth and normal.x
        pixel.layers[0].weight[0, 0] = 1
        pixel.final.weight[1, 0] = 3
    scene = make_scene(config)
    scene.queries["normal"].abs_()
    found = Attributor(model, scene).attribute(Patch(0, "beauty", left=4, top=6, width=2, height=1))
    expected = torch.zeros(3, 16, 16)
    expected[1, 6, 4:6] = scene.queries["normal"][0, 1, 6, 4:6] * 3 / 6
    assert torch.allclose(found.queries["normal"], expected)
    assert not found.queries["depth"].any()
    assert not any(values.any() for values in (*found.observations.values(), *found.representations))


def test_totals_of_partitions_add_up(make_model, make_scene):
    model, config = make_model(
        [POOL | {"representation_dim": 40, "sharpen_sigmoid": 1e5}], [PIXEL], empty_partition=True
    )
    found = Attributor(model, make_scene(config)).attribute(Patch(0, "beauty", 1, 1))
    partitions = model.representation.partitions(0)
    totals = found.partition_totals(0, partitions)
    assert list(totals) == ["lighting", "geometry", "material", "empty"]
    assert sum(totals.values()) == pytest.approx(total(found.representations[0]))
    # The null partition reaches no generator, but for the last channel, where masks blend into the first ones.
    assert totals["empty"] == pytest.approx(total(found.representations[0][-1]))


def test_the_model_stays_as_it_was(make_model, make_scene):
    model, config = make_model([POOL], [GQN])
    frozen = next(model.parameters()).requires_grad_(False)
    state = torch.get_rng_state()
    attributor = Attributor(model, make_scene(config).to("cpu"))
    torch.set_rng_state(state)
    found = attributor.attribute(Patch(0, "beauty", 1, 1))
    again = attributor.attribute(Patch(0, "beauty", 1, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert not frozen.requires_grad
    assert all(weight.requires_grad for weight in model.parameters() if weight is not frozen)
    assert torch.equal(found.queries["position"], again.queries["position"])


def test_progress_grows_to_one_and_can_stop(make_model, make_scene):
    model, config = make_model([POOL], [PIXEL])
    scene = make_scene(config)
    told = []
    Attributor(model, scene, memory=2**18).attribute(whole_image(config, 0, "beauty"), told.append)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)
    assert len(told) > 2

    def stop(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Attributor(model, scene).attribute(Patch(0, "beauty", 0, 0), stop)
    assert model.training


def test_the_jacobian_is_computed_once(make_model, make_scene, monkeypatch):
    model, config = make_model([POOL], [PIXEL])
    attributor = Attributor(model, make_scene(config))
    attributor.attribute(whole_image(config, 0, "beauty"))
    monkeypatch.setattr(SceneModel, "encode", lambda *_: pytest.fail("encoded again"))
    attributor.attribute(Patch(0, "beauty", 2, 2))
    attributor.attribute(whole_representation(config, 0))


def test_several_scenes_are_refused(make_model, make_scene):
    model, config = make_model([POOL], [PIXEL])
    scene = make_scene(config)
    scene = type(scene)(
        observations={name: image.expand(2, -1, -1, -1, -1) for name, image in scene.observations.items()},
        observation_poses=scene.observation_poses.expand(2, -1, -1),
        queries={name: image.expand(2, -1, -1, -1) for name, image in scene.queries.items()},
        query_poses=scene.query_poses.expand(2, -1),
        factor=None,
        name="two",
    )
    with pytest.raises(ValueError, match="one scene, found 2"):
        Attributor(model, scene)


@pytest.mark.parametrize("name", ["pool, pixel generator", "LSTM", "unet", "chain of everything"])
def test_captum_finds_the_same(name, make_model, make_scene):
    captum = pytest.importorskip("captum.attr", reason="captum is not installed: requirements-reference.txt")
    model, config = model_of(name, make_model)
    scene = make_scene(config)
    patch = last_patch(config, left=4, top=2)
    queries, observations = model.generator.dependencies(patch.generator)[1], config.observation_passes
    model.eval()

    def forward(*images):
        torch.manual_seed(0)
        seen = dict(zip(observations, images[len(queries) :], strict=True))
        representations = model.encode(seen, scene.observation_poses)
        given = scene.queries | dict(zip(queries, images[: len(queries)], strict=True))
        made = model.predict_each(given, scene.query_poses, representations)
        return made[patch.generator][patch.name][:, :, patch.top, patch.left]

    method = captum.InputXGradient(forward)
    given = [scene.queries[place] for place in queries] + [scene.observations[place] for place in observations]
    inputs = tuple(value.clone().requires_grad_() for value in given)
    each = [method.attribute(inputs, target=channel) for channel in range(3)]
    means = [torch.stack([one.abs()[0] for one in same]).mean(dim=0) for same in zip(*each, strict=True)]
    found = Attributor(model, scene).attribute(patch)
    values = [*(found.queries[place] for place in queries), *(found.observations[place] for place in observations)]
    for ours, expected in zip(values, means, strict=True):
        assert torch.linalg.vector_norm(ours - expected) <= 1e-5 * torch.linalg.vector_norm(expected)
