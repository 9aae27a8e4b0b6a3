"""One batch of a data set: from its scene files to what is written, and whether that is done already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cnsr.datasets.exr import Origin, read_header
from cnsr.datasets.manifest import RenderSettings
from cnsr.datasets.rendered import RenderedView, stored_batch, view_seed
from cnsr.datasets.scene_files import BatchFiles
from cnsr.datasets.stored import Contents, StoredBatch
from cnsr.errors import DatasetError, SceneError


class Tracer(Protocol):
    """What generation asks of a renderer (``cnsr.rendering.PathTracer``)."""

    def load_scene(self, scene: Path, like: Any = None) -> Any:
        """Read a scene file, with its meshes and textures. Called by one thread while another renders.

        Args:
            scene: the file.
            like: a scene that was loaded before and may differ in camera and seed only.
        """

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


@dataclass(frozen=True)
class SampleCounts:
    """What became of the samples of some views.

    Attributes:
        dropped: samples that were not finite.
        taken: per pixel, summed over views; only counted with a target error.
        limited: views that took as many samples as the target error's limit allows.
    """

    dropped: int = 0
    taken: int = 0
    limited: int = 0


@dataclass(frozen=True)
class RenderedBatch:
    """What is to be written: pixels and where they come from; and what to count."""

    batch: StoredBatch
    origin: Origin
    counts: SampleCounts


@dataclass(frozen=True)
class BatchJob:
    """A batch to be rendered: its loaded scene files, scene by scene, view by view."""

    files: BatchFiles
    scenes: tuple[Any, ...]
    hashes: tuple[tuple[str, ...], ...]

    @classmethod
    def load(cls, files: BatchFiles, tracer: Tracer) -> BatchJob:
        """Read the scene files of a batch.

        Raises:
            SceneError: some are broken; the message has a line for each.
            DatasetError: some cannot be read.
        """
        scenes: list[Any] = []
        faults: list[str] = []
        hashes = files.hashes()
        for views in files.views:
            before = None
            for path in views:
                try:
                    before = tracer.load_scene(path, before)
                    scenes.append(before)
                except SceneError as error:
                    faults.append(str(error))
        if faults:
            raise SceneError("\n".join(faults))
        return cls(files, tuple(scenes), hashes)

    def render(self, settings: RenderSettings, tracer: Tracer) -> RenderedBatch:
        """Render all views. Raises ``SceneError`` or ``RenderError``."""
        seeds = self._seeds()
        views = tracer.render_views(
            self.scenes, seeds=[seed for scene in seeds for seed in scene], **settings.options()
        )
        batch = stored_batch(views, len(self.files.views), self.files.factor, self.files.name)
        count = len(self.files.views[0])
        samples = [view.samples for view in views]
        by_scene = tuple(tuple(samples[first : first + count]) for first in range(0, len(samples), count))
        origin = Origin(by_scene, settings.digest(), seeds, self.hashes)
        dropped = sum(view.dropped for view in views)
        if settings.target_error is None:
            return RenderedBatch(batch, origin, SampleCounts(dropped))
        limited = samples.count(settings.max_samples or 0)
        return RenderedBatch(batch, origin, SampleCounts(dropped, sum(samples), limited))

    def _seeds(self) -> tuple[tuple[int, ...], ...]:
        views = len(self.files.views[0])
        return tuple(
            tuple(
                view_seed(self.scenes[scene * views + view].description.seed, self.files.name, scene, view)
                for view in range(views)
            )
            for scene in range(len(self.files.views))
        )


def target_path(out_folder: Path, files: BatchFiles) -> Path:
    """Return the file that a batch is written to."""
    return out_folder / f"{files.name}.exr"


def is_finished(files: BatchFiles, out_folder: Path, settings: RenderSettings) -> bool:
    """Return whether a batch lies in `out_folder`, judged by its headers; a damaged file does not count.

    Raises:
        DatasetError: the file is whole but of other scenes or settings, or a scene file cannot be read.
    """
    target = target_path(out_folder, files)
    if not target.exists():
        return False
    hashes = files.hashes()
    try:
        contents, origin = read_header(target)
    except DatasetError:
        return False
    expected = Contents(settings.passes, settings.size, len(files.views), len(files.views[0]), files.factor)
    advice = "choose another --out_folder, delete that file, or render everything anew with --overwrite"
    if origin.config != settings.digest():
        raise OtherOriginError(f"{target}: was rendered with other settings; {advice}")
    if contents != expected or origin.scenes != hashes:
        raise OtherOriginError(f"{target}: was rendered from other scene files than those in {files.folder}; {advice}")
    return True


class OtherOriginError(DatasetError):
    """What lies in the folder is not what this run would make of the batch."""
