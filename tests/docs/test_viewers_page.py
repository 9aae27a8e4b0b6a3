"""The page about the viewers names every key, and its command lines are those of the scripts."""

import re
import shlex
from pathlib import Path

import pytest

from cnsr.viewers.walk_actions import ACTIONS, WALK_KEY, WALK_KEYS
from cnsr.viewers.walk_controller import SAMPLES
from cnsr.viewers.walk_rendering import STILL

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "viewers.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (`.+?) \| (.+?) \|$", PAGE, re.MULTILINE)


def keys_of(cell):
    return re.findall(r"`(\w+)`", cell)


def test_every_action_stands_in_the_table_beside_its_key():
    listed = {}
    for cell, meaning in ROWS:
        if WALK_KEY not in keys_of(cell):
            for key, label in zip(keys_of(cell), meaning.split(":")[0].split(" / "), strict=True):
                listed[key] = label
    assert listed == {action.key: action.label for action in ACTIONS}


def test_the_keys_that_walk_stand_there_in_order():
    (cell, meaning) = next(row for row in ROWS if len(keys_of(row[0])) > 2)
    assert keys_of(cell) == [WALK_KEY, *(held.key for held in WALK_KEYS)]
    assert meaning == "walk: " + ", ".join(held.tip for held in WALK_KEYS)


def test_the_numbers_are_those_of_the_code():
    assert f"stood still for {STILL} seconds" in PAGE
    assert f"{SAMPLES} at first" in PAGE


@pytest.mark.parametrize("command", sorted(set(re.findall(r"python (visualize-\w+\.py .*)", PAGE))))
def test_command_lines_have_options_that_there_are(command, options_of):
    script, *words = shlex.split(command, comments=True)
    options = {word for word in words if word.startswith("--")}
    assert options
    assert options <= set(options_of(script))
    assert (ROOT / "configs" / words[words.index("--config") + 1]).is_file()
