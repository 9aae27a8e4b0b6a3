"""Strict JSON reading: places of syntax errors, and keys that stand twice."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

KeyPath = tuple[str | int, ...]
"""Keys and indices that lead from the root of a document to a value."""

_STRING_OR_CONSTANT = re.compile(r'"(?:\\.|[^"\\])*"|NaN|-?Infinity')


class JsonSyntaxError(ValueError):
    """The text is not JSON. `line` and `column` count from 1; `message` says what was expected."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(f"{line}:{column}: {message}")
        self.message, self.line, self.column = message, line, column


class _Object(dict[str, Any]):
    """A JSON object that remembers which of its keys stood twice."""

    repeated: tuple[str, ...] = ()


def parse_json(text: str) -> tuple[Any, list[KeyPath]]:
    """Parse JSON `text` and list the paths of keys that stand twice in their object (the last one wins, as in Python).

    ``NaN`` and ``Infinity`` are refused, as the JSON standard (RFC 8259) has them not.

    Raises:
        JsonSyntaxError: with line and column.
    """
    any_repeated = False

    def remember(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal any_repeated
        result = dict(pairs)
        if len(result) == len(pairs):
            return result
        any_repeated = True
        return _object(pairs)

    try:
        data = json.loads(text, object_pairs_hook=remember, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise JsonSyntaxError(f"not valid JSON: {_lower(error.msg)}", error.lineno, error.colno) from None
    except _ConstantError as error:
        raise _constant_error(text, str(error)) from None
    except RecursionError:
        raise JsonSyntaxError("not valid JSON: nested too deeply", 1, 1) from None
    except ValueError as error:  # Python refuses integers of thousands of digits
        raise JsonSyntaxError(f"not sensible JSON: {_lower(str(error)).partition(';')[0]}", 1, 1) from None
    duplicates: list[KeyPath] = []
    if any_repeated:
        duplicates = list(_repeated_paths(data))
    return data, duplicates


class _ConstantError(ValueError):
    """One of the constants that Python's parser lets through."""


def _refuse_constant(name: str) -> None:
    raise _ConstantError(name)


def _constant_error(text: str, name: str) -> JsonSyntaxError:
    start = next(match.start() for match in _STRING_OR_CONSTANT.finditer(text) if match.group() == name)
    line, column = text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)
    return JsonSyntaxError(f"not valid JSON: {name} is no number", line, column)


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    result = _Object(pairs)
    counts = Counter(key for key, _ in pairs)
    result.repeated = tuple(key for key, count in counts.items() if count > 1)
    return result


def _repeated_paths(data: Any) -> Iterator[KeyPath]:
    """Yield the paths of repeated keys in the order of the document, however deep it is nested."""
    stack: list[tuple[KeyPath, Any]] = [((), data)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, dict):
            yield from ((*path, key) for key in getattr(value, "repeated", ()))
            stack += [((*path, key), item) for key, item in reversed(value.items())]
        elif isinstance(value, list):
            stack += [((*path, index), item) for index, item in reversed(list(enumerate(value)))]


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
