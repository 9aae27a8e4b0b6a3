"""Reading JSON files strictly: no NaN, no duplicate keys, errors with line and column."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from cnsr.errors import UserError
from cnsr.scenes.json_positions import not_finite_and_duplicates


class _NotStrictError(Exception):
    """The text has a NaN or infinite literal or a duplicate key; a second pass tells where."""


def read_json(path: Path, error_type: type[UserError]) -> tuple[Any, str]:
    """Return the decoded content of a JSON file and its text.

    Raises:
        UserError: of type `error_type`; the file is missing, unreadable, not UTF-8, not JSON, or has NaN, infinite
            literals or duplicate keys.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise error_type(f"{path}: there is no such file") from None
    except OSError as error:
        raise error_type(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise error_type(f"{path}: expected JSON in UTF-8, but byte {error.start} is not UTF-8") from None
    return parse_json(text, str(path), error_type), text


def parse_json(text: str, source: str, error_type: type[UserError]) -> Any:
    """Return the decoded JSON `text`; `source` is what errors call it. Raises like ``read_json``."""
    try:
        try:
            return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
        except _NotStrictError:
            json.loads(text)  # what follows the offence may not even be JSON
    except json.JSONDecodeError as error:
        reason = error.msg[:1].lower() + error.msg[1:]
        raise error_type(f"{source}:{error.lineno}:{error.colno}: not valid JSON: {reason}") from None
    except RecursionError:
        raise error_type(f"{source}: not a sensible JSON file: nested too deeply") from None
    except ValueError as error:  # an integer of thousands of digits
        raise error_type(f"{source}: not a sensible JSON file: {error}") from None
    raise error_type(f"{source}{_not_strict_places(text)}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _NotStrictError
    return result


def _refuse(_: str) -> NoReturn:
    raise _NotStrictError


def _not_strict_places(text: str) -> str:
    """Return ``:line:column: what is wrong`` of each NaN literal and duplicate key, one after the other."""
    not_finite, duplicates = not_finite_and_duplicates(text)
    places = [(found.position, f"expected a finite number, found {found.text}") for found in not_finite]
    places += [(found.position, f"the key {json.dumps(found.path[-1])} is there twice") for found in duplicates]
    places.sort(key=lambda place: (place[0].line, place[0].column))
    first, *others = (f":{at.line}:{at.column}: {message}" for at, message in places)
    return "; ".join([first, *(other[1:] for other in others)])
