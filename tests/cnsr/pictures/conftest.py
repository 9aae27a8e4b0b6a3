"""A small room, and orders to take pictures of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnsr.pictures.plan import Look, Order
from cnsr.pictures.subjects import Subject, random_scene, still, turntable
from cnsr.rendering import PathTracer


@pytest.fixture(scope="session")
def tracer() -> PathTracer:
    return PathTracer(threads=1)


@pytest.fixture(scope="session")
def room(tracer: PathTracer) -> Subject:
    return random_scene("room", 7, 0, tracer)


@pytest.fixture
def order(room: Subject, tmp_path: Path) -> Callable[..., Order]:
    """Return a function that makes an order of files in a new folder, with changes of its look."""

    def make(*names: str, frames: int | None = None, fps: float = 24.0, overwrite: bool = False, **look: Any) -> Order:
        shots = still(room) if frames is None else turntable(room, frames)
        out = [tmp_path / name for name in names]
        return Order(room, shots, Look(**{"size": 8, "samples": 2, **look}), out, fps, overwrite)

    return make
