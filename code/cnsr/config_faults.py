"""Words for what pydantic found wrong in a config."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails


def place(path: Sequence[str | int]) -> str:
    """Return the dotted path of JSON keys and list indices, as in ``model.generators[0].type``."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def describe(
    error: ValidationError, root: type[BaseModel], variants: Mapping[str, type[BaseModel]]
) -> list[tuple[str, str]]:
    """Return (dotted path, message) of every fault in `error`.

    Args:
        error: what pydantic raised.
        root: the model that was validated, whose fields are suggested for misspelt keys.
        variants: models of a tagged union by tag; pydantic puts the tag into the path, where no user wrote it.
    """
    faults = error.errors(include_url=False)
    # pydantic also calls a list too short when an item of it is at fault: that says nothing new.
    places = [fault["loc"] for fault in faults]
    echoes = [
        fault["type"] == "too_short"
        and any(other != fault["loc"] and other[: len(fault["loc"])] == fault["loc"] for other in places)
        for fault in faults
    ]
    return [_describe(fault, root, variants) for fault, echo in zip(faults, echoes, strict=True) if not echo]


def suggestion(name: str, known: Sequence[str]) -> str:
    """Return the end of a message on the unknown `name`: the known name closest to it, or all."""
    close = difflib.get_close_matches(name, known, n=1)
    return f', did you mean "{close[0]}"?' if close else f", known are {', '.join(known)}"


def _describe(fault: ErrorDetails, root: type[BaseModel], variants: Mapping[str, type[BaseModel]]) -> tuple[str, str]:
    path = tuple(key for key in fault["loc"] if key not in variants)
    kind, value, context = fault["type"], fault["input"], fault.get("ctx", {})
    if kind == "extra_forbidden":
        return place(path), f"unknown key{suggestion(str(path[-1]), _fields(fault['loc'][:-1], root, variants))}"
    if kind == "missing":
        return place(path), "is missing"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return place((*path, "type")), f"must be one of {', '.join(variants)} (got {_tag(value)})"
    if kind == "literal_error":
        return place(path), f"must be {context['expected']} (got {value!r})"
    message = str(context["error"]) if kind == "value_error" else fault["msg"]
    message = message.replace("Input should be", "must be", 1).replace("Tuple should", "the list should", 1)
    return place(path), f"{message[0].lower()}{message[1:]} (got {_short(value)})"


def _tag(value: Any) -> str:
    return repr(value.get("type")) if isinstance(value, dict) else _short(value)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _fields(loc: Sequence[str | int], root: type[BaseModel], variants: Mapping[str, type[BaseModel]]) -> list[str]:
    """Return the keys allowed at `loc` by following the model's annotations down."""
    model = root
    for key in loc:
        if isinstance(key, int):
            continue
        if key in variants:
            model = variants[key]
        elif key in model.model_fields:
            model = _model_in(model.model_fields[key].annotation) or model
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
