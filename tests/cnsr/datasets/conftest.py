"""Small batches, folders and configs for the tests of data sets."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parent))
from stand_ins import SETTINGS, FakeTracer, Report, Run

from cnsr.buffers import BUFFERS
from cnsr.config import Config, parse_config
from cnsr.datasets import exr
from cnsr.datasets.generation import generate
from cnsr.datasets.manifest import RenderSettings
from cnsr.datasets.pipeline import Pipeline
from cnsr.datasets.stored import StoredBatch
from cnsr.datasets.work import Summary


def _build_batch(
    seed: int = 0,
    passes: tuple[str, ...] = ("beauty", "normal", "depth"),
    scenes: int = 3,
    views: int = 4,
    size: int = 8,
    factor: int | None = 1,
    dtype: Any = np.float16,
) -> StoredBatch:
    """Return random pixels; no two values of a pass are likely to be equal."""
    generator = np.random.default_rng(seed)
    shape = (scenes, views)
    return StoredBatch(
        {name: generator.normal(size=(*shape, BUFFERS[name].channels, size, size)).astype(dtype) for name in passes},
        generator.normal(size=(*shape, 16)).astype(np.float32),
        factor,
        f"batch of seed {seed}",
    )


def _write_exr(path: Path, batch: StoredBatch, precision: exr.Precision = "half") -> None:
    exr.write_batch(path, batch, exr.Origin.unknown(*batch.poses.shape[:2], "test"), precision)


def _write_npz(path: Path, batch: StoredBatch, **changes: Any) -> None:
    """Write `batch` as a published archive; `changes` replace arrays, or leave them out where they are ``None``."""
    arrays: dict[str, Any] = {**batch.passes, "poses": batch.poses[..., None, None]}
    if batch.factor is not None:
        arrays["factor"] = np.array(batch.factor)
    arrays.update(changes)
    np.savez_compressed(path, **{name: array for name, array in arrays.items() if array is not None})


def _build_config(folder: Path, **changes: Any) -> Config:
    """Return a config for the data of `write_folder`."""
    settings: dict[str, Any] = {
        "seed": 0,
        "train_data_dir": str(folder / "train"),
        "test_data_dir": str(folder / "test"),
        "cached_dataset": True,
        "batch_size": 2,
        "test_batch_size": 2,
        "views_per_scene": 4,
        "random_num_views": False,
        "samples_per_pixel": 2,
        "workers": 0,
        "model": {
            "representations": [{"type": "Pool", "observation_passes": ["beauty", "normal"], "render_size": 8}],
            "generators": [{"type": "PixelCNN", "query_passes": ["normal", "depth"], "render_size": 8}],
        },
    }
    return parse_config({**settings, **changes}, "test.json")


@pytest.fixture(scope="session")
def build_batch() -> Callable[..., StoredBatch]:
    return _build_batch


@pytest.fixture(scope="session")
def write_exr() -> Callable[..., None]:
    return _write_exr


@pytest.fixture(scope="session")
def write_npz() -> Callable[..., None]:
    return _write_npz


@pytest.fixture(scope="session")
def build_config() -> Callable[..., Config]:
    return _build_config


@pytest.fixture
def write_folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes `count` batches as EXR files into ``tmp_path/split``."""

    def write(count: int = 5, split: str = "train", **changes: Any) -> Path:
        folder = tmp_path / split
        folder.mkdir()
        for index in range(count):
            _write_exr(folder / f"batch{index:09d}.exr", _build_batch(index, **changes))
        return folder

    return write


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Three batches of two scenes with three views; the second one says its factor."""
    for batch in range(3):
        for scene in range(2):
            folder = tmp_path / "in" / f"batch{batch:09d}" / f"scene{scene:04d}"
            folder.mkdir(parents=True)
            for view in range(3):
                (folder / f"view{view:03d}.json").write_text(str(100 * batch + 10 * scene + view))
    (tmp_path / "in" / "batch000000001" / "factor.txt").write_text("2\n")
    return tmp_path / "in"


@pytest.fixture
def run(tmp_path: Path, tree: Path, build_config: Callable[..., Config]) -> Run:
    """Return a function that generates ``tmp_path/out`` from the tree."""

    def generate_once(
        settings: RenderSettings = SETTINGS, tracer: FakeTracer | None = None, **options: Any
    ) -> tuple[Summary, Report, FakeTracer]:
        report, tracer = options.pop("report", None) or Report(), tracer or FakeTracer()
        out = options.pop("out", tmp_path / "out")
        summary = generate(Pipeline(tracer), build_config(tmp_path), tree, out, settings, report, **options)
        return summary, report, tracer

    return generate_once
