"""Chains of generators of every kind, and several encoders of different kinds and sizes."""

import pytest
import torch

from cnsr.models import registry
from cnsr.models.model import SceneModel
from cnsr.models.unet import Unet

ENCODERS = {
    "vector and map": [{"representation_dim": 6}, {"type": "Tower", "representation_dim": 5, "render_size": 16}],
    "maps of two sizes": [
        {"type": "Tower", "representation_dim": 5, "render_size": 16},
        {"type": "Tower", "representation_dim": 7, "render_size": 12, "observation_passes": ["depth"]},
    ],
    "all kinds": [
        {"type": "Pyramid", "representation_dim": 6, "render_size": 32},
        {"type": "Tower", "representation_dim": 8, "render_size": 16, "aggregation_func": "max"},
        {"representation_dim": 7, "render_size": 12, "observation_passes": ["normal", "roughness", "mirror"]},
    ],
}
MODES = [
    {},
    {"latent_separation": True, "empty_partition": True, "partition_loss": 0.3},
    {"latent_separation": True, "adaptive_separation": False},
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kinds", ENCODERS)
def test_encoders_of_different_kinds_and_sizes_agree_with_the_plain_formulas(
    kinds, mode, make_config, make_batch, agrees
):
    count = len(ENCODERS[kinds])
    generators = [
        {"representations": list(range(count))[::-1], "render_size": 16},
        {"representations": [1], "render_size": 8, "output_passes": ["direct"]},
    ]
    config = make_config(encoders=ENCODERS[kinds], generators=generators, **mode)
    agrees(config, make_batch(config, size=32))


class NarrowUnet(Unet):
    """A U-Net with few channels: that of the configs has 80 million weights."""

    def __init__(self, config, place):
        super().__init__(config, place, (6, 5, 4, 4, 4, 4, 4))


@pytest.fixture(autouse=True)
def _narrow(monkeypatch):
    monkeypatch.setitem(registry.GENERATORS, "Unet", NarrowUnet)


UNET = {"type": "Unet", "settings": {"loss": ["logl1", "ssim"], "end_relu": False}, "render_size": 64}
GQN = {"type": "GQN", "settings": {"state_dim": 5, "latent_dim": 2, "core_count": 2, "downscaling": 2}}
FIRST = {
    "PixelCNN": [{"output_passes": ["direct"]}],
    "GQN": [{"output_passes": ["direct"], **GQN}],
    "Sum": [
        {"output_passes": ["diffuse"], "override_train": True, "override_sample": True},
        {"type": "Sum", "query_passes": ["diffuse", "specular"], "output_passes": ["direct"], "settings": {}},
    ],
    "Copy": [
        {"output_passes": ["specular"]},
        {"type": "Copy", "query_passes": ["normal", "shadows"], "output_passes": ["direct"], "settings": {"index": 0}},
    ],
    "Unet": [{"output_passes": ["direct"], **UNET}],
    "Copy of Unet": [
        {"output_passes": ["specular"], **UNET},
        {
            "type": "Copy",
            "query_passes": ["normal", "shadows"],
            "output_passes": ["direct"],
            "settings": {"index": 0},
            "render_size": 64,
        },
    ],
    "Copy of GQN": [
        {"output_passes": ["specular"], **GQN},
        {"type": "Copy", "query_passes": ["normal", "shadows"], "output_passes": ["direct"], "settings": {"index": 0}},
    ],
}
"""Generators of which the last one makes `direct`."""


def chain(kind, encoders=(0,), **changes):
    """Return generators: those of `FIRST`, the last one changed, one that reads `direct`, and one that adds it."""
    *others, last = FIRST[kind]
    reader = {"query_passes": ["direct", "id"], "output_passes": ["indirect"], "override_train": True}
    total = {"type": "Sum", "query_passes": ["indirect", "direct"], "output_passes": ["beauty"], "settings": {}}
    generators = [*others, last | changes, reader, total | {"override_train": True}]
    generators.append({"query_passes": ["beauty"], "output_passes": ["ao"]})  # a loss that is felt through the sum
    return [generator | {"representations": list(encoders)} for generator in generators]


def drawn(generators):
    """Return a place for every number that latent variables of a training step are drawn with."""
    latent = [index for index, generator in enumerate(generators) if generator.get("type") == "GQN"]
    latent += [index for index, generator in enumerate(generators) if generator.get("type") == "Copy" and latent]
    return [torch.empty(3, 2, 4, 4) for _ in latent for _ in range(2)]


CHANGES = [
    {},
    {"override_train": True},
    {"override_train": True, "detach": True},
    {"override_train": True, "discard_loss": True},
    {"discard_loss": True},
]


@pytest.mark.parametrize("changes", CHANGES, ids=lambda changes: ", ".join(changes) or "plain")
@pytest.mark.parametrize("kind", FIRST)
def test_chains_agree_with_the_plain_formulas(kind, changes, make_config, make_batch, agrees):
    generators = chain(kind, **changes)
    config = make_config(generators=generators)
    agrees(config, make_batch(config), drawn(generators))


@pytest.mark.parametrize("kind", FIRST)
def test_chains_with_representation_maps_agree_with_the_plain_formulas(kind, make_config, make_batch, agrees):
    generators = chain(kind, encoders=[0, 1], override_train=True)
    config = make_config(encoders=[{}, {"type": "Tower", "representation_dim": 6}], generators=generators)
    agrees(config, make_batch(config), drawn(generators))


@pytest.mark.parametrize("kind", FIRST)
def test_later_generators_sample_from_what_overrides_a_buffer(kind, make_config, make_batch):
    plain = make_config(generators=chain(kind))
    model, batch = SceneModel(plain), make_batch(plain)
    overriding = SceneModel(make_config(generators=chain(kind, override_sample=True)))
    overriding.load_state_dict(model.state_dict())
    vectors = model.encode(batch.observations, batch.observation_poses)
    at, given = len(FIRST[kind]) - 1, dict(batch.queries)

    def sampled(network, queries):
        torch.manual_seed(3)  # of latent variables
        return network.predict_each(queries, batch.query_poses, vectors)

    images = sampled(overriding, given)
    assert torch.equal(images[at]["direct"], sampled(model, given)[at]["direct"])
    replaced = given | {"direct": images[at]["direct"]}
    assert torch.equal(images[at + 1]["indirect"], sampled(model, replaced)[at + 1]["indirect"])
    assert not torch.allclose(images[at + 1]["indirect"], sampled(model, given)[at + 1]["indirect"])
    # targets are not looked at, and neither is what is overridden
    hidden = given | {name: torch.full_like(given[name], torch.nan) for name in ("direct", "ao", "indirect")}
    assert torch.equal(sampled(overriding, hidden)[at + 1]["indirect"], images[at + 1]["indirect"])


@pytest.mark.parametrize("kind", FIRST)
def test_discarded_losses_of_every_kind_are_logged_and_not_minimized(kind, make_config, make_batch):
    at = len(FIRST[kind]) - 1
    config = make_config(generators=chain(kind, discard_loss=True))
    model, batch = SceneModel(config), make_batch(config)
    torch.manual_seed(3)
    output = model(batch, 0)
    own = {name for name in output.terms if name.startswith(f"generator{at}_")}
    expected = {
        "PixelCNN": {"logl1", "logssim"},
        "GQN": {"kl", "ll", "ll_excess", "mse", "elbo"},
        "Sum": set(),
        "Copy": {"logl1", "logssim"},
        "Unet": {"logl1", "ssim"},
        "Copy of Unet": {"logl1", "ssim"},
        "Copy of GQN": {"kl", "ll", "ll_excess", "mse", "elbo"},
    }
    assert own == {f"generator{at}_{name}" for name in expected[kind]}
    everything = SceneModel(make_config(generators=chain(kind)))
    everything.load_state_dict(model.state_dict())
    torch.manual_seed(3)
    whole = everything(batch, 0)
    assert whole.terms == output.terms
    notes = ("ll_excess", "mse", "elbo")
    minimized = sum(output.terms[name] for name in own if not name.endswith(notes))
    torch.testing.assert_close(whole.loss - output.loss, torch.as_tensor(minimized, dtype=torch.float32))


@pytest.mark.parametrize("frozen", range(3))
def test_frozen_encoders_of_every_kind_stay_as_they_are(frozen, make_config, make_batch):
    encoders = [dict(encoder, detach=index == frozen) for index, encoder in enumerate(ENCODERS["all kinds"])]
    config = make_config(encoders=encoders, generator={"representations": [0, 1, 2]}, latent_separation=True)
    model, batch = SceneModel(config), make_batch(config, size=32)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    model(batch, 0).loss.backward()
    optimizer.step()
    for name, value in model.named_parameters():
        kept = name.startswith(f"representation.representations.{frozen}.")
        assert (value.grad is None) == kept, name
        assert torch.equal(value, before[name]) == kept, name


@pytest.mark.parametrize("kind", FIRST)
def test_one_scene_and_autocast_and_repetition(kind, make_config, make_batch, deviation):
    config = make_config(
        encoders=[{}, {"type": "Tower", "representation_dim": 6}],
        generators=chain(kind, encoders=[1, 0], override_train=True),
    )
    model, batch = SceneModel(config), make_batch(config, scenes=1, views=1)

    def step():
        torch.manual_seed(8)
        output = model(batch, 0)
        model.zero_grad()
        output.loss.backward()
        gradients = {name: value.grad for name, value in model.named_parameters() if value.grad is not None}
        return output, gradients

    (first, first_gradients), (second, second_gradients) = step(), step()
    assert torch.equal(first.loss, second.loss)
    assert all(torch.equal(value, second_gradients[name]) for name, value in first_gradients.items())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded, _ = step()
    assert rounded.loss.dtype == torch.float32
    assert rounded.loss.item() == pytest.approx(first.loss.item(), rel=5e-2)
    assert all(image.dtype == torch.float32 for images in rounded.images for image in images.values())


def test_dependencies_are_what_an_image_needs(make_config):
    handed_on = {"override_sample": True}
    generators = [
        {"output_passes": ["direct"], "query_passes": ["normal", "beauty"], **handed_on},
        {"output_passes": ["indirect"], "query_passes": ["depth"], **handed_on},
        {"output_passes": ["diffuse"], "query_passes": ["position"]},
        {"type": "Sum", "query_passes": ["direct", "diffuse"], "output_passes": ["beauty"], "settings": {}},
        {"output_passes": ["beauty"], "query_passes": ["direct", "indirect", "ao"]},
    ]
    chain = SceneModel(make_config(generators=generators)).generator
    assert chain.dependencies(0) == ((0,), ("beauty", "normal"))
    assert chain.dependencies(3) == ((0, 3), ("beauty", "normal", "diffuse"))
    assert chain.dependencies(4) == ((0, 1, 4), ("beauty", "normal", "depth", "ao"))


def test_only_chosen_generators_run(make_config, make_batch):
    config = make_config(
        generators=[{"output_passes": ["direct"], "override_sample": True}, {}, {"query_passes": ["direct"]}]
    )
    model, batch = SceneModel(config).eval(), make_batch(config)
    given = (batch.queries, batch.query_poses, model.encode(batch.observations, batch.observation_poses))
    whole, part = model.generator.sample(*given), model.generator.sample(*given, only=(0, 2))
    assert part[1] == {}
    assert torch.equal(part[0]["direct"], whole[0]["direct"])
    assert torch.equal(part[2]["beauty"], whole[2]["beauty"])


@pytest.mark.parametrize("kind", ["PixelCNN", "Sum", "Copy of PixelCNN"])
def test_pixels_of_pointwise_generators_are_images_of_their_own(kind, make_config, make_batch):
    generators = FIRST[kind.removeprefix("Copy of ")]
    if kind.startswith("Copy"):
        generators = [*generators, {"type": "Copy", "settings": {"index": 0}}]
    config = make_config(generators=generators)
    model, batch = SceneModel(config).eval(), make_batch(config, scenes=1)
    assert all(generator.pointwise for generator in model.generator.generators)
    (representation,) = model.encode(batch.observations, batch.observation_poses)
    whole = model.generator.sample(batch.queries, batch.query_poses, [representation])
    pixels = {name: image[0].flatten(1).t()[:, :, None, None] for name, image in batch.queries.items()}
    single = model.generator.sample(
        pixels, batch.query_poses.expand(64, -1), [representation.expand(64, -1, -1, -1)], size=1
    )
    for images, others in zip(whole, single, strict=True):
        for name, image in images.items():
            assert torch.allclose(others[name][:, :, 0, 0].t(), image[0].flatten(1), atol=1e-5)


@pytest.mark.parametrize("kind", ["GQN", "Unet"])
def test_pixels_of_others_see_their_neighbors(kind, make_config):
    chain = SceneModel(
        make_config(generators=[*FIRST[kind], {"type": "Copy", "settings": {"index": 0}, "render_size": 64}])
    )
    assert not any(generator.pointwise for generator in chain.generator.generators)


def test_copies_of_a_scene_get_the_same_latent_variables(make_config, make_batch):
    config = make_config(generators=FIRST["GQN"])
    model, batch = SceneModel(config).eval(), make_batch(config, scenes=1)
    (representation,) = model.encode(batch.observations, batch.observation_poses)

    def sample(count, copies):
        torch.manual_seed(5)
        queries = {name: image.expand(count, -1, -1, -1) for name, image in batch.queries.items()}
        given = (queries, batch.query_poses.expand(count, -1), [representation.expand(count, -1, -1, -1)])
        return model.generator.sample(*given, copies=copies)[0]["direct"]

    single, alike, different = sample(1, False), sample(3, True), sample(3, False)
    assert torch.allclose(alike, single.expand(3, -1, -1, -1), rtol=1e-5, atol=1e-6)
    assert not torch.allclose(different[1], different[0], rtol=1e-3)
