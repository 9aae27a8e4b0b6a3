"""Faults of a JSON document in words: pydantic's findings as one line for people."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ErrorType

from cnsr.json_line_numbers import line_numbers
from cnsr.json_text import KeyPath

MOST_FAULTS = 50
"""How many faults of a document are put into words; the others are only counted."""

# Among how many names the one that was meant is searched, and how many are listed: a scene may have thousands.
_MOST_CANDIDATES = 500
_MOST_LISTED = 20
_LONGEST_NAME = 200
_LONGEST_VALUE = 40
# pydantic's words, and what people who write JSON call it.
_WORDS = (
    (re.compile("Input should be"), "expected"),
    (re.compile(r"a valid dictionary( or instance of \w+| or object to extract fields from)?"), "an object {...}"),
    (re.compile("a valid tuple"), "a list [...]"),
    (re.compile("Tuple should have"), "expected"),
    (re.compile(" after validation"), ""),
)
_PLAIN_KEY = re.compile(r"[\w-]+")
# Findings of pydantic itself whose message says all: the value found would add nothing, or is a whole object. The
# messages of our own checks say all, too.
_WITHOUT_VALUE = frozenset({"missing", "too_long", "too_short"})
_BUILT_IN = frozenset(get_args(ErrorType))


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a document.

    Attributes:
        path: where it is in the document.
        message: what was expected, and what is there.
    """

    path: KeyPath
    message: str

    @classmethod
    def unknown_name(cls, path: KeyPath, kind: str, name: str, known: Iterable[str]) -> Fault:
        """Return the fault that `name` is no known `kind`, with the name that was probably meant."""
        return cls(path, unknown_name(kind, name, known))


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the message that `name` is no known `kind`, with the name that was probably meant."""
    candidates = [str(other) for other in islice(known, _MOST_CANDIDATES)]
    near = difflib.get_close_matches(name[:_LONGEST_NAME], candidates, n=1)
    if near:
        advice = f"did you mean {quote(near[0])}?"
    elif candidates:
        more = ", ..." if len(candidates) > _MOST_LISTED else ""
        advice = f"expected one of {', '.join(map(quote, candidates[:_MOST_LISTED]))}{more}"
    else:
        advice = f"there is no {kind} at all"
    return f"unknown {kind} {quote(name)}; {advice}"


def quote(value: object) -> str:
    """Return `value` as JSON in one short line."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    except RecursionError:
        text = "something nested deeply"
    if not text.isprintable():  # line separators, halves of surrogate pairs
        text = ascii(text)[1:-1]
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def dotted(path: Sequence[str | int]) -> str:
    """Return a path as people write it: ``geometry[3].transform[0]``."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            key = key if len(key) <= _LONGEST_NAME else f"{key[:_LONGEST_NAME]}..."
            text += ("." if text else "") + (key if _PLAIN_KEY.fullmatch(key) else json.dumps(key))
    return text


def faults_of(
    error: ValidationError, model_at: Callable[[KeyPath], type[BaseModel]], tags: Sequence[str]
) -> list[Fault]:
    """Return the findings of pydantic in words.

    Args:
        error: all findings about a document.
        model_at: the model that the last key of one of pydantic's locations belongs to. Inside a member of a tagged
            union a location holds one item more than the document: the member's tag, after its index.
        tags: of the document's tagged unions.
    """
    findings = error.errors(include_url=False)
    around = {details["loc"][:length] for details in findings for length in range(len(details["loc"]))}
    # Pydantic calls a list too short also when an item of it is at fault.
    findings = [details for details in findings if details["type"] != "too_short" or details["loc"] not in around]
    told = [_fault(details, model_at, tags) for details in findings[:MOST_FAULTS]]
    return told + [Fault(_without_tag(details["loc"], tags), details["msg"]) for details in findings[MOST_FAULTS:]]


def _fault(details: ErrorDetails, model_at: Callable[[KeyPath], type[BaseModel]], tags: Sequence[str]) -> Fault:
    location, kind = details["loc"], details["type"]
    path = _without_tag(location, tags)
    last = path[-1] if path else ""
    if kind == "extra_forbidden":
        return Fault.unknown_name(path, "key", str(last), model_at(location).model_fields)
    if kind == "missing":
        if isinstance(last, int):
            return Fault(path, "missing, there are too few items")
        description = model_at(location).model_fields[last].description
        return Fault(path, f"missing; expected {description}" if description else "missing")
    if kind == "union_tag_invalid":
        return Fault.unknown_name((*path, "type"), "type", details["ctx"]["tag"], tags)
    if kind == "union_tag_not_found":
        return Fault((*path, "type"), f"missing; expected one of {', '.join(map(quote, tags))}")
    message = details["msg"]
    for theirs, ours in _WORDS:
        message = theirs.sub(ours, message)
    message = message[:1].lower() + message[1:]
    says_all = kind in _WITHOUT_VALUE or kind not in _BUILT_IN
    return Fault(path, message if says_all else f"{message}, found {quote(details['input'])}")


def _without_tag(location: KeyPath, tags: Sequence[str]) -> KeyPath:
    for at in range(1, len(location)):
        if isinstance(location[at - 1], int) and location[at] in tags:
            return location[:at] + location[at + 1 :]
    return location


def one_line(source: str, faults: Sequence[Fault], text: str | None) -> str:
    """Return the line that lists all `faults`.

    Args:
        source: the file, or what else the document is called.
        faults: what is wrong with it; not empty.
        text: the JSON text, to tell lines; None if there is none.
    """
    lines = line_numbers(text) if text is not None else {}
    parts = []
    for fault in faults[:MOST_FAULTS]:
        line = _line(fault.path, lines)
        where = dotted(fault.path) + (f" (line {line})" if line else "")
        parts.append(f"{where}: {fault.message}" if fault.path else fault.message)
    if len(faults) > MOST_FAULTS:
        parts.append(f"and {len(faults) - MOST_FAULTS} more")
    return f"{source}: {'; '.join(parts)}"


def _line(path: KeyPath, lines: dict[KeyPath, int]) -> int | None:
    """Return the line of a value, or of the innermost thing around it that is there (for a missing key)."""
    for length in range(len(path), -1, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None
