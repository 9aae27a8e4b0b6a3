"""In which line of a JSON text each value stands.

Python's own parser is fast but forgets positions. This second pass is only run when something is wrong with a
file, to tell the line; it takes a text that the standard parser has found to be well-formed JSON.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import dataclass

from cnsr.json_text import KeyPath

# Strings, punctuation, and everything else that may stand between punctuation (numbers, true, NaN, ...).
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+', re.DOTALL)


@dataclass
class _Container:
    """An object or array that is being read."""

    path: KeyPath
    is_object: bool
    index: int = 0
    key: str | None = None
    key_offset: int = 0

    def next_path(self) -> KeyPath:
        return (*self.path, self.key if self.key is not None else self.index)


def line_numbers(text: str) -> dict[KeyPath, int]:
    """Return the line of every value of a well-formed JSON `text`, by its path; lines count from 1.

    It is the line of the key in an object, else of the value's first character; of keys that stand twice, the last.
    Nesting may be of any depth.
    """
    lines: dict[KeyPath, int] = {}
    line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
    stack: list[_Container] = []
    for match in _TOKEN.finditer(text):
        token, offset = match.group(), match.start()
        top = stack[-1] if stack else None
        if token in "]}":
            stack.pop()
        elif token == ",":
            assert top is not None
            top.index += 1
            top.key = None
        elif token == ":":
            pass
        elif top is not None and top.is_object and top.key is None:
            top.key, top.key_offset = json.loads(token), offset
        else:
            path = top.next_path() if top else ()
            lines[path] = bisect_right(line_starts, top.key_offset if top and top.is_object else offset)
            if token in "[{":
                stack.append(_Container(path, token == "{"))
    return lines
