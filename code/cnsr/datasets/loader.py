"""Batches for training and testing, read ahead in worker processes."""
# ruff: noqa: PT028  (`test_loader` is no test)

from __future__ import annotations

import itertools
import multiprocessing
import os
import shutil
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from cnsr.buffers import channel_count
from cnsr.child_processes import depend_on_parent, sheltered_start
from cnsr.config import Config
from cnsr.datasets.arrangement import PackedBatch, arrange, batch_candidates, view_order
from cnsr.datasets.batch import Batch
from cnsr.datasets.source import Needs, Source, Split, open_source
from cnsr.datasets.stored import StoredBatch
from cnsr.errors import DatasetError, UserError

PREFETCH = 2
"""Batches that each worker holds ready."""

_SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class _Delivery:
    """What a worker hands over: a batch, or none where its file is unusable; lines to tell; or why it must end."""

    batch: PackedBatch | None
    notes: tuple[str, ...] = ()
    error: UserError | None = None

    def pin_memory(self) -> _Delivery:
        return _Delivery(self.batch.pin_memory() if self.batch else None, self.notes, self.error)


class _Reader(Dataset[_Delivery]):
    """Makes the delivery of each iteration; lives in the workers."""

    def __init__(self, source: Source, config: Config, split: Split, seed: int) -> None:
        self._source = source
        self._seed = seed
        self._training = split == "train"
        self._views = config.views_per_scene
        self._random_num_views = config.random_num_views
        self._passes = (config.observation_passes, config.query_passes)

    def __getitem__(self, iteration: int) -> _Delivery:
        try:
            return self._train(iteration) if self._training else self._test(iteration)
        except UserError as error:
            return _Delivery(None, error=error)

    def _train(self, iteration: int) -> _Delivery:
        notes: list[str] = []
        for index in batch_candidates(self._seed, iteration, self._source.count):
            try:
                stored = self._source.read(index)
            except DatasetError as error:
                notes.append(f"skipped {error}")
                continue
            order = view_order(self._seed, iteration, stored.poses.shape[1], self._views, self._random_num_views)
            return _Delivery(self._arranged(stored, order), (*notes, *stored.notes))
        raise DatasetError(f"no file of the training data can be used any more; {notes[0]}")

    def _test(self, iteration: int) -> _Delivery:
        try:
            stored = self._source.read(iteration)
        except DatasetError as error:
            return _Delivery(None, (f"skipped {error}",))
        return _Delivery(self._arranged(stored, range(self._views)), stored.notes)

    def _arranged(self, stored: StoredBatch, order: Sequence[int]) -> PackedBatch:
        allocate = torch.empty if get_worker_info() is None else _shared_block
        return arrange(stored, order, *self._passes, allocate)


class BatchStream(Iterator[Batch]):
    """Batches in a fixed order. Ends its worker processes when closed, left as a context, or no longer referred to.

    Each line about the data (a damaged file, NaN values) is given once as a ``UserWarning``.

    Attributes:
        length: how many batches the whole stream has, unusable ones included; ``None`` where it never ends.
        workers: how many processes read; 0 where reading happens in this one.
    """

    def __init__(
        self, reader: Dataset[_Delivery], iterations: Iterable[int], length: int | None, workers: int, pin_memory: bool
    ) -> None:
        self.length = length
        self.workers = workers
        self._told: set[str] = set()
        processes: dict[str, Any] = {}
        if workers:
            processes = {
                "prefetch_factor": PREFETCH,
                "worker_init_fn": _prepare_worker,
                "multiprocessing_context": _process_context(),
            }
        with sheltered_start():
            self._deliveries: Iterator[_Delivery] | None = iter(
                DataLoader(
                    reader,
                    batch_size=None,
                    sampler=iterations,
                    num_workers=workers,
                    collate_fn=_unchanged,
                    pin_memory=pin_memory,
                    generator=torch.Generator(),  # else making the iterator would draw from the global random state
                    **processes,
                )
            )

    def __next__(self) -> Batch:
        while self._deliveries is not None:
            try:
                delivery = next(self._deliveries)
            # A worker that was killed after it announced a batch cannot hand over the memory any more.
            except (RuntimeError, EOFError, ConnectionError) as error:
                if isinstance(error, RuntimeError) and "exited unexpectedly" not in str(error):
                    raise
                raise DatasetError(
                    "a process that reads data was killed, most likely for want of memory; lower workers or batch_size"
                ) from error
            for note in delivery.notes:
                if note not in self._told:
                    self._told.add(note)
                    warnings.warn(note, stacklevel=2)
            if delivery.error is not None:
                raise delivery.error
            if delivery.batch is not None:
                return delivery.batch.unpacked()
        raise StopIteration

    def close(self) -> None:
        """End the worker processes; no more batches come."""
        self._deliveries = None  # the iterator's finalizer stops and joins them

    def __enter__(self) -> BatchStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def train_loader(
    config: Config,
    seed: int,
    start_iteration: int = 0,
    *,
    workers: int | None = None,
    pin_memory: bool = False,
    source: Source | None = None,
) -> BatchStream:
    """Return the batches of training from `start_iteration` on; they never end.

    Which batch comes at iteration i depends only on (`seed`, i) and the data. Files that are damaged are skipped with
    a warning; another file, drawn for that iteration, takes the place.

    Args:
        config: names data, passes and numbers of scenes and views.
        seed: of the order, and of the scenes where they are rendered while training; at least 0.
        start_iteration: where to go on.
        workers: processes; default is the config's, 0 reads in this process.
        pin_memory: deliver in page-locked memory, for CUDA.
        source: read from this instead of what the config names.

    Raises:
        DatasetError: the data is missing or does not fit the config.
        RenderError: rendering while training is asked for and the renderer is not there.
    """
    source = source or open_source(config, "train", seed)
    reader = _Reader(source, config, "train", seed)
    processes = _affordable(config.workers if workers is None else workers, config, "train", source)
    return BatchStream(reader, _From(start_iteration), None, processes, pin_memory)


def test_loader(
    config: Config,
    seed: int = 0,
    *,
    workers: int = 0,
    pin_memory: bool = False,
    limit: int | None = None,
    source: Source | None = None,
) -> BatchStream:
    """Return the test batches once, in the order of their names, with all views in their order, the last as the query.

    Args:
        config: names data, passes and numbers of scenes and views.
        seed: of the scenes, where they are rendered; at least 0.
        workers: processes; 0 reads in this process.
        pin_memory: deliver in page-locked memory, for CUDA.
        limit: stop after the first `limit` batches, unusable ones included.
        source: read from this instead of what the config names.

    Raises:
        DatasetError: the data is missing or does not fit the config.
        RenderError: rendering is asked for and the renderer is not there.
    """
    source = source or open_source(config, "test", seed)
    length = min(count for count in (source.count, limit) if count is not None)
    reader = _Reader(source, config, "test", seed)
    processes = _affordable(workers, config, "test", source)
    return BatchStream(reader, range(length), length, processes, pin_memory)


test_loader.__test__ = False  # type: ignore[attr-defined]  # no test, whatever its name suggests to pytest


@dataclass(frozen=True)
class _From(Iterable[int]):
    """All integers from `start` on (an iterator would be used up by the loader's first look at it)."""

    start: int

    def __iter__(self) -> Iterator[int]:
        return itertools.count(self.start)


def _shared_block(elements: int) -> torch.Tensor:
    """Return float32 [elements] in shared memory, where a worker's batch would be copied to otherwise."""
    storage = torch.UntypedStorage._new_shared(4 * elements)  # type: ignore[no-untyped-call]
    return torch.empty(0).set_(storage)


def _unchanged(delivery: Any) -> Any:
    return delivery


def _process_context() -> Any:
    """Return how workers are started: as forks of a clean server process.

    Forking this process would copy the locks of its threads (OpenMP, CUDA, the renderer); spawning would import torch
    once more for every worker.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _prepare_worker(_: int) -> None:
    torch.set_num_threads(1)
    # Stop signals go to the whole process group; what to do about them is the trainer's to decide, and it must not
    # find its workers gone. They end with it.
    os.setsid()
    depend_on_parent()


def _affordable(workers: int, config: Config, split: Split, source: Source) -> int:
    """Return how many of `workers` can work at once in the shared memory that batches pass through.

    Containers often have 64 MiB of it, and running out of it kills a process without a word.
    """
    if not workers or not _SHARED_MEMORY.is_dir():
        return workers
    observed = (config.views_per_scene - 1) * channel_count(config.observation_passes)
    floats = (observed + channel_count(config.query_passes)) * source.size**2
    scenes = len(source.share.of(Needs.of(config, split).scenes))
    need = 4 * floats * scenes * (PREFETCH + 1)
    fitting = shutil.disk_usage(_SHARED_MEMORY).free // (need * source.share.neighbors)
    if fitting < workers:
        warnings.warn(
            f"only {fitting} of {workers} reading processes fit in the shared memory of this machine "
            f"({_SHARED_MEMORY}, {need >> 20} MiB each); a container gets more with --shm-size",
            stacklevel=3,
        )
    return min(workers, int(fitting))
