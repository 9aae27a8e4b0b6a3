"""Lines of JSON values."""

import json

from hypothesis import given
from hypothesis import strategies as st

from cnsr.json_line_numbers import line_numbers

TEXT = """{
  "a": 1, "b": [true,
    {"c": "x{],:\\"y"}, []],
  "a": null
}"""


def test_every_value_has_the_line_of_its_key_or_itself():
    assert line_numbers(TEXT) == {
        (): 1,
        ("a",): 4,
        ("b",): 2,
        ("b", 0): 2,
        ("b", 1): 3,
        ("b", 1, "c"): 3,
        ("b", 2): 3,
    }


def test_nesting_may_be_deep():
    depth = 50_000
    # Paths of that depth would fill the memory; brackets that are never filled have short ones.
    assert len(line_numbers("[" + "[]," * depth + "[]]")) == depth + 2


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
    assert list(line_numbers(json.dumps(value, indent=indent))) == list(paths_of(value))
