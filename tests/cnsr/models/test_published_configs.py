"""All configs of the project make models of the right size that train and sample."""

import json

import pytest
import torch

from cnsr.buffers import BUFFERS
from cnsr.config import CONFIG_FOLDER, load_config, parse_config
from cnsr.memory import keep_freed_memory
from cnsr.models.model import SceneModel

POOL, POOL_NULL = 2_000_643, 2_000_644
PIXELS, UNET, GQN = 4_199_939, 80_596_099, 147_735_199
# save_* observe 38 channels instead of 10: a 2x2 kernel more for each and 256 outputs. They give the generator 35
# instead of 7, in each of its 11 layers before the last; archviz_* give it 20.
POOL_ALL, PIXELS_ALL, PIXELS_ARCHVIZ = POOL + 28 * 4 * 256, PIXELS + 28 * 11 * 512, PIXELS + 13 * 11 * 512
UNET_ARCHVIZ = UNET + 13 * 9 * 128  # in the first of its layers
GQN_ARCHVIZ = GQN + 13 * 12 * 4 * 25 * 128 + (20 * 20 - 7 * 7) * 16  # gates of the generator cells, and downsample

SIZES = {
    "room_beauty": ([POOL], [PIXELS]),
    "room_beauty_unet": ([POOL], [UNET]),
    "room_beauty_gqn_buffers": ([POOL], [GQN]),
    "archviz_beauty": ([POOL], [PIXELS_ARCHVIZ]),
    "archviz_beauty_unet": ([POOL], [UNET_ARCHVIZ]),
    "archviz_beauty_gqn_buffers": ([POOL], [GQN_ARCHVIZ]),
    "save_room": ([POOL_ALL], [PIXELS_ALL]),
    "save_archviz": ([POOL_ALL], [PIXELS_ALL]),
    "room_direct_indirect": ([POOL], [PIXELS, 0]),
    "room_null_partition": ([POOL_NULL], [PIXELS]),
    "room_static_partition": ([POOL], [PIXELS]),
    "room_no_partition": ([POOL], [PIXELS]),
    "room_quickstart": ([137_667], [122_243]),
    "archviz_quickstart": ([137_667], [122_243]),
}
"""Numbers of parameters of encoders and generators. Spec: ``networks.md``, "Facts for tests"."""


def test_every_config_of_the_project_is_listed_here():
    assert {file.stem for file in CONFIG_FOLDER.glob("*.json")} == set(SIZES)


@pytest.mark.parametrize("name", SIZES)
def test_configs_make_models_of_the_right_size(name):
    with torch.device("meta"):
        model = SceneModel(load_config(f"{name}.json"))

    def count(parts):
        return [sum(value.numel() for value in part.parameters()) for part in parts]

    assert (count(model.representation.representations), count(model.generator.generators)) == SIZES[name]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("room_beauty", {}),
        ("room_null_partition", {"empty_partition": True}),
        ("room_static_partition", {"adaptive_separation": False}),
        ("room_no_partition", {"latent_separation": False}),
    ],
)
def test_configs_of_partitions_differ_from_the_published_one_in_that_alone(name, expected):
    config, published = (load_config(f"{file}.json").model_dump(exclude={"job_name"}) for file in (name, "room_beauty"))
    assert config == published | expected


def test_the_config_of_indirect_light_adds_rendered_direct_light(make_batch):
    """In training as in testing; only indirect light has a loss."""
    settings = json.loads((CONFIG_FOLDER / "room_direct_indirect.json").read_text())
    for part in (*settings["model"]["representations"], *settings["model"]["generators"]):
        part["render_size"] = 8
    config = parse_config(settings)
    model, batch = SceneModel(config), make_batch(config)
    with torch.no_grad():
        output = model(batch, 0)
        vectors = model.encode(batch.observations, batch.observation_poses)
        sampled = model.predict_each(batch.queries, batch.query_poses, vectors)
    for inferred, beauty in (output.images, sampled):
        torch.testing.assert_close(beauty["beauty"], batch.queries["direct"] + inferred["indirect"])
    assert {name for name in output.terms if name.startswith("generator")} == {"generator0_logl1", "generator0_logssim"}


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_configs_train_and_sample_at_their_real_size(name, make_batch):
    keep_freed_memory()
    config = load_config(f"{name}.json")
    torch.manual_seed(0)
    model = SceneModel(config)
    scenes, views = config.batch_size, config.views_per_scene - 1
    batch = make_batch(config, scenes=scenes, views=views, size=config.render_size)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)
    output = model(batch, 0)
    output.loss.backward()
    assert output.loss.isfinite()
    untouched = [name for name, value in model.named_parameters() if value.grad is None]
    learned = config.empty_partition or (config.latent_separation and config.adaptive_separation)
    assert untouched == ([] if learned else ["representation.representations.0.deltas"])
    assert all(value.grad.isfinite().all() for value in model.parameters() if value.grad is not None)
    before = torch.stack([value.detach().double().sum() for value in model.parameters()])
    optimizer.step()
    after = torch.stack([value.detach().double().sum() for value in model.parameters()])
    assert (before != after).float().mean() > 0.9

    with torch.inference_mode():
        vectors = model.encode(batch.observations, batch.observation_poses, 1)
        sampled = model.predict_each(batch.queries, batch.query_poses, vectors)
    size = config.render_size
    for generator, trained, images in zip(config.model.generators, output.images, sampled, strict=True):
        shapes = {name: (scenes, BUFFERS[name].channels, size, size) for name in generator.output_passes}
        assert {name: tuple(image.shape) for name, image in images.items()} == shapes
        assert {name: tuple(image.shape) for name, image in trained.items()} == shapes
        assert all(image.isfinite().all() for image in images.values())
