from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from cnsr.config import Config
from cnsr.datasets import live, loader
from cnsr.datasets.generation import generate
from cnsr.datasets.live import LiveSource
from cnsr.datasets.manifest import RenderSettings
from cnsr.datasets.pipeline import Pipeline
from cnsr.datasets.progress import ViewProgress
from cnsr.datasets.source import Share, Split, open_source
from cnsr.rendering import PathTracer
from cnsr.scenes.tree import write_tree

BuildConfig = Callable[..., Config]


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("partitioned", [False, True])
def test_pixels_are_those_that_files_would_hold(
    tmp_path: Path, build_config: BuildConfig, split: Split, partitioned: bool
) -> None:
    """Two ways: JSON files, rendered to EXR files and read; or drawn and rendered at once."""
    changes = {"latent_separation": partitioned, "test_batch_size": 3, "views_per_scene": 2}
    config = build_config(tmp_path, cached_dataset=False, **changes)
    write_tree(config, tmp_path / "json", {split: 2}, seed=11)
    report = ViewProgress(io.StringIO())
    generate(
        Pipeline(PathTracer()), config, tmp_path / "json" / split, tmp_path / split, RenderSettings.of(config), report
    )
    files = open_source(build_config(tmp_path, **changes), split)
    rendered = open_source(config, split, seed=11)
    assert isinstance(rendered, LiveSource)
    for index in (1, 0):
        one, other = files.read(index), rendered.read(index)
        assert one.factor == other.factor
        assert (one.factor is not None) == (partitioned and split == "train")
        np.testing.assert_array_equal(one.poses, other.poses)
        assert list(one.passes) == list(other.passes)
        for name, pixels in one.passes.items():
            np.testing.assert_array_equal(pixels, other.passes[name])


def test_batches_depend_on_seed_and_index_only(tmp_path: Path, build_config: BuildConfig) -> None:
    config = build_config(tmp_path, cached_dataset=False, views_per_scene=2, batch_size=1)
    unbroken = list(itertools.islice(loader.train_loader(config, 3), 6))
    with loader.train_loader(config, 3, 2, workers=2) as stream:
        resumed = list(itertools.islice(stream, 4))
    for one, other in zip(unbroken[2:], resumed, strict=True):
        assert one.name == other.name
        assert torch.equal(one.observations["beauty"], other.observations["beauty"])
        assert torch.equal(one.query_poses, other.query_poses)
    assert len({tuple(batch.query_poses.flatten().tolist()) for batch in unbroken}) == 6
    (different,) = itertools.islice(loader.train_loader(config, 4), 1)
    assert not torch.equal(different.query_poses, unbroken[0].query_poses)


def test_processes_that_share_a_batch_render_what_one_would(tmp_path: Path, build_config: BuildConfig) -> None:
    config = build_config(tmp_path, cached_dataset=False, views_per_scene=2, batch_size=4, latent_separation=True)
    whole = open_source(config, "train", 5).read(3)
    for number in range(2):
        part = open_source(config, "train", 5, Share(number, 2, neighbors=2)).read(3)
        own = slice(2 * number, 2 * number + 2)
        assert (part.factor, part.name) == (whole.factor, whole.name)
        np.testing.assert_array_equal(part.poses, whole.poses[own])
        for name, pixels in part.passes.items():
            np.testing.assert_array_equal(pixels, whole.passes[name][own])


def test_test_batches_end(tmp_path: Path, build_config: BuildConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "TEST_BATCHES", 2)
    config = build_config(tmp_path, cached_dataset=False, views_per_scene=2, test_batch_size=1)
    stream = loader.test_loader(config, 0)
    assert stream.length == 2
    assert [batch.name for batch in stream] == ["room/test/batch000000000", "room/test/batch000000001"]
