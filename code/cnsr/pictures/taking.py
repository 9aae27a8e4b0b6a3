"""Taking pictures of a scene: what is not there yet is rendered and written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cnsr.errors import StorageError
from cnsr.pictures.files import StillFile
from cnsr.pictures.plan import Order, plan
from cnsr.pictures.subjects import Shot
from cnsr.pictures.video import VideoFile
from cnsr.rendering import Camera, PathTracer, View

Progress = Callable[[float], object]
_MOST_NAMES = 4


@dataclass(frozen=True)
class Taken:
    """What a run has made of an order.

    Attributes:
        files: all that are there now.
        rendered: how many pictures were missing.
        samples: per pixel, of those pictures together.
        dropped: samples that were not finite.
    """

    files: tuple[Path, ...]
    rendered: int
    samples: int
    dropped: int

    def line(self, seconds: float) -> str:
        """Return what to tell at the end of a run that took `seconds`."""
        first, last = self.files[0], self.files[-1]
        names = f"{first} to {last.name} ({len(self.files)} files)"
        if len(self.files) <= _MOST_NAMES:
            names = ", ".join(map(str, self.files))
        if not self.rendered:
            return f"{names}: there already"
        samples = f"{self.samples / self.rendered:.0f} samples" if self.samples > self.rendered else "1 sample"
        text = f"{names}: {samples} a pixel in {seconds:.1f} s"
        if self.dropped:
            text += f"; {self.dropped} samples were not finite and dropped"
        return text


def take(order: Order, tracer: PathTracer, progress: Progress) -> Taken:
    """Take the pictures of an order that are not there yet, and make videos of them.

    Files appear whole or not at all; what an interrupted run has finished is used again.

    Args:
        order: what to do.
        tracer: that loaded the scene.
        progress: called now and then with the share of the pictures that is done. What it raises ends the run.

    Raises:
        StorageError: a file is there that this would not make, or cannot be written.
        RenderError: the request makes no sense, or the renderer failed.
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    planned = plan(order, tracer.bounds(order.subject.scene))
    videos = [video for video in planned.videos if order.overwrite or not _is_finished(video)]
    rows = [(*stills, *(video.frames[index] for video in videos)) for index, stills in enumerate(planned.stills)]
    missing = [[file for file in files if order.overwrite or not _is_finished(file)] for files in rows]
    pending = [(shot, files) for shot, files in zip(order.shots, missing, strict=True) if files]
    samples = dropped = 0
    for index, (shot, files) in enumerate(pending):
        view = _shoot(order, shot, files, tracer, _part(progress, index, len(pending)))
        samples += view.samples
        dropped += view.dropped
    for video in videos:
        video.write()
    stills = [file.path for files in planned.stills for file in files]
    return Taken((*stills, *(video.path for video in planned.videos)), len(pending), samples, dropped)


def _shoot(order: Order, shot: Shot, files: Sequence[StillFile], tracer: PathTracer, progress: Progress) -> View:
    """Render one picture and write its files."""
    needed = {name for file in files for name in file.buffers}
    if order.look.target_error is not None:
        needed.add("beauty")  # whose error is meant
    scene = order.subject.scene
    view = tracer.render(
        scene,
        seed=scene.description.seed,
        view=shot.view,
        buffers=sorted(needed),
        camera=Camera(shot.camera.position, shot.camera.lookat),
        progress=progress,
        **order.look.rendering(),
    )
    for file in files:
        file.write(view)
    return view


def _is_finished(file: StillFile | VideoFile) -> bool:
    """Return whether a file is there. Raises ``StorageError`` where another one is in its place."""
    found = file.found()
    if found not in (None, file.digest):
        raise StorageError(
            f"{file.path}: is there already, and not what this command makes; name another place with --out, or "
            "replace it with --overwrite"
        )
    return found is not None


def _part(progress: Progress, index: int, count: int) -> Progress:
    """Return what tells `progress` of the picture number `index` of `count`."""
    return lambda share: progress((index + share) / count)
