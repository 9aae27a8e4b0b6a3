"""Batches as multi-part EXR files: one part a view, so that any EXR viewer shows it.

Parts are named ``scene0000/view000``; channels are those of the buffer table. ``worldToCamera`` is the standard
attribute, and like every matrix of OpenEXR (Imath) it is for *row* vectors, p' = [p, 1] M: the transpose of the
world-to-camera matrix that multiplies column vectors, with the translation in the last row. Its 16 numbers in the
order they lie in the file are therefore the pose that networks see (column by column of the column-vector matrix).

The module decodes a file as a whole; a reader saves nothing by asking for fewer parts or channels, except memory.
"""

from __future__ import annotations

import errno
import io
import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from cnsr.buffers import BUFFERS
from cnsr.datasets.exr_structure import NotWholeError, part_count
from cnsr.datasets.stored import FACTORS, Contents, StoredBatch, in_table_order, to_half
from cnsr.errors import DatasetError
from cnsr.files import atomic_path

Precision = Literal["half", "float"]

_PART_NAME = re.compile(r"scene(\d{4,})/view(\d{3,})")
# Two threads that redirect them at once would leave them redirected.
_STANDARD_STREAMS = threading.Lock()
_NO_FACTOR = -1
_UNKNOWN = -1


@dataclass(frozen=True)
class Origin:
    """Where the pixels of a batch come from; kept in the headers so that a file explains itself.

    Attributes:
        samples: per pixel, of each view, [S][V]; -1 where unknown.
        config: hash of the settings that shaped the pixels, or what made the file instead.
        seeds: the renderer's seed of each view, [S][V]; -1 where unknown.
        scenes: hash of each view's scene file, [S][V]; empty where unknown.
    """

    samples: tuple[tuple[int, ...], ...]
    config: str
    seeds: tuple[tuple[int, ...], ...]
    scenes: tuple[tuple[str, ...], ...]

    @classmethod
    def unknown(cls, scenes: int, views: int, config: str) -> Origin:
        """Return what is said of pixels that this project did not render."""
        unknown = ((_UNKNOWN,) * views,) * scenes
        return cls(unknown, config, unknown, (("",) * views,) * scenes)


def write_batch(path: Path, batch: StoredBatch, origin: Origin, precision: Precision = "half") -> None:
    """Write `batch` to `path`, whole or not at all; equal arguments give equal bytes.

    Raises:
        StorageError: the disk is full, there is no permission, ...
    """
    scenes, views = batch.poses.shape[:2]
    # [S, V, C, H, W] each, in the order and under the names of the channels
    converted = {
        name: to_half(pixels) if precision == "half" else np.asarray(pixels, np.float32)
        for name, pixels in batch.passes.items()
    }
    parts = [
        OpenEXR.Part(
            _header(batch, origin, scene, view),
            {
                channel: np.ascontiguousarray(pixels[scene, view, index])
                for name, pixels in converted.items()
                for index, channel in enumerate(BUFFERS[name].exr_channels)
            },
            f"scene{scene:04d}/view{view:03d}",
        )
        for scene in range(scenes)
        for view in range(views)
    ]
    with atomic_path(path) as temporary:
        try:
            OpenEXR.File(parts).write(str(temporary))
            part_count(temporary)  # the module does not notice when the last bytes find no room
        except NotWholeError as error:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        except RuntimeError as error:
            raise _system_error(error) from error


def _header(batch: StoredBatch, origin: Origin, scene: int, view: int) -> dict[str, Any]:
    return {
        "compression": OpenEXR.ZIP_COMPRESSION,
        "type": OpenEXR.scanlineimage,
        "worldToCamera": batch.poses[scene, view].reshape(4, 4).astype(np.float32),
        "cnsr:factor": _NO_FACTOR if batch.factor is None else batch.factor,
        "cnsr:samples": origin.samples[scene][view],
        "cnsr:seed": origin.seeds[scene][view],
        "cnsr:config": origin.config,
        "cnsr:scene": origin.scenes[scene][view],
    }


def _system_error(error: RuntimeError) -> OSError:
    """Return the system's error that the module put into words (it keeps no number)."""
    for code in errno.errorcode:
        if os.strerror(code) in str(error):
            return OSError(code, os.strerror(code))
    return OSError(errno.EIO, str(error))


def read_header(path: Path) -> tuple[Contents, Origin]:
    """Return what the file at `path` holds, without decoding pixels.

    Raises:
        DatasetError: the file is damaged, or is no batch of views.
    """
    parts = _open(path, header_only=True)
    headers = [part.header for part in parts]
    scenes, views = _grid(path, headers)
    channels = {channel.name for channel in headers[0]["channels"]}
    for header in headers:
        if {channel.name for channel in header["channels"]} != channels:
            raise DatasetError(f"{path}: part {header['name']} has other channels than the first part")
    size = _size(path, headers)
    passes = tuple(name for name, buffer in BUFFERS.items() if channels.issuperset(buffer.exr_channels))

    def rows(attribute: str, default: Any) -> tuple[tuple[Any, ...], ...]:
        values = [header.get(attribute, default) for header in headers]
        return tuple(tuple(values[scene * views : (scene + 1) * views]) for scene in range(scenes))

    origin = Origin(
        samples=rows("cnsr:samples", _UNKNOWN),
        config=headers[0].get("cnsr:config", ""),
        seeds=rows("cnsr:seed", _UNKNOWN),
        scenes=rows("cnsr:scene", ""),
    )
    return Contents(passes, size, scenes, views, _factor(path, headers[0])), origin


def describe(path: Path) -> Contents:
    """Return what the file at `path` holds. Raises ``DatasetError`` as ``read_header`` does."""
    return read_header(path)[0]


def read_batch(path: Path, passes: Sequence[str] | None = None) -> StoredBatch:
    """Read the named buffers (default: all) of every view of the file at `path`.

    Raises:
        DatasetError: the file is damaged, is no batch of views, or lacks a pass.
    """
    parts = _open(path, header_only=False)
    headers = [part.header for part in parts]
    scenes, views = _grid(path, headers)
    size = _size(path, headers)
    available = parts[0].channels
    names = in_table_order(BUFFERS if passes is None else passes)
    present = [name for name in names if all(channel in available for channel in BUFFERS[name].exr_channels)]
    if passes is not None and len(present) < len(names):
        raise DatasetError(f"{path}: lacks the pass {', '.join(name for name in names if name not in present)}")
    pixels = {name: _stack(path, parts, BUFFERS[name].exr_channels, size) for name in present}
    poses = np.stack([_pose(path, header) for header in headers]).reshape(scenes, views, 16)
    return StoredBatch(
        passes={name: stack.reshape(scenes, views, *stack.shape[1:]) for name, stack in pixels.items()},
        poses=poses,
        factor=_factor(path, headers[0]),
        name=str(path),
    )


def _open(path: Path, header_only: bool) -> list[Any]:
    try:
        count = part_count(path)
        with _module_silenced():
            parts: list[Any] = OpenEXR.File(str(path), separate_channels=True, header_only=header_only).parts
    except NotWholeError as error:
        raise DatasetError(f"{path}: {error}; make it anew or delete it") from error
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (RuntimeError, ValueError) as error:
        raise DatasetError(f"{path}: damaged: {' '.join(str(error).split())}") from error
    if len(parts) != count:  # the module leaves out what it could not decode
        raise DatasetError(f"{path}: damaged: the pixels of {count - len(parts)} of {count} views cannot be decoded")
    return parts


@contextmanager
def _module_silenced() -> Iterator[None]:
    """Keep off the terminal what the module prints about damaged pixels: several lines of its own for each view.

    Some come from C++, so that the file descriptor itself has to lead elsewhere for that time.
    """
    with _STANDARD_STREAMS, redirect_stdout(io.StringIO()):
        try:
            terminal = os.dup(2)
        except OSError:  # closed: there is nothing to keep clean
            yield
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        try:
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            os.close(nowhere)


def _grid(path: Path, headers: list[dict[str, Any]]) -> tuple[int, int]:
    """Return how many scenes, and views of each, the parts are. They must come scene by scene, view by view."""
    places = []
    for header in headers:
        match = _PART_NAME.fullmatch(header.get("name", ""))
        if match is None:
            raise DatasetError(f"{path}: a part is named {header.get('name', '')!r}, not like scene0000/view000")
        places.append((int(match[1]), int(match[2])))
    scenes, views = places[-1][0] + 1, places[-1][1] + 1
    if places != [(scene, view) for scene in range(scenes) for view in range(views)]:
        raise DatasetError(f"{path}: its parts are not a complete list of scenes with {views} views each")
    return scenes, views


def _size(path: Path, headers: list[dict[str, Any]]) -> int:
    sizes: set[int] = set()
    for header in headers:
        low, high = header["dataWindow"]
        sizes.update(int(edge) for edge in high - low + 1)
    if len(sizes) != 1:
        raise DatasetError(f"{path}: images must be square and of one size, but have edges of {sorted(sizes)} pixels")
    return sizes.pop()


def _factor(path: Path, header: dict[str, Any]) -> int | None:
    factor = header.get("cnsr:factor", _NO_FACTOR)
    if factor not in range(_NO_FACTOR, len(FACTORS)):
        raise DatasetError(f"{path}: cnsr:factor is {factor!r}, expected 0, 1, 2 or {_NO_FACTOR} for none")
    return None if factor == _NO_FACTOR else int(factor)


def _stack(path: Path, parts: list[Any], channels: Sequence[str], size: int) -> NDArray[Any]:
    """Return [parts, C, H, W] of the named channels, in the precision of the file."""
    dtype = parts[0].channels[channels[0]].pixels.dtype
    pixels = np.empty((len(parts), len(channels), size, size), np.float16 if dtype == np.float16 else np.float32)
    for part, target in zip(parts, pixels, strict=True):
        for index, channel in enumerate(channels):
            if channel not in part.channels:
                raise DatasetError(f"{path}: part {part.name()} lacks the channel {channel}")
            target[index] = part.channels[channel].pixels
    return pixels


def _pose(path: Path, header: dict[str, Any]) -> NDArray[np.float32]:
    matrix = header.get("worldToCamera")
    if matrix is None:
        raise DatasetError(f"{path}: part {header.get('name')} has no worldToCamera attribute")
    return np.asarray(matrix, np.float32).reshape(16)
