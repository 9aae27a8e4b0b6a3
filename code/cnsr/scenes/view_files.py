"""Scene files of several views of one scene: what they share is parsed and checked once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from cnsr.json_text import JsonSyntaxError, parse_json
from cnsr.scenes.description import OwnOfView, Scene, parse_text, read_text

_CAMERA = re.compile(r'"camera"\s*:\s*\{[^{}]*\}')
_SEED = re.compile(r'"seed"\s*:\s*-?\d+')


@dataclass(frozen=True)
class ViewFile:
    """A scene file that was read.

    Attributes:
        scene: what it describes.
        rest: its text without camera and seed; ``None`` where they were not found in it.
    """

    scene: Scene
    rest: str | None


def read_view(path: Path, like: ViewFile | None = None) -> ViewFile:
    """Read a scene file.

    Args:
        path: the file.
        like: what was read from a file that may describe another view of the same scene. If it lies in the same folder
            and says the same but for camera and seed, materials, lights and geometry are its very objects.

    Raises:
        SceneError: see ``cnsr.scenes.description.load_scene``.
    """
    text = read_text(path)
    rest, own = _taken_apart(text)
    if like is not None and rest is not None and rest == like.rest and path.parent == like.scene.folder:
        view = _own_of_view(own)
        if view is not None:
            return ViewFile(like.scene.model_copy(update={"camera": view.camera, "seed": view.seed}), like.rest)
    return ViewFile(parse_text(path, text), rest)


def _taken_apart(text: str) -> tuple[str | None, str]:
    """Return `text` without camera and seed, and these two as a JSON object; ``None`` if there are not one of each.

    Camera and seed of a sound file are matched. So if they stand there once, what is matched are they.
    """
    cameras, seeds = _CAMERA.findall(text), _SEED.findall(text)
    if len(cameras) != 1 or len(seeds) != 1:
        return None, ""
    return text.replace(cameras[0], "").replace(seeds[0], ""), f"{{{cameras[0]},{seeds[0]}}}"


def _own_of_view(text: str) -> OwnOfView | None:
    """Return camera and seed; ``None`` if anything is wrong with them, which is for the whole file to say."""
    try:
        data, duplicates = parse_json(text)
        return None if duplicates else OwnOfView.model_validate(data)
    except (JsonSyntaxError, ValidationError):
        return None
