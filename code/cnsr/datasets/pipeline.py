"""Batches rendered in this process.

While one batch is rendered, the scene files of the next are read and the previous one is compressed and written, each
in a thread of its own: rendering and compressing leave Python's lock alone.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from cnsr.datasets.batch_jobs import (
    BatchJob,
    OtherOriginError,
    SampleCounts,
    Tracer,
    is_finished,
    target_path,
)
from cnsr.datasets.exr import write_batch
from cnsr.datasets.rendered import RenderedView
from cnsr.datasets.scene_files import BatchFiles
from cnsr.datasets.work import Work
from cnsr.errors import DatasetError, SceneError

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0


class Pipeline:
    """An ``Engine`` that renders in this process by `tracer`."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def render(self, work: Work) -> None:
        """Render what is pending, and wait for what other runs are rendering.

        Raises:
            DatasetError: another run has written a batch of other scenes or settings.
            StorageError: a file could not be written; finished batches stay.
            RenderError: the renderer failed.
        """
        reading = ThreadPoolExecutor(1, "read scenes")
        queue = _Queue(work, self._tracer)
        writer = _Writer(work)
        pause, told = _SHORTEST_PAUSE, False
        try:
            upcoming = reading.submit(queue.next)
            while True:
                opened = upcoming.result()
                if opened is None:
                    writer.settle()
                    if not queue.left():
                        return
                    if not told:
                        work.waits(queue.left())
                        told = True
                    time.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)
                    upcoming = reading.submit(queue.next)
                    continue
                upcoming = reading.submit(queue.next)
                pause = _SHORTEST_PAUSE
                self._do(work, opened, writer)
        finally:
            reading.shutdown(cancel_futures=True)
            writer.close()

    def _do(self, work: Work, opened: _Opened, writer: _Writer) -> None:
        fault = opened.fault
        if opened.job is not None:
            try:
                writer.write(opened.files, opened.job, opened.job.render(work.settings, self._tracer))
                return
            except (SceneError, DatasetError) as error:
                fault = str(error)
                work.claims.release(opened.files.name)
        if fault is None:
            work.found(opened.files)
        else:
            work.broken(opened.files, fault)


@dataclass(frozen=True)
class _Opened:
    """A pending batch that no other run is at: claimed and loaded, or finished by another run, or broken."""

    files: BatchFiles
    job: BatchJob | None = None
    fault: str | None = None


class _Queue:
    """The batches that are still to be claimed."""

    def __init__(self, work: Work, tracer: Tracer) -> None:
        self._work = work
        self._tracer = tracer
        self._batches = deque(work.pending)

    def left(self) -> int:
        """Return how many there are."""
        return len(self._batches)

    def next(self) -> _Opened | None:
        """Return the next batch that no other run is at; ``None`` where there is no such now, or none at all."""
        for _ in range(len(self._batches)):
            files = self._batches.popleft()
            if self._work.claims.take(files.name):
                return self._open(files)
            self._batches.append(files)
        return None

    def _open(self, files: BatchFiles) -> _Opened:
        opened = _Opened(files)
        try:
            if not is_finished(files, self._work.out_folder, self._work.settings):
                opened = _Opened(files, BatchJob.load(files, self._tracer))
        except OtherOriginError:
            raise
        except (SceneError, DatasetError) as error:
            opened = _Opened(files, fault=str(error))
        if opened.job is None:
            self._work.claims.release(files.name)
        return opened


class _Writer:
    """Writes batches in a thread of its own; never more than one waits for the disk."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._thread = ThreadPoolExecutor(1, "write batches")
        self._writing: tuple[Future[SampleCounts], BatchFiles] | None = None

    def write(self, files: BatchFiles, job: BatchJob, views: Sequence[RenderedView]) -> None:
        """Begin to write a batch, as soon as the one before is on disk."""
        self.settle()
        self._writing = self._thread.submit(self._write, files, job, views), files

    def settle(self) -> None:
        """Wait for the batch that is being written, and count it. Raises ``StorageError`` where that failed."""
        if self._writing is None:
            return
        (written, files), self._writing = self._writing, None
        self._work.written(files.view_count, written.result())

    def close(self) -> None:
        """End the thread; what has been rendered is not thrown away."""
        self._thread.shutdown()

    def _write(self, files: BatchFiles, job: BatchJob, views: Sequence[RenderedView]) -> SampleCounts:
        rendered = job.batch_of(views, self._work.settings)
        target = target_path(self._work.out_folder, files)
        write_batch(target, rendered.batch, rendered.origin, self._work.settings.precision)
        self._work.claims.release(files.name)
        return rendered.counts
