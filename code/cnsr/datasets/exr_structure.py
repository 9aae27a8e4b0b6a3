"""Whether an EXR file is whole, told from its headers and chunk tables alone.

The OpenEXR module answers a file that was cut short with fewer parts and many lines on the terminal instead of an
exception, so that files are checked here first. Layout: https://openexr.com/en/latest/OpenEXRFileLayout.html
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

import numpy as np

_MAGIC = b"\x76\x2f\x31\x01"
_MULTI_PART = 0x1000


class NotWholeError(ValueError):
    """The file is no EXR file, or not all of it is there; the text says which."""


def part_count(path: Path) -> int:
    """Return how many parts the EXR file at `path` has, after checking that all their pixels lie in the file.

    Raises:
        NotWholeError: it is no EXR file, or is cut short.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        if size < 8 or file.read(4) != _MAGIC:
            raise NotWholeError("not an EXR file" if size else "the file is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return _checked(data, size)
            except (struct.error, IndexError) as error:
                raise NotWholeError("cut short within its headers") from error


def _checked(data: mmap.mmap, size: int) -> int:
    multi_part = bool(struct.unpack_from("<I", data, 4)[0] & _MULTI_PART)
    chunk_counts: list[int] = []
    position = 8
    while multi_part or not chunk_counts:
        if multi_part and data[position] == 0:  # an empty header ends the list of headers
            position += 1
            break
        chunks, position = _header(data, position)
        chunk_counts.append(chunks)
    if not multi_part:
        return 1  # without a chunk count its table cannot be told from its pixels; the decoder sees what is missing
    total = sum(chunk_counts)
    begin = position + 8 * total
    if begin > size or not total:
        raise NotWholeError("cut short within its chunk tables")
    offsets = np.frombuffer(data[position:begin], "<u8")
    last = int(offsets.max())
    if int(offsets.min()) < begin or last + 12 > size:
        raise NotWholeError("cut short: pixels are missing")
    # A chunk of a part of scan lines: part number, first line, bytes, then the bytes.
    if last + 12 + struct.unpack_from("<i", data, last + 8)[0] > size:
        raise NotWholeError("cut short: pixels are missing")
    return len(chunk_counts)


def _header(data: mmap.mmap, position: int) -> tuple[int, int]:
    """Walk over one header; return its number of chunks (0 if unsaid) and where it ends."""
    chunks = 0
    while data[position] != 0:
        name, position = _text(data, position)
        _, position = _text(data, position)  # the attribute's type
        (length,) = struct.unpack_from("<i", data, position)
        position += 4
        if length < 0 or position + length > len(data):
            raise NotWholeError("cut short within its headers")
        if name == b"chunkCount":
            (chunks,) = struct.unpack_from("<i", data, position)
        position += length
    return chunks, position + 1


def _text(data: mmap.mmap, position: int) -> tuple[bytes, int]:
    end = data.find(b"\0", position, position + 256)
    if end < 0:
        raise NotWholeError("cut short within its headers, or damaged")
    return data[position:end], end + 1
