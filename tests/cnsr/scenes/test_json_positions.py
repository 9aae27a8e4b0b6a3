"""Lines and columns of JSON values."""

import json

from hypothesis import given
from hypothesis import strategies as st

from cnsr.scenes.json_positions import Position, positions

TEXT = """{
  "a": 1, "b": [true,
    {"c": "x{],:\\"y"}, []],
  "a": null
}"""


def test_every_value_has_the_place_of_its_key_or_itself():
    assert positions(TEXT) == {
        (): Position(1, 1),
        ("a",): Position(4, 3),
        ("b",): Position(2, 11),
        ("b", 0): Position(2, 17),
        ("b", 1): Position(3, 5),
        ("b", 1, "c"): Position(3, 6),
        ("b", 2): Position(3, 24),
    }


def test_nesting_may_be_deep():
    depth = 50_000
    # Paths of that depth would fill the memory; brackets that are never filled have short ones.
    assert len(positions("[" + "[]," * depth + "[]]")) == depth + 2


def paths_of(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths_of(item, (*path, key))


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    ),
    st.sampled_from([None, 0, 3]),
)
def test_all_paths_of_any_document_are_found(value, indent):
    assert list(positions(json.dumps(value, indent=indent))) == list(paths_of(value))
