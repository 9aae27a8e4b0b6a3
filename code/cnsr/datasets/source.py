"""Where batches come from: a folder of EXR files, a folder of published NPZ archives, or the renderer itself.

Everything that can be wrong with a data folder is found when it is opened, before training starts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from cnsr.config import Config
from cnsr.datasets import exr, npz
from cnsr.datasets.cache import DecodeCache, cache_folder
from cnsr.datasets.stored import Contents, StoredBatch, cleaned
from cnsr.errors import DatasetError

Split = Literal["train", "test"]


@dataclass(frozen=True)
class Share:
    """Which scenes of every training batch this process takes, where several processes train together.

    Attributes:
        number: of this process, from 0.
        count: how many processes share a batch; each takes equally many scenes, in the order of their numbers.
        neighbors: how many of them work on this machine, and share its processors and memory.
    """

    number: int = 0
    count: int = 1
    neighbors: int = 1

    def of(self, scenes: int) -> range:
        """Return which of so many scenes they are."""
        own = scenes // self.count
        return range(self.number * own, (self.number + 1) * own)


ALL = Share()
"""The whole batch, by one process."""


class Source(Protocol):
    """Something that batches can be read from, by index."""

    @property
    def share(self) -> Share:
        """Which scenes of each batch are read."""

    @property
    def size(self) -> int:
        """Pixels along an edge of the images."""

    @property
    def count(self) -> int | None:
        """How many batches there are; ``None`` where they never end."""

    def read(self, index: int) -> StoredBatch:
        """Return the scenes of batch `index`, finite and ready to use.

        Raises:
            DatasetError: its file is unusable.
        """


@dataclass(frozen=True)
class _Format:
    describe: Callable[[Path], Contents]
    read: Callable[[Path, Sequence[str]], StoredBatch]


_FORMATS = {".exr": _Format(exr.describe, exr.read_batch), ".npz": _Format(npz.describe, npz.read_batch)}


@dataclass(frozen=True)
class Needs:
    """What a config asks of its data.

    Attributes:
        passes: in table order.
        size: pixels along an edge, at least.
        scenes: a batch, at least.
        views: a scene, at least.
        factor: whether batches must say what differs between their scenes.
    """

    passes: tuple[str, ...]
    size: int
    scenes: int
    views: int
    factor: bool

    @classmethod
    def of(cls, config: Config, split: Split) -> Needs:
        """Return what `config` asks of the data of `split`."""
        return cls(
            passes=config.passes,
            size=config.render_size,
            scenes=config.batch_size if split == "train" else config.test_batch_size,
            views=config.views_per_scene,
            factor=config.latent_separation and split == "train",
        )

    def complaint(self, contents: Contents, split: Split) -> str | None:
        """Return why `contents` will not do and what to change, or ``None`` where they will."""
        missing = [name for name in self.passes if name not in contents.passes]
        if missing:
            return (
                f"lacks the pass {', '.join(missing)}; it has {', '.join(contents.passes) or 'none'} and the config "
                f"needs {', '.join(self.passes)}: render it with this config, or change the config's passes"
            )
        if contents.size < self.size:
            return (
                f"has images of {contents.size} x {contents.size} pixels, too small for render_size {self.size}: "
                "render it with this config, or lower render_size"
            )
        if contents.views < self.views:
            return f"has {contents.views} views a scene, fewer than views_per_scene {self.views}"
        if contents.scenes < self.scenes:
            key = "batch_size" if split == "train" else "test_batch_size"
            return f"has {contents.scenes} scenes a batch, fewer than {key} {self.scenes}"
        if self.factor and contents.factor is None:
            return (
                "does not say which factor differs between its scenes, which latent_separation needs: make the scene "
                "files with create-dataset-json-files.py and a config that has latent_separation true (it writes "
                "factor.txt), and render those"
            )
        return None


class FolderSource:
    """The data files of one folder, in the order of their names. Use ``open_folder``.

    Attributes:
        files: all of them, usable or not.
        size: pixels along an edge of the images.
        share: which scenes of each batch are returned.
    """

    def __init__(
        self, files: Sequence[Path], needs: Needs, split: Split, size: int, cache: DecodeCache, share: Share
    ) -> None:
        self.files = tuple(files)
        self.share = share
        self._needs = needs
        self._split: Split = split
        self.size = size
        self._cache = cache

    @property
    def count(self) -> int:
        """The number of files, usable or not."""
        return len(self.files)

    def read(self, index: int) -> StoredBatch:
        """Return the batch of file `index`: as many scenes as the config needs, of which this process has its share.

        Raises:
            DatasetError: the file is damaged, or differs from the first one in a way that matters.
        """
        path = self.files[index]
        cached = self._cache.load(path)
        batch = cached or cleaned(_FORMATS[path.suffix].read(path, self._needs.passes))
        complaint = self._needs.complaint(batch.contents, self._split)
        if complaint is None and batch.contents.size != self.size:
            complaint = f"has images of {batch.contents.size} pixels, while the first usable file has {self.size}"
        if complaint is None and not np.isfinite(batch.poses).all():
            complaint = "has a camera matrix that is not finite"
        if complaint is not None:
            raise DatasetError(f"{path}: {complaint}")
        note = self._cache.store(path, batch) if cached is None else None
        own = batch.only(self.share.of(self._needs.scenes))
        # The note is not kept with the batch in the cache: it concerns this run only.
        return replace(own, notes=(*batch.notes, note)) if note else own


def open_folder(folder: Path, needs: Needs, split: Split, share: Share = ALL) -> FolderSource:
    """Open a folder of EXR or NPZ files, whichever lie in it.

    Raises:
        DatasetError: it is missing, empty, mixed or damaged throughout, or its first usable file lacks what is needed.
    """
    files = _data_files(folder, split)
    damaged: list[str] = []
    for path in files:
        try:
            contents = _FORMATS[path.suffix].describe(path)
        except DatasetError as error:
            damaged.append(str(error))
            continue
        complaint = needs.complaint(contents, split)
        if complaint is not None:
            raise DatasetError(f"{folder} ({split}_data_dir) {complaint}")
        cache = DecodeCache(cache_folder(folder), needs.passes)
        cache.drop_stale(files)
        return FolderSource(files, needs, split, contents.size, cache, share)
    raise DatasetError(f"{folder} ({split}_data_dir): none of its {len(files)} files can be used; {damaged[0]}")


def _data_files(folder: Path, split: Split) -> list[Path]:
    place = f"{folder} ({split}_data_dir)"
    make = "make it with generate-dataset.py, or set cached_dataset to false to render while training"
    if not folder.exists():
        raise DatasetError(f"{place}: no such folder; {make}")
    if not folder.is_dir():
        raise DatasetError(f"{place}: is a file, expected a folder of EXR or NPZ files")
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix in _FORMATS and not path.name.startswith("."))
    except OSError as error:
        raise DatasetError(f"{place}: cannot be read: {error.strerror}") from error
    kinds = sorted({path.suffix for path in found})
    if not kinds:
        raise DatasetError(f"{place}: holds no EXR or NPZ file; {make}")
    if len(kinds) > 1:
        raise DatasetError(f"{place}: holds both EXR and NPZ files; keep one kind in a folder")
    return found


def open_source(config: Config, split: Split, seed: int = 0, share: Share = ALL) -> Source:
    """Return the data of `split` that `config` asks for.

    Args:
        config: `cached_dataset` chooses between its data folder and rendering while training.
        split: which data folder.
        seed: of the scenes that are rendered while training; folders do not depend on it.
        share: which scenes of each batch to read.

    Raises:
        DatasetError: the folder is missing, or does not hold what the config needs.
        RenderError: rendering while training is asked for and the renderer is not there.
    """
    if config.cached_dataset:
        folder = config.train_data_dir if split == "train" else config.test_data_dir
        return open_folder(folder, Needs.of(config, split), split, share)
    from cnsr.datasets.live import LiveSource  # only here is the renderer needed

    return LiveSource.open(config, split, seed, share)
