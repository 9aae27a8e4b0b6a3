"""What stands in for renderer and user in the tests of generation."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np

from cnsr.buffers import BUFFERS
from cnsr.datasets.manifest import RenderSettings
from cnsr.datasets.work import Summary
from cnsr.errors import SceneError

SETTINGS = RenderSettings(("beauty", "depth"), 8, 2, "half")


@dataclass(frozen=True)
class _Description:
    seed: int


@dataclass(frozen=True)
class Loaded:
    description: _Description
    path: Path


@dataclass(frozen=True)
class FakeView:
    buffers: dict[str, np.ndarray]
    pose: np.ndarray
    dropped: int
    samples: int


class FakeTracer:
    """Paints noise that follows from the scene file and the seed; knows two kinds of broken scene files."""

    def __init__(self) -> None:
        self.rendered: list[str] = []

    def load_scene(self, scene: Path, like: Loaded | None = None) -> Loaded:
        if scene.read_text() == "broken":
            raise SceneError(f"{scene}:1:1: expected a JSON value")
        return Loaded(_Description(int(scene.read_text())), scene)

    def render_views(
        self,
        scenes: Sequence[Loaded],
        *,
        size: int,
        samples: int,
        seeds: Sequence[int],
        buffers: Sequence[str],
        target_error: float | None = None,
        max_samples: int | None = None,
    ) -> list[FakeView]:
        self.rendered.append(scenes[0].path.parent.parent.name)
        views = []
        for scene, seed in zip(scenes, seeds, strict=True):
            if scene.description.seed == 666:
                raise SceneError(f"{scene.path}: geometry[0].filename: no such mesh")
            noise = np.random.default_rng([seed, samples])
            taken = samples if max_samples is None else min(max_samples, samples * (1 + seed % 3))
            images = {name: noise.random((size, size, BUFFERS[name].channels)).astype(np.float32) for name in buffers}
            views.append(FakeView(images, noise.normal(size=16), 1, taken))
        return views


@dataclass
class Report:
    total: int = 0
    done: int = 0
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def checked(self, batches: Sequence[Path]) -> Sequence[Path]:
        return batches

    def begin(self, views: int) -> None:
        self.total = views

    def finished(self, views: int) -> None:
        self.done += views

    def fault(self, message: str) -> None:
        self.faults.append(message)

    def note(self, message: str) -> None:
        self.notes.append(message)


Run: TypeAlias = Callable[..., tuple[Summary, Report, FakeTracer]]
"""The fixture `run`."""


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
