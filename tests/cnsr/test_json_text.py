"""Strict JSON: places of faults and repeated keys."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnsr.json_text import JsonSyntaxError, parse_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(VALUES)
def test_valid_json_reads_as_pythons_parser_reads_it(value):
    assert parse_json(json.dumps(value)) == (value, [])


@given(st.text())
def test_any_text_is_read_or_refused_with_a_place_in_it(text):
    try:
        parse_json(text)
    except JsonSyntaxError as error:
        assert 1 <= error.line <= text.count("\n") + 1
        assert error.column >= 1


def test_repeated_keys_are_listed_with_their_paths():
    data, duplicates = parse_json('{"a": 1, "a": 2, "b": [{"c": 0, "c": 1, "c": 2}]}')
    assert data == {"a": 2, "b": [{"c": 2}]}
    assert duplicates == [("a",), ("b", 0, "c")]


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
def test_constants_that_are_no_json_are_refused_where_they_stand(name):
    with pytest.raises(JsonSyntaxError) as caught:
        parse_json(f'{{"NaN Infinity -Infinity": "NaN",\n "x": [1, {name}]}}')
    assert (caught.value.line, caught.value.column) == (2, 11)
    assert caught.value.message == f"not valid JSON: {name} is no number"


def test_deep_nesting_is_a_syntax_error_rather_than_a_crash():
    with pytest.raises(JsonSyntaxError, match="nested too deeply"):
        parse_json("[" * 200_000)


def test_a_huge_integer_is_a_syntax_error_rather_than_a_crash():
    with pytest.raises(JsonSyntaxError, match="not sensible JSON: exceeds the limit"):
        parse_json('{"seed": ' + "1" * 5000 + "}")
