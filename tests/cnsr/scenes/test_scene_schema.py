"""The shipped JSON Schema says what the checks say."""

import copy
import json

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnsr.errors import SceneError
from cnsr.scenes.description import parse_scene, scene_schema
from cnsr.scenes.schema import SCHEMA_FILE, schema_text, write_schema

VALIDATOR = jsonschema.Draft202012Validator(scene_schema())
# What a schema cannot say: checks of several values together.
BEYOND = (
    "unknown material",
    "there is no material",
    "expected a material that emits",
    "'lookat' to differ",
    "'near' to be less",
    "the last column",
    "can be inverted",
    "a direction that is not zero",
)


def test_the_shipped_file_is_the_generated_one(tmp_path):
    assert json.loads(SCHEMA_FILE.read_text(encoding="utf-8")) == scene_schema(), "run: python -m cnsr.scenes.schema"
    write_schema(tmp_path / "schema.json")
    assert json.loads((tmp_path / "schema.json").read_text(encoding="utf-8")) == scene_schema()


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text()))


def test_generated_scenes_and_ignored_keys_pass(scene_data):
    scene_data["cache"] = {"any": "thing"}
    scene_data["geometry"][0]["top_level_acceleration"] = 3
    VALIDATOR.validate(scene_data)


LEAVES = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1,
        -1,
        0.5,
        -0.5,
        2.5,
        180,
        1e19,
        2**24,
        2**63,
        "",
        "file",
        "light",
        "cube",
        [],
        {},
        [1, 2, 3],
    ]
)


def paths_of(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths_of(item, (*path, key))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_schema_and_checks_agree_on_changed_scenes(scene_data, data):
    scene = copy.deepcopy(scene_data)
    paths = [path for path in paths_of(scene) if path]
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(paths))
        target = scene
        try:
            for key in path[:-1]:
                target = target[key]
            action = data.draw(st.sampled_from(["set", "remove", "add"]))
            if action == "set":
                target[path[-1]] = data.draw(LEAVES)
            elif action == "remove":
                del target[path[-1]]
            elif isinstance(target, dict):
                target["new key"] = 1
        except (KeyError, IndexError, TypeError):  # an earlier change took it away
            continue
    valid = VALIDATOR.is_valid(scene)
    try:
        parse_scene(scene)
    except SceneError as error:
        parts = str(error).removeprefix("scene: ").split("; ")
        assert not valid or all(
            any(known in part for known in (*BEYOND, "did you mean", "expected one of")) for part in parts
        )
    else:
        assert valid


@pytest.mark.parametrize("number", [1e19, -1e19])
def test_numbers_out_of_range_fail_both(scene_data, number):
    scene_data["camera"]["position"][0] = number
    assert not VALIDATOR.is_valid(scene_data)
    with pytest.raises(SceneError, match=r"camera\.position\[0\]"):
        parse_scene(scene_data)
