"""The statements of Wavefront OBJ files, read one by one into flat arrays: meshes may have millions of faces."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

ABSENT = -1
# Statements that say nothing about the surface; anything else that is unknown means the file is no OBJ.
_IGNORED = re.compile(
    "o|g|s|mg|usemtl|mtllib|usemap|maplib|shadow_obj|trace_obj|lod|bevel|[cd]_interp|l|p|vp|cstype|deg|bmat|step"
    "|curv2?|surf|parm|trim|hole|scrv|sp|end|con|ctech|stech|call|csh"
)
_KINDS = {"v": "position", "vt": "texture coordinate", "vn": "normal"}
_WIDTHS = {"v": 3, "vt": 2, "vn": 3}
# The mark of UTF-8 that Windows editors put in front, read as Latin-1.
_BYTE_ORDER_MARK = "\u00ef\u00bb\u00bf"
# Cutting a polygon takes a time that grows with the square of its corners.
_MOST_CORNERS = 10_000
_LINE_END = re.compile("\r\n?|\n")


class MeshError(ValueError):
    """A text is no OBJ mesh; the message says why and in which line, but not in which file."""


@dataclass
class Statements:
    """What stands in an OBJ text.

    Attributes:
        text: all of it.
        numbers: of all ``v``, ``vt`` and ``vn`` statements, one after another.
        corners: position, texture coordinate and normal of every corner of all faces: indices from 0, `ABSENT` where
            there is none.
        sizes: how many corners each face has, at least 3.
    """

    text: str
    numbers: dict[str, array[float]] = field(default_factory=lambda: {keyword: array("d") for keyword in _KINDS})
    corners: array[int] = field(default_factory=lambda: array("q"))
    sizes: array[int] = field(default_factory=lambda: array("q"))

    def rows(self, keyword: str) -> NDArray[np.float64]:
        """Return the numbers of all statements of a kind, [N, 2 or 3].

        Raises:
            MeshError: one is not finite in single precision.
        """
        rows = np.array(self.numbers[keyword], dtype=np.float64).reshape(-1, _WIDTHS[keyword])
        bad = ~(np.abs(rows) < np.finfo(np.float32).max).all(axis=1)
        if bad.any():
            number = int(np.argmax(bad))
            raise MeshError(f"line {self._line(keyword, number)}: {_KINDS[keyword]} {number + 1} is not finite")
        return rows

    def _line(self, keyword: str, number: int) -> int:
        """Return the line of statement `number` (from 0) of a kind."""
        lines = (line for line, words in _lines(self.text) if words[0] == keyword)
        return next(line for index, line in enumerate(lines) if index == number)


def read_statements(text: str) -> Statements:
    """Return the statements of an OBJ text. Raises ``MeshError`` for one that cannot be read."""
    found = Statements(text)
    for line, words in _lines(text):
        keyword = words[0]
        if keyword == "f":
            _add_face(words, found, line)
        elif keyword in _KINDS:
            found.numbers[keyword].extend(_numbers(words, line))
        elif not _IGNORED.fullmatch(keyword):
            raise MeshError(f"line {line}: expected an OBJ statement, found {' '.join(words)[:40]!r}")
    return found


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the words of every statement and the line where it starts, from 1; a backslash goes on in the next line."""
    text = text.removeprefix(_BYTE_ORDER_MARK)
    lines = _LINE_END.split(text) if "\r" in text else text.split("\n")
    pending, begin = "", 0
    for number, line in enumerate(lines, start=1):
        if line.endswith("\\") and number < len(lines):
            pending, begin = f"{pending}{line[:-1]} ", begin or number
            continue
        if pending:
            line = pending + line
        if words := (line.partition("#")[0] if "#" in line else line).split():
            yield begin or number, words
        pending, begin = "", 0


def _numbers(words: list[str], line: int) -> list[float]:
    width = _WIDTHS[words[0]]
    try:
        # v may be followed by a weight or a color.
        numbers = [float(word) for word in words[1 : 1 + width]]
    except ValueError:
        numbers = []
    if words[0] == "vt" and len(numbers) == 1:
        numbers.append(0.0)  # vt may have one coordinate only
    if len(numbers) != width:
        raise MeshError(f"line {line}: expected {width} numbers after '{words[0]}', found {' '.join(words[1:])[:40]!r}")
    return numbers


def _add_face(words: list[str], found: Statements, line: int) -> None:
    if len(words) < 4:
        raise MeshError(f"line {line}: expected at least 3 corners after 'f', found {len(words) - 1}")
    if len(words) - 1 > _MOST_CORNERS:
        raise MeshError(f"line {line}: expected at most {_MOST_CORNERS} corners of a face, found {len(words) - 1}")
    positions = len(found.numbers["v"]) // 3
    uvs = len(found.numbers["vt"]) // 2
    normals = len(found.numbers["vn"]) // 3
    for word in words[1:]:
        parts = word.split("/")
        if not parts[0] or any(parts[3:]):
            raise MeshError(f"line {line}: expected a corner such as 1, 1/2, 1//3 or 1/2/3, found {word[:40]!r}")
        found.corners.append(_index(parts[0], positions, "v", line))
        found.corners.append(_index(parts[1], uvs, "vt", line) if len(parts) > 1 and parts[1] else ABSENT)
        found.corners.append(_index(parts[2], normals, "vn", line) if len(parts) > 2 and parts[2] else ABSENT)
    found.sizes.append(len(words) - 1)


def _index(word: str, count: int, keyword: str, line: int) -> int:
    """Return an index from 0; OBJ counts from 1, or backwards from -1."""
    try:
        number = int(word)
    except ValueError:
        raise MeshError(f"line {line}: expected an index of a {_KINDS[keyword]}, found {word[:40]!r}") from None
    index = number - 1 if number > 0 else count + number
    if number == 0 or not 0 <= index < count:
        raise MeshError(f"line {line}: there is no {_KINDS[keyword]} {word[:40]}; {count} stand before this line")
    return index
