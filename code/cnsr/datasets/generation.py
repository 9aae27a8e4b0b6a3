"""From folders of scene JSON files to a rendered data set, one EXR file a batch.

While one batch is rendered, the scene files of the next are read and the previous one is compressed and written, each
in a thread of its own: rendering and compressing leave Python's lock alone. Every view's random seed follows from its
scene file and its place alone, so that neither the order nor interruptions nor the number of threads change a byte.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cnsr.config import Config
from cnsr.datasets.exr import Origin, read_header, write_batch
from cnsr.datasets.manifest import NAME, Manifest, RenderSettings, check_folder, scene_seed
from cnsr.datasets.rendered import RenderedView, stored_batch, view_seed
from cnsr.datasets.scene_files import BatchFiles, batch_files, batch_folders
from cnsr.datasets.stored import Contents, StoredBatch
from cnsr.errors import DatasetError, SceneError
from cnsr.files import make_folder, storage_error


class Tracer(Protocol):
    """What generation asks of a renderer (``cnsr.rendering.PathTracer``)."""

    def load_scene(self, scene: Path) -> Any:
        """Read a scene file, with its meshes and textures. Called by one thread while another renders."""

    def render_views(
        self,
        scenes: Sequence[Any],
        *,
        size: int,
        samples: int,
        seeds: Sequence[int],
        buffers: Sequence[str],
        target_error: float | None = None,
        max_samples: int | None = None,
    ) -> Sequence[RenderedView]:
        """Render one view of each scene."""


class Reporter(Protocol):
    """Is told how far generation is."""

    def begin(self, views: int) -> None:
        """`views` are to be rendered."""

    def finished(self, views: int) -> None:
        """`views` more are on disk, or will never be."""

    def fault(self, message: str) -> None:
        """A batch is left out, and why."""


@dataclass
class Summary:
    """What a run did.

    Attributes:
        written: batches.
        present: batches found finished.
        broken: batches left out.
        views: written.
        dropped: samples that were not finite.
        samples: per pixel, summed over views; only counted with a target error.
        limited: views that took as many samples as the target error's limit allows.
    """

    written: int = 0
    present: int = 0
    broken: int = 0
    views: int = 0
    dropped: int = 0
    samples: int = 0
    limited: int = 0

    def count_samples(self, origin: Origin, settings: RenderSettings) -> None:
        """Count what the views of a batch took, if that was left to the renderer."""
        if settings.target_error is not None:
            taken = [samples for scene in origin.samples for samples in scene]
            self.samples += sum(taken)
            self.limited += sum(samples == settings.max_samples for samples in taken)

    def line(self, seconds: float) -> str:
        """Return what to tell at the end of a run that took `seconds`."""
        text = f"{self.views} views rendered in {seconds:.1f} s ({self.views / max(seconds, 1e-9):.1f} views/s): "
        text += f"{self.written} batches written, {self.present} already there"
        if self.samples:
            text += f"; {self.samples / max(self.views, 1):.0f} samples a pixel on average"
        if self.limited:
            text += f"; {self.limited} views went to the limit of samples"
        if self.dropped:
            text += f"; {self.dropped} samples were not finite and dropped"
        if self.broken:
            text += f"; {self.broken} left out, since their scene files are broken"
        return text


@dataclass(frozen=True)
class _Job:
    """A batch to be rendered: its loaded scene files, scene by scene, view by view."""

    files: BatchFiles
    target: Path
    scenes: tuple[Any, ...]
    hashes: tuple[tuple[str, ...], ...]

    def seeds(self) -> tuple[tuple[int, ...], ...]:
        views = len(self.files.views[0])
        return tuple(
            tuple(
                view_seed(self.scenes[scene * views + view].description.seed, self.files.name, scene, view)
                for view in range(views)
            )
            for scene in range(len(self.files.views))
        )


def generate(
    config: Config,
    in_folder: Path,
    out_folder: Path,
    settings: RenderSettings,
    tracer: Tracer,
    reporter: Reporter,
    overwrite: bool = False,
) -> Summary:
    """Render every batch of `in_folder` that `out_folder` does not hold yet.

    Batches whose scene files are broken are reported and counted; the others are rendered.

    Raises:
        DatasetError: `in_folder` holds no batches, or `out_folder` holds batches of other scenes or settings.
        StorageError: a file could not be written; finished batches stay.
        RenderError: the renderer failed.
    """
    in_folder, out_folder = in_folder.resolve(), out_folder.resolve()
    folders = batch_folders(in_folder)
    make_folder(out_folder)
    with _locked(out_folder):
        if overwrite:
            _remove(out_folder.glob("batch*.exr"))
        else:
            check_folder(out_folder, settings)
        _remove(out_folder.glob(".*.tmp.*"))  # of dead runs, since no other holds the lock
        summary = Summary()
        pending = _pending(folders, out_folder, settings, summary, reporter)
        if pending or not (out_folder / NAME).exists():
            _describe(config, in_folder, out_folder, settings, folders)
        reporter.begin(sum(files.view_count for files in pending))
        _render_all(pending, out_folder, settings, tracer, reporter, summary)
    return summary


def _pending(
    folders: Sequence[Path], out_folder: Path, settings: RenderSettings, summary: Summary, reporter: Reporter
) -> list[BatchFiles]:
    """Return the batches that are still to be rendered; count those that are finished, report those that never will."""
    pending = []
    for folder in folders:
        try:
            files = batch_files(folder)
            hashes = files.hashes() if _target(out_folder, files).exists() else None
        except DatasetError as error:
            reporter.fault(str(error))
            summary.broken += 1
            continue
        if hashes is not None and _finished(files, hashes, _target(out_folder, files), settings):
            summary.present += 1
        else:
            pending.append(files)
    return pending


def _finished(files: BatchFiles, hashes: tuple[tuple[str, ...], ...], target: Path, settings: RenderSettings) -> bool:
    """Return whether `target` holds the rendered batch `files`, judged by its headers; a damaged one does not count.

    Raises:
        DatasetError: it is whole but of other scenes or settings.
    """
    try:
        contents, origin = read_header(target)
    except DatasetError:
        return False
    expected = Contents(settings.passes, settings.size, len(files.views), len(files.views[0]), files.factor)
    advice = "choose another --out_folder, delete that file, or render everything anew with --overwrite"
    if origin.config != settings.digest():
        raise DatasetError(f"{target}: was rendered with other settings; {advice}")
    if contents != expected or origin.scenes != hashes:
        raise DatasetError(f"{target}: was rendered from other scene files than those in {files.folder}; {advice}")
    return True


def _describe(
    config: Config, in_folder: Path, out_folder: Path, settings: RenderSettings, folders: Sequence[Path]
) -> None:
    for folder in folders:
        with suppress(DatasetError):
            first = batch_files(folder)
            break
    else:
        return  # nothing will be rendered
    excluded = {"train_data_dir", "test_data_dir"}  # they differ between machines
    Manifest(
        render=settings,
        batches=len(folders),
        scenes_per_batch=len(first.views),
        views_per_scene=len(first.views[0]),
        seed=scene_seed(in_folder),
        config=config.model_dump(mode="json", exclude=excluded),
    ).write(out_folder)


def _render_all(
    pending: Sequence[BatchFiles],
    out_folder: Path,
    settings: RenderSettings,
    tracer: Tracer,
    reporter: Reporter,
    summary: Summary,
) -> None:
    reading = ThreadPoolExecutor(1, "read scenes")
    writer = _Writer(summary, reporter)
    try:
        upcoming = reading.submit(_load, pending[0], out_folder, tracer) if pending else None
        for index, files in enumerate(pending):
            job, upcoming = upcoming, None
            if index + 1 < len(pending):
                upcoming = reading.submit(_load, pending[index + 1], out_folder, tracer)
            assert job is not None
            try:
                batch, origin, dropped = _render(job.result(), settings, tracer)
            except (SceneError, DatasetError) as error:
                reporter.fault(str(error))
                reporter.finished(files.view_count)
                summary.broken += 1
                continue
            summary.dropped += dropped
            summary.count_samples(origin, settings)
            writer.write(_target(out_folder, files), batch, origin, settings)
        writer.settle()
    finally:
        reading.shutdown(cancel_futures=True)
        writer.close()


class _Writer:
    """Writes batches in a thread of its own; never more than one waits for the disk."""

    def __init__(self, summary: Summary, reporter: Reporter) -> None:
        self._summary = summary
        self._reporter = reporter
        self._thread = ThreadPoolExecutor(1, "write batches")
        self._writing: tuple[Future[None], int] | None = None

    def write(self, target: Path, batch: StoredBatch, origin: Origin, settings: RenderSettings) -> None:
        """Begin to write `batch`, as soon as the one before is on disk."""
        self.settle()
        written = self._thread.submit(write_batch, target, batch, origin, settings.precision)
        self._writing = written, batch.poses.shape[0] * batch.poses.shape[1]

    def settle(self) -> None:
        """Wait for the batch that is being written, and count it. Raises ``StorageError`` where that failed."""
        if self._writing is None:
            return
        (written, views), self._writing = self._writing, None
        written.result()
        self._summary.written += 1
        self._summary.views += views
        self._reporter.finished(views)

    def close(self) -> None:
        """End the thread; what has been rendered is not thrown away."""
        self._thread.shutdown()


def _load(files: BatchFiles, out_folder: Path, tracer: Tracer) -> _Job:
    """Read the scene files of a batch. Raises ``SceneError`` that names every broken one."""
    scenes: list[Any] = []
    faults: list[str] = []
    hashes = files.hashes()
    for path in (path for scene in files.views for path in scene):
        try:
            scenes.append(tracer.load_scene(path))
        except SceneError as error:
            faults.append(str(error))
    if faults:
        raise SceneError("\n".join(faults))
    return _Job(files, _target(out_folder, files), tuple(scenes), hashes)


def _render(job: _Job, settings: RenderSettings, tracer: Tracer) -> tuple[StoredBatch, Origin, int]:
    seeds = job.seeds()
    views = tracer.render_views(job.scenes, seeds=[seed for scene in seeds for seed in scene], **settings.options())
    count = len(job.files.views[0])
    samples = tuple(
        tuple(view.samples for view in views[scene * count : (scene + 1) * count]) for scene in range(len(seeds))
    )
    batch = stored_batch(views, len(job.files.views), job.files.factor, str(job.target))
    return batch, Origin(samples, settings.digest(), seeds, job.hashes), sum(view.dropped for view in views)


def _target(out_folder: Path, files: BatchFiles) -> Path:
    return out_folder / f"{files.name}.exr"


def _remove(paths: Iterator[Path]) -> None:
    for path in list(paths):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(path, error) from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold `folder` against a second run in it. The lock ends with the process, however that ends."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DatasetError(
                f"{folder}: another run is writing there; wait for it or choose another folder"
            ) from error
        except OSError:
            pass  # some network file systems know no locks
        yield
    finally:
        os.close(handle)
