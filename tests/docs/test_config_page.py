"""The page on configs names every key with the default that the code has."""

import json
import re
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from cnsr import config

PAGE = Path(__file__).resolve().parents[2] / "docs" / "config.md"
SECTIONS = {
    "The run": config.Config,
    "`model`": config.ModelConfig,
    "`model.representations[]`": config.RepresentationConfig,
    "`model.generators[]`": config.GQNConfig,
    "`settings` of `PixelCNN`": config.PixelCNNSettings,
    "`settings` of `Unet`": config.UnetSettings,
    "`settings` of `GQN`": config.GQNSettings,
    "`settings` of `Copy`": config.CopySettings,
}
# Defaults that depend on the file, or are whole objects.
IN_WORDS = {"train_data_dir", "test_data_dir", "job_name", "model", "representations", "generators", "settings"}


def table(section):
    """Return {key: default as written} of the table under a heading."""
    text = PAGE.read_text().split(f"## {section}\n", 1)[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", text, re.MULTILINE))


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_stands_there_with_its_default(section):
    fields = SECTIONS[section].model_fields
    rows = table(section)
    assert list(rows) == list(fields)
    for name, written in rows.items():
        default = fields[name].default
        if name in IN_WORDS and (default is PydanticUndefined or not isinstance(default, tuple)):
            continue
        assert json.loads(written.strip("`")) == json.loads(json.dumps(default)), name


def test_no_section_is_left_out():
    assert re.findall(r"^## (.*)$", PAGE.read_text(), re.MULTILINE) == list(SECTIONS)
