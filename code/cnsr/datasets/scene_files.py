"""The folders of scene JSON files that a data set is rendered from (layout: spec, "Dataset tree of JSON files")."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from cnsr.datasets.stored import FACTORS
from cnsr.errors import DatasetError

_BATCH = re.compile(r"batch\d+")


@dataclass(frozen=True)
class BatchFiles:
    """The scene files of one batch.

    Attributes:
        folder: ``IN/batch000000000``.
        views: one path a view, [S][V]; every scene has as many.
        factor: index into ``FACTORS`` of what differs between the scenes, or ``None``.
    """

    folder: Path
    views: tuple[tuple[Path, ...], ...]
    factor: int | None

    @property
    def name(self) -> str:
        """The batch's name, ``batch000000000``."""
        return self.folder.name

    @property
    def view_count(self) -> int:
        """S x V."""
        return sum(len(scene) for scene in self.views)

    def hashes(self) -> tuple[tuple[str, ...], ...]:
        """Return a hash of each file's content, [S][V]. Raises ``DatasetError`` where one cannot be read."""
        return tuple(tuple(_hash(path) for path in scene) for scene in self.views)


def batch_folders(folder: Path) -> list[Path]:
    """Return the batch folders in `folder`, by name.

    Raises:
        DatasetError: there is no such folder, or it holds none.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder; create-dataset-json-files.py makes the scene files")
    try:
        found = sorted(path for path in folder.iterdir() if path.is_dir() and _BATCH.fullmatch(path.name))
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be read: {error.strerror}") from error
    if not found:
        inside = [name for name in ("train", "test") if (folder / name).is_dir()]
        hint = f"did you mean {folder / inside[0]}?" if inside else "create-dataset-json-files.py makes them"
        raise DatasetError(f"{folder}: holds no folders named like batch000000000; {hint}")
    return found


def batch_files(folder: Path) -> BatchFiles:
    """Return the scene files in one batch folder.

    Raises:
        DatasetError: it holds none, its scenes have different numbers of views, or ``factor.txt`` is wrong.
    """
    scenes = sorted(path for path in folder.glob("scene*") if path.is_dir())
    views = tuple(tuple(sorted(scene.glob("view*.json"))) for scene in scenes)
    if not views or not views[0]:
        raise DatasetError(f"{folder}: holds no files like scene0000/view000.json")
    for scene, files in zip(scenes, views, strict=True):
        if len(files) != len(views[0]):
            raise DatasetError(f"{scene}: holds {len(files)} views, but {scenes[0].name} holds {len(views[0])}")
    return BatchFiles(folder, views, _factor(folder / "factor.txt"))


def _factor(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from error
    if text not in map(str, range(len(FACTORS))):
        meanings = ", ".join(f"{index} ({name})" for index, name in enumerate(FACTORS))
        raise DatasetError(f"{path}: holds {text[:20]!r}, expected one of {meanings}")
    return int(text)


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from error
