"""Published data sets: one NumPy archive a batch.

An array for each pass, float16 [scenes, views, channels, height, width]; ``poses`` [scenes, views, 16, 1, 1];
``factor``, a scalar, in partitioned training batches. Arrays are decoded one by one, so that only what is asked for
costs time.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnsr.buffers import BUFFERS
from cnsr.datasets.stored import FACTORS, Contents, StoredBatch, in_table_order
from cnsr.errors import DatasetError


def describe(path: Path) -> Contents:
    """Return what the archive at `path` holds, from the headers of its arrays.

    Raises:
        DatasetError: the file is damaged, or its arrays do not fit together.
    """
    with _archive(path) as archive:
        shapes = {name: _shape(archive, name) for name in archive.files if name in BUFFERS or name == "poses"}
        scenes, views, size = _grid(path, shapes)
        return Contents(in_table_order(shapes), size, scenes, views, _factor(path, archive))


def read_batch(path: Path, passes: Sequence[str] | None = None) -> StoredBatch:
    """Read the named buffers (default: all) of every view of the archive at `path`.

    Raises:
        DatasetError: the file is damaged, its arrays do not fit together, or a pass is missing.
    """
    with _archive(path) as archive:
        names = in_table_order(archive.files if passes is None else passes)
        missing = [name for name in names if name not in archive.files]
        if missing:
            raise DatasetError(f"{path}: lacks the pass {', '.join(missing)}; it has {', '.join(archive.files)}")
        pixels = {name: _floating(path, name, archive[name]) for name in names}
        if "poses" not in archive.files:
            raise DatasetError(f"{path}: lacks the array poses; it has {', '.join(archive.files)}")
        poses = archive["poses"]
        scenes, views, _ = _grid(path, {"poses": poses.shape, **{name: array.shape for name, array in pixels.items()}})
        factor = _factor(path, archive)
    return StoredBatch(pixels, poses.astype(np.float32).reshape(scenes, views, 16), factor, str(path))


@contextmanager
def _archive(path: Path) -> Iterator[Any]:
    """Open the archive at `path`; what NumPy and zip raise on damaged files becomes ``DatasetError``."""
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise DatasetError(f"{path}: is a single array, not an archive of named arrays")
        with archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, NotImplementedError) as error:
        raise DatasetError(f"{path}: damaged: {' '.join(str(error).split())}") from error
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from error


def _shape(archive: Any, name: str) -> tuple[int, ...]:
    """Return the shape of one array from its header alone."""
    with archive.zip.open(f"{name}.npy") as member:
        version = np.lib.format.read_magic(member)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        return tuple(read(member)[0])


def _grid(path: Path, shapes: dict[str, tuple[int, ...]]) -> tuple[int, int, int]:
    """Check that the arrays describe the same views; return scenes, views and edge length."""
    poses = shapes.get("poses")
    if poses is None:
        raise DatasetError(f"{path}: lacks the array poses; it has {', '.join(shapes) or 'nothing'}")
    if len(poses) < 3 or int(np.prod(poses[2:])) != 16:
        raise DatasetError(f"{path}: poses has the shape {list(poses)}, expected [scenes, views, 16, 1, 1]")
    scenes, views = poses[:2]
    passes = {name: shape for name, shape in shapes.items() if name != "poses"}
    if not passes:
        raise DatasetError(f"{path}: holds no image buffer; known ones are {', '.join(BUFFERS)}")
    size = next(iter(passes.values()))[-1]
    for name, shape in passes.items():
        expected = (scenes, views, BUFFERS[name].channels, size, size)
        if shape != expected:
            raise DatasetError(f"{path}: {name} has the shape {list(shape)}, expected {list(expected)}")
    return scenes, views, size


def _factor(path: Path, archive: Any) -> int | None:
    if "factor" not in archive.files:
        return None
    values = np.asarray(archive["factor"]).reshape(-1)
    if values.size != 1 or values[0] not in range(-1, len(FACTORS)):
        raise DatasetError(f"{path}: factor is {values.tolist()}, expected 0, 1 or 2")
    return None if values[0] == -1 else int(values[0])


def _floating(path: Path, name: str, pixels: NDArray[Any]) -> NDArray[Any]:
    if pixels.dtype == np.float16:
        return pixels
    if not np.issubdtype(pixels.dtype, np.number) or np.iscomplexobj(pixels):
        raise DatasetError(f"{path}: {name} holds {pixels.dtype}, expected float16")
    return pixels.astype(np.float32)
