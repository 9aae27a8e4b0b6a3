"""Decoded pixels kept on disk, to be mapped into memory instead of decoded again in every epoch.

One entry a data file and set of passes: a line of JSON, then the poses and the arrays as they are in memory. It is as
large as the pixels: scenes x views x channels x size^2 x 2 bytes (half floats; 4 for files of 32-bit floats), about
three times the EXR file. Entries are keyed by the file's name, size and time, appear whole or not at all, and
may be made, read and removed by several processes at once. The cache never fails a run: where it cannot be written,
files are decoded each time.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnsr.buffers import BUFFERS
from cnsr.datasets.stored import StoredBatch
from cnsr.errors import StorageError
from cnsr.files import atomic_path, make_folder, user_cache_folder

FREE_RESERVE = 1 << 30
"""Bytes that the cache leaves free on its disk."""

_VERSION = 1
_SUFFIX = ".views"
_ALIGNMENT = 64
_ABANDONED_AFTER = 3600.0  # seconds; temporary files older than that belong to no living run


class DecodeCache:
    """Decoded batches of one data folder, for one set of passes.

    Args:
        folder: where entries lie; ``None`` keeps nothing.
        passes: the buffers that an entry holds, in table order.
    """

    def __init__(self, folder: Path | None, passes: Sequence[str]) -> None:
        self.folder = folder
        self._passes = tuple(passes)

    def load(self, path: Path) -> StoredBatch | None:
        """Return the batch of the data file at `path`, mapped and read-only; ``None`` where there is no entry."""
        entry = self._entry(path)
        if entry is None:
            return None
        try:
            with entry.open("rb") as file:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError):  # no entry, or an empty one
            return None
        return _unpacked(data, str(path))

    def store(self, path: Path, batch: StoredBatch) -> str | None:
        """Keep `batch` as the content of the data file at `path`.

        Where that is not possible the cache is switched off in this process, and a line that says why is returned.
        """
        entry = self._entry(path)
        if entry is None:
            return None
        try:
            size = sum(array.nbytes for array in batch.passes.values())
            if shutil.disk_usage(entry.parent).free < size + FREE_RESERVE:
                raise StorageError(f"less than {FREE_RESERVE >> 30} GiB would stay free on the disk of {entry.parent}")
            with atomic_path(entry) as temporary, temporary.open("wb") as file:
                for block in _packed(batch):
                    file.write(block)
        except (StorageError, OSError) as error:
            self.folder = None
            return f"data is decoded anew in every epoch, since the cache cannot be written: {error}"
        return None

    def drop_stale(self, files: Iterable[Path]) -> None:
        """Remove the entries of files that are not among `files` or have changed since."""
        if self.folder is None:
            return
        current = {_key(path) for path in files}
        for entry in self.folder.glob(f"*{_SUFFIX}"):
            stale = entry.name.rsplit(".", 2)[0] not in current
            if entry.name.startswith("."):
                stale = _age(entry) > _ABANDONED_AFTER
            if stale:
                entry.unlink(missing_ok=True)

    def _entry(self, path: Path) -> Path | None:
        if self.folder is None:
            return None
        key = _key(path)
        names = hashlib.sha256(repr((_VERSION, self._passes)).encode()).hexdigest()[:8]
        return None if key is None else self.folder / f"{key}.{names}{_SUFFIX}"


def cache_folder(data_folder: Path) -> Path | None:
    """Return a folder for the cache of `data_folder`: inside it, else in the user's cache folder, else ``None``."""
    inside = data_folder / ".cache"
    named = hashlib.sha256(str(data_folder.resolve()).encode()).hexdigest()[:16]
    for folder in (inside, user_cache_folder() / f"{data_folder.name}-{named}"):
        try:
            make_folder(folder)
        except StorageError:
            continue
        return folder
    return None


def _key(path: Path) -> str | None:
    """Return what identifies the file at `path` and its present content, or ``None`` where it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    identity = hashlib.sha256(f"{path.name} {status.st_size} {status.st_mtime_ns}".encode()).hexdigest()[:16]
    return f"{path.stem}.{identity}"


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def _packed(batch: StoredBatch) -> Iterable[bytes | memoryview]:
    """Yield the bytes of an entry: a line of JSON filled up with spaces, poses, then each pass."""
    description = {
        "dtypes": {name: array.dtype.name for name, array in batch.passes.items()},
        "grid": batch.poses.shape[:2],
        "size": batch.contents.size,
        "factor": batch.factor,
        "notes": batch.notes,
    }
    line = json.dumps(description).encode()
    yield line + b" " * (-(len(line) + 1) % _ALIGNMENT) + b"\n"
    for array in (batch.poses, *batch.passes.values()):
        yield np.ascontiguousarray(array).data.cast("B")


def _unpacked(data: mmap.mmap, name: str) -> StoredBatch | None:
    """Return the batch that lies in `data`, without copying; ``None`` if something is missing."""
    begin = data.find(b"\n") + 1
    if begin == 0:
        return None
    try:
        description = json.loads(data[:begin])
        scenes, views = description["grid"]
        size = description["size"]
        shapes = {key: (scenes, views, BUFFERS[key].channels, size, size) for key in description["dtypes"]}
        dtypes = {"poses": np.dtype(np.float32), **{k: np.dtype(v) for k, v in description["dtypes"].items()}}
    except (ValueError, KeyError, TypeError):
        return None
    arrays: dict[str, NDArray[Any]] = {}
    for key, shape in {"poses": (scenes, views, 16), **shapes}.items():
        count = int(np.prod(shape))
        end = begin + count * dtypes[key].itemsize
        if end > len(data):
            return None
        arrays[key] = np.frombuffer(data, dtypes[key], count, begin).reshape(shape)
        begin = end
    poses = arrays.pop("poses")
    return StoredBatch(arrays, poses, description["factor"], name, tuple(description["notes"]))
