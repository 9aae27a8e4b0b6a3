from __future__ import annotations

import os
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cnsr.datasets.cache import DecodeCache, cache_folder
from cnsr.datasets.stored import StoredBatch

Build = Callable[..., StoredBatch]


@pytest.fixture
def data_file(tmp_path: Path) -> Path:
    path = tmp_path / "batch000000000.exr"
    path.write_bytes(b"stands for a data file")
    return path


def _cache(tmp_path: Path, *passes: str) -> DecodeCache:
    (tmp_path / "cache").mkdir(exist_ok=True)
    return DecodeCache(tmp_path / "cache", passes or ("beauty", "normal", "depth"))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("factor", [None, 2])
def test_what_is_stored_is_loaded(
    tmp_path: Path, data_file: Path, build_batch: Build, dtype: type, factor: int | None
) -> None:
    cache = _cache(tmp_path)
    assert cache.load(data_file) is None
    batch = build_batch(dtype=dtype, factor=factor)
    noted = StoredBatch(batch.passes, batch.poses, batch.factor, str(data_file), ("a note, with ünicode",))
    assert cache.store(data_file, noted) is None
    again = cache.load(data_file)
    assert again is not None
    assert (again.factor, again.name, again.notes) == (factor, str(data_file), noted.notes)
    np.testing.assert_array_equal(again.poses, batch.poses)
    for name, pixels in batch.passes.items():
        assert again.passes[name].dtype == dtype
        np.testing.assert_array_equal(again.passes[name], pixels)


def test_other_passes_and_changed_files_are_other_entries(tmp_path: Path, data_file: Path, build_batch: Build) -> None:
    cache = _cache(tmp_path)
    cache.store(data_file, build_batch())
    assert _cache(tmp_path, "beauty").load(data_file) is None
    os.utime(data_file, (1, 1))
    assert cache.load(data_file) is None


def test_an_entry_cut_short_is_not_used(tmp_path: Path, data_file: Path, build_batch: Build) -> None:
    cache = _cache(tmp_path)
    cache.store(data_file, build_batch())
    (entry,) = (tmp_path / "cache").iterdir()
    whole = entry.read_bytes()
    for length in (0, 10, 200, len(whole) - 1):
        entry.write_bytes(whole[:length])
        assert cache.load(data_file) is None
    entry.write_bytes(bytes(len(whole)))
    assert cache.load(data_file) is None


def test_stale_entries_are_dropped_and_others_kept(tmp_path: Path, build_batch: Build) -> None:
    cache = _cache(tmp_path)
    files = [tmp_path / f"batch{index}.exr" for index in range(3)]
    for path in files:
        path.write_bytes(b"data")
        cache.store(path, build_batch())
    abandoned = tmp_path / "cache" / ".batch0.0.0.x.tmp.views"
    recent = tmp_path / "cache" / ".batch1.0.0.x.tmp.views"
    abandoned.touch()
    recent.touch()
    os.utime(abandoned, (1, 1))
    os.utime(files[1], (1, 1))
    cache.drop_stale(files[:2])
    kept = sorted(path.name.split(".")[0] for path in (tmp_path / "cache").glob("batch*"))
    assert kept == ["batch0"]
    assert recent.exists()
    assert not abandoned.exists()
    assert cache.load(files[0]) is not None


def test_a_full_disk_switches_the_cache_off(
    tmp_path: Path, data_file: Path, build_batch: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1 << 40, 1 << 40, 1 << 29))
    cache = _cache(tmp_path)
    note = cache.store(data_file, build_batch())
    assert note is not None
    assert "decoded anew in every epoch" in note
    assert "less than 1 GiB would stay free" in note
    assert cache.store(data_file, build_batch()) is None  # told once
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_folder_that_vanished_switches_the_cache_off(tmp_path: Path, data_file: Path, build_batch: Build) -> None:
    cache = _cache(tmp_path)
    (tmp_path / "cache").rmdir()
    note = cache.store(data_file, build_batch())
    assert note is not None
    assert "the cache cannot be written" in note


def test_the_folder_is_inside_the_data_or_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CNSR_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    data = tmp_path / "train"
    data.mkdir()
    assert cache_folder(data) == data / ".cache"
    shutil.rmtree(data / ".cache")
    (data / ".cache").write_text("in the way")
    other = cache_folder(data)
    assert other is not None
    assert other.parent == tmp_path / "home" / "cnsr"
    assert other.name.startswith("train-")
    (tmp_path / "home" / "cnsr" / other.name).rmdir()
    other.write_text("in the way")
    assert cache_folder(data) is None


def test_without_a_folder_nothing_is_kept(data_file: Path, build_batch: Build) -> None:
    cache = DecodeCache(None, ("beauty",))
    assert cache.store(data_file, build_batch()) is None
    assert cache.load(data_file) is None
    cache.drop_stale([data_file])
