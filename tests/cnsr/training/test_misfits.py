"""A checkpoint that says nothing of its settings: which ones differ shows in the shapes of its weights."""

import pytest
import torch
from architectures import ARCHITECTURES, COPY, DIRECT, GQN, GRU, INDIRECT, PIXEL, POOL, SUM, UNET, model_config
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cnsr.errors import CheckpointError
from cnsr.models.model import SceneModel
from cnsr.training.checkpoints import Checkpoint, load_weights
from cnsr.training.misfits import differing_settings, misfits

TOWER, PYRAMID = POOL | {"type": "Tower"}, POOL | {"type": "Pyramid", "render_size": 32}
TWO = [POOL, TOWER | {"representation_dim": 5}]
MORE = ["beauty", "normal", "id", "depth"]
ENCODER, GENERATOR = "model.representations[0]", "model.generators[0]"


def state(folder, encoders, generators, **keys):
    """Weights of a model that take no memory."""
    with torch.device("meta"):
        return SceneModel(model_config(folder, encoders, generators, **keys)).state_dict()


def set_to(generator, **settings):
    """The generator with some settings changed."""
    return generator | {"settings": generator.get("settings", {}) | settings}


# Of encoders: the checkpoint's, the config's, what is said.
ENCODERS = [
    (POOL | {"observation_passes": MORE}, POOL, "observation_passes of 8 channels|of 6 channels"),
    (PYRAMID, PYRAMID | {"observation_passes": MORE}, "observation_passes of 6 channels|of 8 channels"),
    (POOL, POOL | {"representation_dim": 20}, "representation_dim 12|20"),
    (PYRAMID, PYRAMID | {"representation_dim": 9}, "representation_dim 12|9"),
    (PYRAMID | {"render_size": 128}, PYRAMID, "render_size 128|32"),
    (PYRAMID, POOL | {"render_size": 32}, "type Pyramid|Pool"),
    (TOWER, PYRAMID, "type Pool or Tower|Pyramid"),  # which have the same weights
]

# Of generators.
GENERATORS = [
    (set_to(PIXEL, layers=5), PIXEL, "settings.layers 5|2"),
    (set_to(PIXEL, layers=1), PIXEL, "settings.layers 1|2"),
    (set_to(PIXEL, hidden_units=11), PIXEL, "settings.hidden_units 11|10"),
    (set_to(PIXEL, propagate_buffers=False), PIXEL, "settings.propagate_buffers False|True"),
    (PIXEL, set_to(PIXEL, propagate_representation=False), "settings.propagate_representation True|False"),
    (set_to(PIXEL, propagate_viewpoint=False), PIXEL, "settings.propagate_viewpoint False|True"),
    (PIXEL | {"query_passes": []}, PIXEL, "query_passes of 0 channels|of 4 channels"),
    (PIXEL | {"output_passes": ["direct", "ao"]}, PIXEL, "output_passes of 4 channels|of 3 channels"),
    (UNET, PIXEL, "type Unet|PixelCNN"),
    (UNET, UNET | {"query_passes": ["id"]}, "query_passes of 4 channels|of 1 channel"),
    (UNET | {"output_passes": ["direct", "ao"]}, UNET, "output_passes of 4 channels|of 3 channels"),
    (GQN, PIXEL, "type GQN|PixelCNN"),
    (PIXEL, GQN, "type PixelCNN|GQN"),
    (set_to(GQN, core_count=5), GQN, "settings.core_count 5|3"),
    (set_to(GQN, state_dim=9), GQN, "settings.state_dim 9|6"),
    (set_to(GQN, latent_dim=4), GQN, "settings.latent_dim 4|3"),
    (set_to(GQN, downscaling=8), GQN, "settings.downscaling 8|4"),
    (set_to(GQN, weight_sharing=True), GQN, "settings.weight_sharing True|False"),
    (set_to(GQN, upscale_sharing=True), GQN, "settings.upscale_sharing True|False"),
    (set_to(GQN, cell_type="GRU"), GQN, "settings.cell_type GRU|LSTM"),
    (GQN | {"query_passes": []}, GQN, "query_passes of 0 channels|of 4 channels"),
    (GQN, GQN | {"query_passes": []}, "query_passes of 4 channels|of 0 channels"),
    (GQN | {"output_passes": ["direct", "ao"]}, GQN, "output_passes of 4 channels|of 3 channels"),
    (set_to(GRU, state_dim=7), GRU, "settings.state_dim 7|6"),
]


def said(place, text):
    saved, _, wanted = text.partition("|")
    return f"{place}.{saved} (checkpoint) vs {wanted} (config)"


@pytest.mark.parametrize(("saved", "wanted", "text"), ENCODERS)
@pytest.mark.parametrize("generator", [PIXEL, GQN])
def test_the_differing_setting_of_an_encoder_is_named(tmp_path, saved, wanted, text, generator):
    config = model_config(tmp_path, [wanted], [generator])
    assert differing_settings(state(tmp_path, [saved], [generator]), config) == said(ENCODER, text)


@pytest.mark.parametrize(("saved", "wanted", "text"), GENERATORS)
def test_the_differing_setting_of_a_generator_is_named(tmp_path, saved, wanted, text):
    config = model_config(tmp_path, [POOL], [wanted])
    assert differing_settings(state(tmp_path, [POOL], [saved]), config) == said(GENERATOR, text)


@pytest.mark.parametrize("empty", [True, False])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_null_partition_shows_in_every_architecture(tmp_path, name, empty):
    saved = state(tmp_path, *ARCHITECTURES[name], empty_partition=empty)
    config = model_config(tmp_path, *ARCHITECTURES[name], empty_partition=not empty)
    assert differing_settings(saved, config) == f"empty_partition {empty} (checkpoint) vs {not empty} (config)"
    assert misfits(saved, SceneModel(config).state_dict())[0] == (
        f"representation.representations.0.deltas is [{3 + empty}] (checkpoint) vs [{4 - empty}] (config)"
    )


def test_numbers_of_networks_are_named(tmp_path):
    one = model_config(tmp_path, [POOL], [PIXEL])
    assert differing_settings(state(tmp_path, TWO, [PIXEL]), one) == (
        "model.representations has 2 entries (checkpoint) vs 1 (config)"
    )
    assert differing_settings(state(tmp_path, [POOL], [PIXEL, PIXEL]), one) == (
        "model.generators has 2 entries or more (checkpoint) vs 1 (config)"
    )
    three = model_config(tmp_path, [POOL], [DIRECT, INDIRECT, PIXEL])
    assert differing_settings(state(tmp_path, [POOL], [DIRECT, INDIRECT, SUM]), three) == (
        "model.generators[2] has no weights (checkpoint) vs PixelCNN (config)"
    )


def test_what_a_generator_listens_to_is_named(tmp_path):
    generator = set_to(PIXEL, propagate_buffers=False)
    saved = state(tmp_path, TWO, [generator | {"representations": [1, 0]}])
    assert differing_settings(saved, model_config(tmp_path, TWO, [generator])) == (
        f"{GENERATOR}.representations [0, 1] (checkpoint) vs [0] (config)"
    )


def test_a_generator_in_the_place_of_a_copy_or_sum_is_named(tmp_path):
    saved = state(tmp_path, [POOL], [PIXEL, PIXEL])
    first = PIXEL | {"override_train": True, "output_passes": ["direct"]}
    copy, total = (model_config(tmp_path, [POOL], [first, weightless]) for weightless in (COPY, SUM))
    assert differing_settings(saved, copy) == "model.generators[1].type PixelCNN (checkpoint) vs Copy (config)"
    assert differing_settings(saved, total) == (
        "model.generators[1].type PixelCNN (checkpoint) vs Sum (config), "
        "model.generators[1].query_passes of 4 channels (checkpoint) vs of 6 channels (config)"
    )


def test_all_of_several_differing_settings_are_named(tmp_path):
    saved = state(
        tmp_path,
        [PYRAMID | {"representation_dim": 8}, TOWER],
        [set_to(PIXEL, layers=4, hidden_units=7, propagate_viewpoint=False, propagate_buffers=False), GQN],
        empty_partition=True,
    )
    config = model_config(
        tmp_path, [PYRAMID, TOWER], [PIXEL | {"query_passes": ["normal"]}, set_to(GQN, state_dim=4, core_count=1)]
    )
    text = differing_settings(saved, config)
    assert sorted(text.replace(", ", "; ").split("; ")) == [
        "empty_partition True (checkpoint) vs False (config)",
        "model.generators[0].query_passes of 4 channels (checkpoint) vs of 3 channels (config)",
        "model.generators[0].settings.hidden_units 7 (checkpoint) vs 10 (config)",
        "model.generators[0].settings.layers 4 (checkpoint) vs 2 (config)",
        "model.generators[0].settings.propagate_buffers False (checkpoint) vs True (config)",
        "model.generators[0].settings.propagate_viewpoint False (checkpoint) vs True (config)",
        "model.generators[1].settings.core_count 3 (checkpoint) vs 1 (config)",
        "model.generators[1].settings.state_dim 6 (checkpoint) vs 4 (config)",
        "model.representations[0].representation_dim 8 (checkpoint) vs 12 (config)",
    ]


def test_with_another_type_only_common_settings_are_compared(tmp_path):
    saved = state(tmp_path, [PYRAMID | {"observation_passes": MORE, "representation_dim": 7}], [GQN])
    assert differing_settings(saved, model_config(tmp_path, [TOWER], [PIXEL])) == (
        f"{ENCODER}.type Pyramid (checkpoint) vs Tower (config), "
        f"{ENCODER}.representation_dim 7 (checkpoint) vs 12 (config), "
        f"{ENCODER}.observation_passes of 8 channels (checkpoint) vs of 6 channels (config), "
        f"{ENCODER}.render_size 32 (checkpoint) vs 16 (config); "
        f"{GENERATOR}.type GQN (checkpoint) vs PixelCNN (config)"
    )


def test_settings_that_weights_cannot_tell_apart_are_all_named(tmp_path):
    """A first layer with three channels less: of the other encoder, or of the view's normals."""
    encoders = [POOL, POOL | {"representation_dim": 3}]
    generator = set_to(PIXEL, propagate_buffers=False, propagate_representation=False)
    config = model_config(tmp_path, encoders, [generator | {"representations": [0, 1]}])
    assert differing_settings(state(tmp_path, encoders, [generator]), config) == (
        "model.generators[0].representations [0] (checkpoint) vs [0, 1] (config) or "
        "model.generators[0].query_passes of 1 channel (checkpoint) vs of 4 channels (config)"
    )


PASSES = st.lists(st.sampled_from(["beauty", "normal", "id", "depth", "ao"]), min_size=1, max_size=3, unique=True)
SIZES = st.integers(1, 4)
ANY_ENCODER = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["Pool", "Tower", "Pyramid"]),
        "observation_passes": PASSES,
        "representation_dim": st.integers(3, 9),
        "render_size": st.sampled_from([16, 32, 64]),
    }
)
ANY_PIXEL = {"layers": SIZES, "hidden_units": SIZES}
ANY_PIXEL |= {f"propagate_{what}": st.booleans() for what in ("buffers", "representation", "viewpoint")}
ANY_GQN = {"core_count": SIZES, "state_dim": SIZES, "latent_dim": SIZES, "downscaling": st.sampled_from([2, 4])}
ANY_GQN |= {"cell_type": st.sampled_from(["LSTM", "GRU"])}
ANY_GQN |= {f"{what}_sharing": st.booleans() for what in ("weight", "upscale")}
ANY_GENERATOR = st.sampled_from([("PixelCNN", ANY_PIXEL), ("GQN", ANY_GQN), ("Unet", {})]).flatmap(
    lambda kind: st.fixed_dictionaries(
        {
            "type": st.just(kind[0]),
            "query_passes": PASSES,
            "output_passes": st.sampled_from([["beauty"], ["ao"]]),
            "representations": st.sampled_from([[0], [0, 1]]),
            "settings": st.fixed_dictionaries(kind[1]),
        }
    )
)
ANY_MODEL = st.tuples(st.lists(ANY_ENCODER, min_size=2, max_size=2), st.lists(ANY_GENERATOR, min_size=1, max_size=1))


@settings(deadline=None, max_examples=15)
@given(saved=ANY_MODEL, wanted=ANY_MODEL, empty=st.booleans())
def test_any_two_models_differ_in_settings_that_can_be_named(tmp_path_factory, saved, wanted, empty):
    folder = tmp_path_factory.getbasetemp()
    weights = state(folder, *saved, empty_partition=empty)
    text = differing_settings(weights, model_config(folder, *wanted))
    fits = misfits(weights, state(folder, *wanted)) == []
    assert (text is None) == fits
    assert differing_settings(weights, model_config(folder, *saved, empty_partition=empty)) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.pop("representation.representations.0.conv2.weight"),
        lambda state: state.update({"generator.generators.0.extra": torch.ones(1)}),
        lambda state: state.update({"representation.representations.0.conv2.bias": torch.ones(2)}),
        lambda state: state.update({"generator.generators.0.final.bias": torch.ones(())}),
        lambda state: state.update({"generator.generators.0.input.weight": torch.ones(0, 0)}),
    ],
)
def test_damage_is_explained_by_no_setting(tmp_path, change):
    weights = dict(state(tmp_path, [POOL], [PIXEL]))
    change(weights)
    assert differing_settings(weights, model_config(tmp_path, [POOL], [PIXEL])) is None


def test_foreign_weights_are_explained_by_no_setting(tmp_path):
    assert differing_settings(nn.Linear(2, 3).state_dict(), model_config(tmp_path, [POOL], [PIXEL])) is None


def test_the_message_names_the_first_layer_and_the_setting(tmp_path):
    model = SceneModel(model_config(tmp_path, [POOL], [set_to(PIXEL, propagate_buffers=False)]))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    saved = SceneModel(model_config(tmp_path, [POOL], [PIXEL])).state_dict()
    with pytest.raises(CheckpointError) as caught:
        load_weights(model, Checkpoint(1, dict(saved)), "x.pt")
    assert str(caught.value) == (
        "x.pt: does not fit the config: generator.generators.0.layers.0.weight is [10, 42, 1, 1] (checkpoint) vs "
        "[10, 38, 1, 1] (config): model.generators[0].settings.propagate_buffers True (checkpoint) vs False (config)"
    )
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_settings_are_found_without_the_files_that_a_loss_needs(tmp_path, monkeypatch):
    monkeypatch.delenv("CNSR_VGG_WEIGHTS", raising=False)
    config = model_config(tmp_path, [POOL], [set_to(PIXEL, loss=["vgg"], layers=4)])
    assert differing_settings(state(tmp_path, [POOL], [PIXEL]), config) == said(GENERATOR, "settings.layers 2|4")
