"""Configs: defaults, paths, every fault at once."""

import copy
import json
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnsr.config import CONFIG_FOLDER, Config, PixelCNNConfig, load_config, parse_config
from cnsr.errors import ConfigError

PUBLISHED = (
    "room_beauty",
    "room_beauty_unet",
    "room_beauty_gqn_buffers",
    "archviz_beauty",
    "archviz_beauty_unet",
    "archviz_beauty_gqn_buffers",
    "save_room",
    "save_archviz",
)

MINIMAL = {"model": {"representations": [{"type": "Pool"}], "generators": [{"type": "PixelCNN"}]}}


def changed(path, value):
    """Return MINIMAL with `value` at `path` (keys and indices)."""
    data = copy.deepcopy(MINIMAL)
    target = data
    for key in path[:-1]:
        target = target.setdefault(key, {}) if isinstance(target, dict) else target[key]
    target[path[-1]] = value
    return data


def message_of(data):
    with pytest.raises(ConfigError) as caught:
        parse_config(data, "run.json")
    return str(caught.value)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_configs_load_by_bare_name(name):
    config = load_config(f"{name}.json")
    assert config.job_name == name
    assert config.train_data_dir == CONFIG_FOLDER.parent / "datasets" / config.dataset / "train"


def test_defaults_are_those_of_the_specification():
    config = parse_config(MINIMAL, "some/run.json")
    assert (config.seed, config.batch_size, config.test_batch_size, config.views_per_scene) == (-1, 36, 16, 5)
    assert (config.learning_rate, config.precision, config.workers, config.ema) == (1e-4, "fp32", 2, 0.0)
    assert config.job_name == "run"
    encoder, generator = config.model.representations[0], config.model.generators[0]
    assert (encoder.representation_dim, encoder.sharpening, encoder.final_sharpening) == (256, 500_000, 100_000)
    assert isinstance(generator, PixelCNNConfig)
    assert (generator.settings.layers, generator.settings.hidden_units) == (8, 512)
    assert generator.settings.loss == ("logl1", "logssim")


def test_types_have_the_published_defaults():
    config = parse_config({"model": {"representations": [{}], "generators": [{}]}})
    assert config.model.representations[0].type == "Tower"
    assert config.model.generators[0].type == "GQN"


def test_data_folders_count_from_the_folder_of_the_config(tmp_path):
    file = tmp_path / "configs" / "mine.json"
    file.parent.mkdir()
    file.write_text(json.dumps({**MINIMAL, "train_data_dir": "../data/a"}))
    config = load_config(file)
    assert config.train_data_dir == tmp_path / "data" / "a"
    assert config.test_data_dir == tmp_path / "datasets" / "room" / "test"


def test_aggregation_is_read_in_any_case():
    config = parse_config(changed(("model", "representations", 0, "aggregation_func"), "Max"))
    assert config.model.representations[0].aggregation_func == "max"


def test_passes_are_united_in_table_order():
    data = copy.deepcopy(MINIMAL)
    data["model"]["representations"][0]["observation_passes"] = ["normal", "beauty"]
    data["model"]["generators"][0].update(query_passes=["depth", "position"], output_passes=["direct"], render_size=32)
    config = parse_config(data)
    assert config.observation_passes == ("beauty", "normal")
    assert config.query_passes == ("beauty", "position", "depth", "direct")
    assert config.passes == ("beauty", "position", "normal", "depth", "direct")
    assert config.render_size == 64


def test_keys_of_published_configs_that_follow_from_the_passes_give_one_warning():
    data = changed(("model", "generators", 0, "query_dim"), 7)
    data["observation_dim"] = 10
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        parse_config(data, "old.json")
    assert [str(warning.message) for warning in caught] == [
        "old.json: ignored, since it follows from the passes: observation_dim, model.generators[0].query_dim"
    ]


def test_unknown_key_gets_a_suggestion():
    assert (
        message_of({**MINIMAL, "batchsize": 3})
        == 'run.json: batchsize: unknown key "batchsize"; did you mean "batch_size"?'
    )
    message = message_of(changed(("model", "generators", 0, "settings"), {"layrs": 3}))
    assert message == 'run.json: model.generators[0].settings.layrs: unknown key "layrs"; did you mean "layers"?'


def test_two_wrong_values_are_reported_at_once():
    data = changed(("model", "representations", 0, "render_size"), 0)
    data["batch_size"] = "many"
    assert message_of(data) == (
        'run.json: batch_size: expected a valid integer, found "many"; '
        "model.representations[0].render_size: expected greater than or equal to 1, found 0"
    )


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("model", "output_pass"), "beuty", 'model.output_pass: unknown pass "beuty"; did you mean "beauty"?'),
        (
            ("model", "representations", 0, "observation_passes"),
            ["normal", "beuty"],
            'run.json: model.representations[0].observation_passes[1]: unknown pass "beuty"; did you mean "beauty"?',
        ),
        (
            ("model", "generators", 0, "representations"),
            [1],
            "model.generators[0].representations: there are 1, numbered from 0, found 1",
        ),
        (
            ("model", "generators", 0, "type"),
            "Unt",
            'model.generators[0].type: unknown type "Unt"; did you mean "Unet"?',
        ),
        (
            ("model", "representations", 0, "type"),
            "Pol",
            "model.representations[0].type: expected 'Pool', 'Pyramid' or 'Tower', found \"Pol\"",
        ),
        (("model", "representations", 0, "render_size"), 63, "expected a multiple of 4 for Pool, found 63"),
        (
            ("model", "generators", 0),
            {"type": "Unet", "render_size": 96},
            "model.generators[0].render_size: expected a multiple of 64 for Unet, found 96",
        ),
        (
            ("model", "generators", 0),
            {"type": "Unet", "settings": {"loss": ["l1", "bce"]}},
            "model.generators[0].settings.loss[1]: expected 'logl1', 'l1', 'logl2', 'logssim', 'ssim' or 'nll', found "
            '"bce"',
        ),
        (
            ("model", "generators", 0),
            {"type": "GQN", "render_size": 63},
            "model.generators[0].settings.downscaling: expected a divisor of 63, found 4",
        ),
        (
            ("model", "generators", 0),
            {"type": "Sum", "query_passes": ["depth", "direct"]},
            "model.generators[0].query_passes: expected passes with the same number of channels for Sum",
        ),
        (
            ("model", "generators", 0),
            {"type": "Copy"},
            "model.generators[0].settings.index: expected an earlier generator that is no Copy, found 0",
        ),
        (
            ("model", "representations", 0),
            {"type": "Pyramid", "render_size": 48},
            "model.representations[0].render_size: expected a power of two from 16 on for Pyramid, found 48",
        ),
        (
            ("model", "representations", 0),
            {"type": "Pyramid", "render_size": 8},
            "model.representations[0].render_size: expected a power of two from 16 on for Pyramid, found 8",
        ),
        (
            ("model", "representations", 0),
            {"representation_dim": 1},
            "model.representations[0].representation_dim: expected 2 channels or more for Tower, found 1",
        ),
        (
            ("model", "generators", 0, "output_passes"),
            ["beauty", "normal"],
            "model.generators[0].output_passes: log(1 + y) needs values >= 0, and those of 'normal' are not",
        ),
        (
            ("model", "generators", 0),
            {"type": "GQN", "output_passes": ["position"]},
            "model.generators[0].output_passes: log(1 + y) needs values >= 0, and those of 'position' are not",
        ),
        (
            ("model", "generators", 0, "discard_loss"),
            True,
            "model.generators: none of them has a loss to minimize, so nothing could be learned",
        ),
        (
            ("model", "generators", 0),
            {"type": "Sum", "query_passes": ["direct", "indirect"]},
            "model.generators: none of them has a loss to minimize, so nothing could be learned",
        ),
        (("seed",), True, "seed: expected a valid integer, found true"),
        (("views_per_scene",), 1, "views_per_scene: expected greater than or equal to 2, found 1"),
        (("model", "generators"), [], "model.generators: expected at least 1 item, not 0"),
        (("job_name",), "../x", 'job_name: expected a name that files can have, without slashes, found "../x"'),
        (("job_name",), "..", 'job_name: expected a name that files can have, without slashes, found ".."'),
        (("job_name",), "a\nb", "job_name: expected a name that files can have"),
    ],
)
def test_impossible_values_are_named_with_their_path(path, value, expected):
    assert expected in message_of(changed(path, value))


def with_copy(original, copied, encoders=({}, {"representation_dim": 5})):
    """Return a config of a generator and a Copy of it."""
    generators = [{"type": "PixelCNN", **original}, {"type": "Copy", **copied}]
    return {"model": {"representations": list(encoders), "generators": generators}}


@pytest.mark.parametrize(
    ("original", "copied", "expected"),
    [
        (
            {"query_passes": ["position", "id"]},
            {"query_passes": ["normal"]},
            "generators[1].query_passes: expected 4 channels, like generators[0] that it copies, found 3",
        ),
        (
            {},
            {"query_passes": ["depth"]},
            "generators[1].query_passes: expected 0 channels, like generators[0] that it copies, found 1",
        ),
        (
            {},
            {"output_passes": ["depth"]},
            "generators[1].output_passes: expected 3 channels, like generators[0] that it copies, found 1",
        ),
        (
            {"representations": [1, 0]},
            {"representations": [1]},
            "generators[1].representations: expected 261 channels, like generators[0] that it copies, found 5",
        ),
        (
            {},
            {"settings": {"layers": 3}},
            'generators[1].settings.layers: unknown key "layers"; expected one of "index"',
        ),
        (
            {"type": "Unet"},
            {"render_size": 96},
            "generators[1].render_size: expected a multiple of 64 for Unet, found 96",
        ),
        (
            {"type": "GQN", "settings": {"downscaling": 8}},
            {"render_size": 36},
            "generators[1].render_size: expected a multiple of 8, the downscaling of what it copies, found 36",
        ),
        (
            {},
            {"output_passes": ["normal"]},
            "generators[1].output_passes: log(1 + y) needs values >= 0, and those of 'normal' are not",
        ),
        (
            {"type": "Sum", "query_passes": ["direct", "indirect"]},
            {"query_passes": ["direct", "depth", "id", "ao"]},
            "generators[1].query_passes: expected passes with the same number of channels for Sum",
        ),
        (
            {"type": "Sum", "query_passes": ["direct", "indirect"]},
            {"query_passes": ["diffuse", "specular"]},
            "model.generators: none of them has a loss to minimize, so nothing could be learned",
        ),
        (
            {},
            {"settings": {"index": 1}},
            "generators[1].settings.index: expected an earlier generator that is no Copy, found 1",
        ),
        (
            {},
            {"settings": {"index": -1}},
            "generators[1].settings.index: expected greater than or equal to 0, found -1",
        ),
    ],
)
def test_a_copy_must_fit_what_it_copies(original, copied, expected):
    assert expected in message_of(with_copy(original, copied))


def test_copies_are_not_copied():
    data = with_copy({}, {})
    data["model"]["generators"].append({"type": "Copy", "settings": {"index": 1}})
    expected = "generators[2].settings.index: expected an earlier generator that is no Copy, found 1"
    assert expected in message_of(data)


@pytest.mark.parametrize(
    ("original", "copied"),
    [
        (
            {"query_passes": ["position", "id"], "representations": [0, 1]},
            {"query_passes": ["depth", "albedo"], "representations": [1, 0], "output_passes": ["direct"]},
        ),
        ({"type": "Unet", "discard_loss": True}, {"render_size": 128}),
        ({"settings": {"loss": ["l1"]}}, {"output_passes": ["normal"]}),
    ],
)
def test_a_copy_may_have_passes_and_sizes_of_its_own(original, copied):
    parse_config(with_copy(original, copied))


@pytest.mark.parametrize(
    ("kind", "losses"),
    [
        ("PixelCNN", ["logl1", "l1", "logl2", "logssim", "ssim", "nll", "bce", "vgg"]),
        ("Unet", ["logl1", "l1", "logl2", "logssim", "ssim", "nll"]),
    ],
)
def test_generators_know_the_losses_of_the_specification(kind, losses):
    config = parse_config(changed(("model", "generators", 0), {"type": kind, "settings": {"loss": losses}}))
    assert list(config.model.generators[0].settings.loss) == losses


@pytest.mark.parametrize("size", [16, 32, 64, 256])
def test_pyramid_takes_powers_of_two(size):
    encoder = {"type": "Pyramid", "render_size": size, "representation_dim": 1}
    assert parse_config(changed(("model", "representations", 0), encoder)).model.representations[0].render_size == size


def test_a_list_is_not_called_too_short_for_a_faulty_item():
    message = message_of(changed(("model", "representations", 0, "observation_passes"), ["beuty"]))
    assert message.count(";") == 1


def test_a_partition_needs_three_channels():
    data = changed(("model", "representations", 0, "representation_dim"), 2)
    assert parse_config(data).model.representations[0].representation_dim == 2
    message = message_of({**data, "latent_separation": True})
    assert "expected 3 channels or more for partitions, found 2" in message


def test_faults_in_a_file_have_lines(tmp_path):
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps({**MINIMAL, "batch_size": 0}, indent=1))
    line = next(i for i, text in enumerate(file.read_text().splitlines(), 1) if "batch_size" in text)
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert str(caught.value) == f"{file}: batch_size (line {line}): expected greater than or equal to 1, found 0"


def test_model_is_required():
    assert message_of({}) == "run.json: model: missing"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"seed": 1,\n "seed" 2}', ":2:9: not valid JSON: expecting ':' delimiter"),
        ('{"seed": NaN}', ":1:10: not valid JSON: NaN is no number"),
        ("[]", "a config is a JSON object, not list"),
        ("", ":1:1: not valid JSON: expecting value"),
        ('{"seed": 1, "seed": 2}', "seed (line 1): the key stands twice"),
    ],
)
def test_broken_text_is_placed(tmp_path, text, expected):
    file = tmp_path / "broken.json"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert expected in str(caught.value)
    assert str(file) in str(caught.value)


def test_missing_config_lists_those_that_are_there(tmp_path):
    with pytest.raises(ConfigError, match=r"no such config; give a path, or one of archviz_beauty\.json"):
        load_config("nowhere.json")
    with pytest.raises(ConfigError, match="is a folder; name a JSON config file in it"):
        load_config(tmp_path)


def test_digest_ignores_where_the_data_lie_and_nothing_else(tmp_path):
    here, there = parse_config(MINIMAL, "run.json"), parse_config(MINIMAL, "run.json", tmp_path)
    assert here.train_data_dir != there.train_data_dir
    assert here.digest() == there.digest()
    assert here.digest() != parse_config({**MINIMAL, "learning_rate": 2e-4}, "run.json").digest()


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PATHS = st.sampled_from(
    [
        *[(key,) for key in Config.model_fields],
        *[("model", key) for key in ("pose_dim", "output_pass", "representations", "generators")],
        *[("model", "representations", 0, key) for key in ("type", "render_size", "aggregation_func")],
        *[
            ("model", "generators", 0, key)
            for key in ("type", "query_passes", "output_passes", "representations", "render_size", "settings")
        ],
    ]
)


@given(path=PATHS, value=JSON_VALUES)
def test_any_value_anywhere_is_taken_or_refused_with_its_place(path, value):
    try:
        parse_config(changed(path, value), "run.json")
    except ConfigError as error:
        assert str(error).startswith("run.json: ")
        assert path[-1] in str(error) or "model" in str(error)
