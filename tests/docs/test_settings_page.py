"""The page about settings names every key with its default."""

import json
import re
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined, to_jsonable_python

from cnsr import config
from cnsr.rendering import MAX_SAMPLES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
SECTIONS = {
    "`model`": config.ModelConfig,
    "`model.representations[]`": config.RepresentationConfig,
    "`model.generators[]`": config.GQNConfig,
    "`settings` of PixelCNN": config.PixelCNNSettings,
    "`settings` of Unet": config.UnetSettings,
    "`settings` of GQN": config.GQNSettings,
    "`settings` of Copy": config.CopySettings,
}
IN_WORDS = {"job_name", "train_data_dir", "test_data_dir", "representations", "generators", "settings", "model"}


def rows(text):
    """Return {key: default} of the tables in a part of the page."""
    return dict(re.findall(r"^\| `(\w+)`(?: \+)? \| (.+?) \|", text, re.MULTILINE))


def defaults(model):
    return {name: field.default for name, field in model.model_fields.items()}


def check(listed, model):
    assert listed.keys() == defaults(model).keys() - {"model"}
    for key, default in defaults(model).items():
        if default is PydanticUndefined or isinstance(default, config._Settings):
            assert key in IN_WORDS
        else:
            assert listed[key] == f"`{json.dumps(to_jsonable_python(default))}`", key


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_of_a_part_is_listed_with_its_default(section):
    (text,) = re.findall(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    check(rows(text), SECTIONS[section])


def test_every_key_of_the_run_is_listed_with_its_default():
    top, _, _ = PAGE.partition("## `model`")
    check(rows(top), config.Config)


def test_every_config_of_the_project_is_named():
    names = {file.name for file in config.CONFIG_FOLDER.glob("*.json")}
    assert set(re.findall(r"`(\w+\.json)`", PAGE)) == names


def test_the_limit_of_samples_is_that_of_the_renderer():
    script = (Path(config.__file__).parents[1] / "generate-dataset.py").read_text(encoding="utf-8")
    assert f"| `--max_samples` | {MAX_SAMPLES}," in PAGE
    assert f"(default: {MAX_SAMPLES})" in script


@pytest.mark.parametrize(
    "name", ["generate-dataset.py", "render-scene.py", "visualize-gqn.py", "visualize-attributions.py"]
)
def test_every_option_of_a_script_is_listed(name, options_of):
    (text,) = re.findall(rf"^## Options of `{name}`\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert re.findall(r"^\| `(--\w+)` \|", text, re.MULTILINE) == options_of(name)


def test_the_defaults_of_the_script_for_pictures_are_listed():
    script = (Path(config.__file__).parents[1] / "render-scene.py").read_text(encoding="utf-8")
    for option, default in re.findall(r'"(--\w+)", type=\w+, default=([\d.]+)', script):
        assert re.search(rf"^\| `{option}` \| {default.removesuffix('.0')}( |:)", PAGE, re.MULTILINE), option
    assert f"| `--max_samples` | {MAX_SAMPLES}, or `--samples`" in PAGE
    assert "or 24.0" in script
    assert "| `--fps` | 24 |" in PAGE
