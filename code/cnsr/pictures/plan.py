"""Which files an order of pictures is: names, and digests of what each is made from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnsr.buffers import BUFFERS
from cnsr.datasets.exr import Precision
from cnsr.errors import RenderError, StorageError
from cnsr.files import check_folder
from cnsr.json_faults import unknown_name
from cnsr.pictures.files import ExrFile, PngFile, StillFile, digest
from cnsr.pictures.subjects import Shot, Subject
from cnsr.pictures.video import EVEN_ONLY, VIDEOS, VideoFile
from cnsr.scenes.bounds import Bounds
from cnsr.scenes.description import scene_json

STILLS = (".png", ".exr")


@dataclass(frozen=True)
class Look:
    """How pictures look.

    Attributes:
        size: pixels along an edge.
        samples: per pixel; with `target_error` those to start with.
        target_error: estimated relative standard error of beauty that each picture is rendered to.
        max_samples: per pixel, with `target_error`.
        shown: buffers that become PNG files or videos, one each.
        stored: buffers in EXR files.
        exposure: stops, of what is shown.
        precision: of the floats in EXR files.
    """

    size: int
    samples: int
    target_error: float | None = None
    max_samples: int | None = None
    shown: tuple[str, ...] = ("beauty",)
    stored: tuple[str, ...] = ("beauty",)
    exposure: float = 0.0
    precision: Precision = "float"

    def rendering(self) -> dict[str, Any]:
        """Return the arguments of ``PathTracer.render`` that follow, besides buffers."""
        options: dict[str, Any] = {"size": self.size, "samples": self.samples}
        if self.target_error is not None:
            options |= {"target_error": self.target_error, "max_samples": self.max_samples}
        return options


@dataclass(frozen=True)
class Order:
    """Pictures to be taken.

    Attributes:
        subject: of all of them.
        shots: each of them; several are a turntable.
        look: of all of them.
        out: where they go (see ``output_paths``).
        fps: of videos.
        overwrite: take all anew, whatever lies there.
    """

    subject: Subject
    shots: Sequence[Shot]
    look: Look
    out: Sequence[Path]
    fps: float = 24.0
    overwrite: bool = False


@dataclass(frozen=True)
class Plan:
    """All files of an order: still pictures by shot, and videos."""

    stills: tuple[tuple[StillFile, ...], ...]
    videos: tuple[VideoFile, ...]


def buffer_names(text: str | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the buffers to be shown and those to be stored in EXR files, in table order.

    Args:
        text: names with commas between them, or "all"; by default beauty is shown and all are stored.

    Raises:
        RenderError: there is no buffer of some name.
    """
    if text is None:
        return ("beauty",), tuple(BUFFERS)
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in (*BUFFERS, "all"):
            raise RenderError(f"buffers: {unknown_name('buffer', name, BUFFERS)}")
    if not names:
        raise RenderError("buffers: expected at least one name, such as beauty,normal")
    chosen = tuple(name for name in BUFFERS if name in names or "all" in names)
    return chosen, chosen


def output_paths(out: Sequence[Path], subject: Subject, shown: Sequence[str], turntable: bool) -> list[Path]:
    """Return paths with an ending: files as they are, and in folders what the subject is called.

    In a folder there are a PNG and an EXR file of a still picture, an MP4 video of a turntable.

    Args:
        out: files of known endings, and folders, whether they are there or not; none is the current folder.
        subject: of the pictures.
        shown: buffers that are shown.
        turntable: whether there are frames for a video.

    Raises:
        StorageError: an ending is not known, or a place cannot be written to.
    """
    name = f"{subject.name}_turntable" if turntable else subject.name
    if len(shown) == 1 and shown[0] != "beauty":
        name += f"_{shown[0]}"
    paths: list[Path] = []
    for path in out or [Path()]:
        ending = path.suffix.lower()
        if path.is_dir() or not ending:
            paths += [path / f"{name}{one}" for one in ((".mp4",) if turntable else STILLS)]
        elif ending in STILLS or (ending in VIDEOS and turntable):
            paths.append(path)
        elif ending in VIDEOS:
            raise StorageError(f"{path}: is a video; --turntable makes the frames for one")
        else:
            known = ", ".join((*STILLS, *VIDEOS) if turntable else STILLS)
            raise StorageError(f"{path}: there are no pictures of type {path.suffix!r}; expected {known}, or a folder")
    for path in paths:
        check_folder(path.parent)
        if path.is_dir():
            raise StorageError(f"cannot write {path}: a folder of that name is in the way")
    return list(dict.fromkeys(paths))


def plan(order: Order, extent: Bounds) -> Plan:
    """Return the files of an order.

    Their names: ``room.png`` of one picture of one buffer; of several buffers ``room_normal.png``, and of several shots
    ``room_normal_0007.png``. An EXR file holds all its buffers. Frames of videos wait in ``room.mp4.frames`` until all
    are there.

    Args:
        order: what to do.
        extent: of the scene.

    Raises:
        RenderError: a video cannot have that size.
    """
    files = _Files(order, extent)
    columns: list[Sequence[StillFile]] = []
    videos: list[VideoFile] = []
    for path in order.out:
        match path.suffix.lower():
            case ".exr":
                columns.append(files.exrs(path))
            case ".png":
                columns += [files.pngs(files.of_buffer(path, name), name) for name in order.look.shown]
            case ending:
                if ending in EVEN_ONLY and order.look.size % 2:
                    raise RenderError(f"size: {ending} needs an even number of pixels, found {order.look.size}")
                videos += [files.video(files.of_buffer(path, name), name) for name in order.look.shown]
    return Plan(tuple(zip(*columns, strict=True)) or ((),) * len(order.shots), tuple(videos))


class _Files:
    """Makes the files of one order."""

    def __init__(self, order: Order, extent: Bounds) -> None:
        self._order = order
        self._extent = extent
        self._scene = hashlib.sha256(scene_json(order.subject.scene.description).encode()).hexdigest()[:16]

    def of_buffer(self, path: Path, name: str) -> Path:
        return path if len(self._order.look.shown) == 1 else path.with_stem(f"{path.stem}_{name}")

    def pngs(self, path: Path, name: str) -> list[PngFile]:
        exposure = self._order.look.exposure
        box = [corner.tolist() for corner in self._extent]
        return [
            PngFile(_numbered(path, shot), self._digest(shot, name, exposure, box), name, exposure, self._extent)
            for shot in self._order.shots
        ]

    def exrs(self, path: Path) -> list[ExrFile]:
        look, seed = self._order.look, self._order.subject.scene.description.seed
        return [
            ExrFile(
                _numbered(path, shot),
                self._digest(shot, look.stored, look.precision),
                look.stored,
                look.precision,
                seed,
                self._scene,
            )
            for shot in self._order.shots
        ]

    def video(self, path: Path, name: str) -> VideoFile:
        frames = tuple(self.pngs(path.with_name(f"{path.name}.frames") / "frame.png", name))
        fps = self._order.fps
        return VideoFile(path, digest([frame.digest for frame in frames], fps), frames, fps)

    def _digest(self, shot: Shot, *settings: Any) -> str:
        return digest(
            self._scene, shot.camera.position, shot.camera.lookat, shot.view, self._order.look.rendering(), *settings
        )


def _numbered(path: Path, shot: Shot) -> Path:
    return path.with_stem(f"{path.stem}_{shot.label}") if shot.label else path
