"""What pictures are taken of: a scene file, or a random scene of a dataset; and from where."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cnsr.errors import SceneError
from cnsr.rendering import LoadedScene, PathTracer
from cnsr.scenes.datasets import randomizer
from cnsr.scenes.description import Camera
from cnsr.scenes.randomizer import draw_batch
from cnsr.scenes.turntable import orbit

_IN_A_TREE = re.compile(r"(?:.*/)?(batch\d+)/(scene\d+)/(view\d+)\.json")


@dataclass(frozen=True)
class Subject:
    """A scene to take pictures of.

    Attributes:
        name: what its pictures are called unless they are told otherwise.
        scene: ready to be rendered.
        path: the camera at t in [0, 1] of a closed path for videos, from a function since not every camera has one.
    """

    name: str
    scene: LoadedScene
    path: Callable[[], Callable[[float], Camera]]


@dataclass(frozen=True)
class Shot:
    """One picture of a scene.

    Attributes:
        label: its number in file names; empty where there is only one.
        camera: where it is taken from; `fov`, `near` and `far` are those of the scene.
        view: the renderer's number of the view, so that frames have independent noise.
    """

    label: str
    camera: Camera
    view: int


def scene_file(path: Path, tracer: PathTracer) -> Subject:
    """Return the scene of a file. Its turntable is ``cnsr.scenes.turntable.orbit``.

    Raises:
        SceneError: there is no such file, or it is no scene.
    """
    if path.is_dir():
        example = _first_scene(path)
        hint = f"name one of its scene files, such as {example}" if example else "expected a scene file"
        raise SceneError(f"{path}: is a folder; {hint}")
    scene = tracer.load_scene(path)

    def orbited() -> Callable[[float], Camera]:
        try:
            return orbit(scene.description.camera, tracer.bounds(scene))
        except SceneError as error:
            raise SceneError(f"{path}: {error}") from None

    in_tree = _IN_A_TREE.fullmatch(path.absolute().as_posix())
    return Subject("_".join(in_tree.groups()) if in_tree else path.stem, scene, orbited)


def random_scene(dataset: str, seed: int, view: int, tracer: PathTracer) -> Subject:
    """Return a random scene of a dataset, as its view number `view` shows it: the first training scene of `seed`.

    Its turntable is the dataset's ``animate_view``.

    Raises:
        ConfigError: there is no such dataset.
    """
    source = randomizer(dataset)
    drawn = draw_batch(source, seed, "train", index=0, size=1, views=view + 1, partitioned=False).scenes[0]
    name = f"{dataset}_seed{seed}" + (f"_view{view}" if view else "")
    return Subject(name, tracer.load_scene(drawn.scenes[view]), lambda: source.animate_view)


def still(subject: Subject) -> list[Shot]:
    """Return the view that the scene's own camera sees."""
    return [Shot("", subject.scene.description.camera, 0)]


def turntable(subject: Subject, frames: int) -> list[Shot]:
    """Return the frames of the subject's path; the one after the last would be the first again.

    Raises:
        SceneError: see ``cnsr.scenes.turntable.orbit``.
    """
    path = subject.path()
    digits = max(4, len(str(frames - 1)))
    return [Shot(f"{frame:0{digits}d}", path(frame / frames), frame) for frame in range(frames)]


def _first_scene(folder: Path) -> Path | None:
    """Return the first scene file in a folder, in a batch or in a tree of batches; trees may be too large to search."""
    for pattern in ("*.json", "scene*", "batch*", "train", "test"):
        found = sorted(path for path in folder.glob(pattern) if path.name != "dataset.json")
        if found:
            return _first_scene(found[0]) if found[0].is_dir() else found[0]
    return None
