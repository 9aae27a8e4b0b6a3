"""The tree of scene files of a dataset.

A batch's folder appears whole or not at all, and holds the same bytes whoever writes it: any number of runs on any
number of machines may share the work.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cnsr.child_processes import depend_on_parent, sheltered_start
from cnsr.config import Config
from cnsr.files import make_folder, storage_error
from cnsr.scenes.datasets import randomizer
from cnsr.scenes.randomizer import DrawnBatch, Split, draw_batch
from cnsr.scenes.tree_record import NAME, agreed_seed
from cnsr.shards import Shard

# A process takes as long to start as one needs for so many views.
_VIEWS_PER_WORKER = 2000


@dataclass(frozen=True)
class BatchJob:
    """One batch to be written: all that its files depend on, and where they go."""

    out: Path
    dataset: str
    seed: int
    split: Split
    index: int
    scenes: int
    views: int
    partitioned: bool

    @property
    def folder(self) -> Path:
        """The batch's folder."""
        return self.out / self.split / f"batch{self.index:09d}"

    def draw(self) -> DrawnBatch:
        """Draw the batch."""
        return draw_batch(
            randomizer(self.dataset), self.seed, self.split, self.index, self.scenes, self.views, self.partitioned
        )

    def is_finished(self) -> bool:
        """Tell whether all files are there. Empty ones do not count: a power failure can leave such."""
        files = [self.folder / "factor.txt"] if self.partitioned else []
        files += [self.folder / view_name(scene, view) for scene in range(self.scenes) for view in range(self.views)]
        with suppress(FileNotFoundError, NotADirectoryError):
            return all(file.stat().st_size > 0 for file in files)
        return False


@dataclass(frozen=True)
class Tree:
    """What ``write_tree`` has done.

    Attributes:
        seed: of the dataset.
        written: number of views that were written now.
        kept: number of views that were there already.
    """

    seed: int
    written: int
    kept: int


def view_name(scene: int, view: int) -> Path:
    """Return the name of a scene file in its batch's folder."""
    return Path(f"scene{scene:04d}") / f"view{view:03d}.json"


def write_tree(
    config: Config,
    out: Path,
    sizes: dict[Split, int],
    seed: int = -1,
    shard: Shard | None = None,
    workers: int = 1,
    begin: Callable[[int], None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Tree:
    """Write the scene files of a dataset, or a share of them; finished batches are kept.

    Args:
        config: says which dataset, how many scenes a batch and views a scene, and whether batches are partitioned.
        out: where ``train``, ``test`` and ``dataset.json`` go.
        sizes: number of batches of each split.
        seed: of the dataset; -1 for that of the config, and if that is -1 too, of ``dataset.json`` or a drawn one.
        shard: the share of the batches that this run writes; all by default.
        workers: number of processes.
        begin: called once with the number of views that are to be written.
        progress: called with the number of views after each batch.

    Raises:
        DatasetError: `out` belongs to another config or seed.
        StorageError: a file could not be written; finished batches stay.
    """
    make_folder(out)
    seed = agreed_seed(out, config, config.seed if seed < 0 else seed)
    jobs = list(_jobs(config, out, sizes, seed, shard or Shard()))
    for split in sizes:
        make_folder(out / split)
    written = 0
    with _swept(out):
        pending = [job for job in jobs if not job.is_finished()]
        if begin:
            begin(sum(job.scenes * job.views for job in pending))
        for views in _run(pending, workers):
            written += views
            if progress:
                progress(views)
    return Tree(seed, written, sum(job.scenes * job.views for job in jobs) - written)


def write_batch(job: BatchJob) -> int:
    """Write one batch and return its number of views. Raises ``StorageError``."""
    batch = job.draw()
    temporary = job.folder.with_name(f".{job.folder.name}.{secrets.token_hex(8)}.tmp")
    try:
        temporary.mkdir()
        if batch.factor is not None:
            (temporary / "factor.txt").write_bytes(b"%d\n" % batch.factor)
        for number, scene in enumerate(batch.scenes):
            (temporary / view_name(number, 0)).parent.mkdir()
            for view in range(job.views):
                (temporary / view_name(number, view)).write_bytes(scene.json(view).encode())
        _put(temporary, job)
    except OSError as error:
        raise storage_error(job.folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return job.scenes * job.views


def _put(temporary: Path, job: BatchJob) -> None:
    """Move a finished folder to its place, unless another run was faster."""
    try:
        temporary.rename(job.folder)
    except OSError:
        if job.is_finished():
            return
        shutil.rmtree(job.folder, ignore_errors=True)  # what a power failure has left
        temporary.rename(job.folder)


def _jobs(config: Config, out: Path, sizes: dict[Split, int], seed: int, shard: Shard) -> Iterator[BatchJob]:
    for split, size in sizes.items():
        scenes = config.batch_size if split == "train" else config.test_batch_size
        partitioned = config.latent_separation and split == "train"
        for index in shard.share(size):
            yield BatchJob(out, config.dataset, seed, split, index, scenes, config.views_per_scene, partitioned)


@contextmanager
def _swept(out: Path) -> Iterator[None]:
    """Remove, before and after, what runs that were killed have left behind; unless other runs are going on."""
    with (out / NAME).open("rb") as record:  # every run holds a shared lock of it
        _sweep_if_alone(out, record)
        with suppress(OSError):  # some network file systems know no locks
            fcntl.flock(record, fcntl.LOCK_SH)
        try:
            yield
        finally:
            _sweep_if_alone(out, record)


def _sweep_if_alone(out: Path, record: BinaryIO) -> None:
    with suppress(OSError):  # of the lock, which another run holds
        fcntl.flock(record, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for left in out.glob("*/.batch*.tmp"):
            shutil.rmtree(left, ignore_errors=True)


def _run(jobs: list[BatchJob], workers: int) -> Iterator[int]:
    """Yield the number of views of each batch as soon as it is written."""
    workers = min(workers, sum(job.scenes * job.views for job in jobs) // _VIEWS_PER_WORKER)
    if workers <= 1:
        yield from map(write_batch, jobs)
        return
    # Fresh processes: forking is not safe where the caller has threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=depend_on_parent) as pool:
        try:
            # Processes start when work is handed out. An interrupt that tore that in two would leave the pool waiting
            # for work that it never got.
            with sheltered_start():
                futures = [pool.submit(write_batch, job) for job in jobs]
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
