from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnsr.config import Config
from cnsr.datasets.source import open_source
from cnsr.datasets.stored import StoredBatch
from cnsr.errors import DatasetError

Build = Callable[..., StoredBatch]
BuildConfig = Callable[..., Config]
Write = Callable[..., Any]


@pytest.mark.parametrize("ending", ["exr", "npz"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_folder_is_opened_by_what_lies_in_it(
    tmp_path: Path,
    build_batch: Build,
    build_config: BuildConfig,
    write_exr: Write,
    write_npz: Write,
    ending: str,
    split: str,
) -> None:
    (tmp_path / split).mkdir()
    for index in (2, 0, 1):
        write = write_exr if ending == "exr" else write_npz
        write(tmp_path / split / f"batch{index:09d}.{ending}", build_batch(index, ("beauty", "normal", "depth", "ao")))
    source = open_source(build_config(tmp_path), split)  # type: ignore[arg-type]
    assert source.count == 3
    for _ in range(2):  # decoded, then from the cache
        for index in range(3):
            batch = source.read(index)
            assert batch.name == str(tmp_path / split / f"batch{index:09d}.{ending}")
            assert list(batch.passes) == ["beauty", "normal", "depth"]  # what the config needs
            for name, pixels in batch.passes.items():
                stored = build_batch(index, ("beauty", "normal", "depth", "ao")).passes[name]
                np.testing.assert_array_equal(pixels, stored[:2])  # of three scenes, as many as the config needs
    assert len(list((tmp_path / split / ".cache").glob("*.views"))) == 3


@pytest.mark.parametrize(
    ("data", "config", "message"),
    [
        (
            {"passes": ("beauty", "depth", "id")},
            {},
            "lacks the pass normal; it has beauty, depth, id and the config needs beauty, normal, depth: render it",
        ),
        ({"size": 4}, {}, "has images of 4 x 4 pixels, too small for render_size 8: render it with this config"),
        ({"views": 3}, {}, "has 3 views a scene, fewer than views_per_scene 4"),
        ({"scenes": 1}, {}, "has 1 scenes a batch, fewer than batch_size 2"),
        (
            {"factor": None},
            {"latent_separation": True},
            "which latent_separation needs: make the scene files with create-",
        ),
    ],
)
def test_data_that_does_not_fit_is_an_error_at_once(
    tmp_path: Path,
    write_folder: Write,
    build_config: BuildConfig,
    data: dict[str, Any],
    config: dict[str, Any],
    message: str,
) -> None:
    folder = write_folder(1, **data)
    with pytest.raises(DatasetError) as caught:
        open_source(build_config(tmp_path, **config), "train")
    assert str(caught.value).startswith(f"{folder} (train_data_dir) ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_test_data_needs_no_factor_and_its_own_number_of_scenes(
    tmp_path: Path, write_folder: Write, build_config: BuildConfig
) -> None:
    write_folder(1, "test", factor=None, scenes=1)
    config = build_config(tmp_path, latent_separation=True, test_batch_size=1, batch_size=99)
    assert open_source(config, "test").count == 1
    with pytest.raises(DatasetError, match="has 1 scenes a batch, fewer than test_batch_size 2"):
        open_source(build_config(tmp_path), "test")


def test_missing_empty_and_mixed_folders_are_errors(
    tmp_path: Path, build_config: BuildConfig, write_exr: Write, write_npz: Write, build_batch: Build
) -> None:
    config, folder = build_config(tmp_path), tmp_path / "train"

    def message() -> str:
        with pytest.raises(DatasetError) as caught:
            open_source(config, "train")
        return str(caught.value)

    make = "make it with generate-dataset.py, or set cached_dataset to false to render while training"
    assert message() == f"{folder} (train_data_dir): no such folder; {make}"
    folder.write_text("a file")
    assert message() == f"{folder} (train_data_dir): is a file, expected a folder of EXR or NPZ files"
    folder.unlink()
    folder.mkdir()
    (folder / ".batch000000000.x.tmp.exr").touch()
    (folder / "dataset.json").touch()
    assert message() == f"{folder} (train_data_dir): holds no EXR or NPZ file; {make}"
    write_exr(folder / "a.exr", build_batch())
    write_npz(folder / "a.npz", build_batch())
    assert message() == f"{folder} (train_data_dir): holds both EXR and NPZ files; keep one kind in a folder"


def test_a_folder_of_damaged_files_is_an_error_that_names_the_first(tmp_path: Path, build_config: BuildConfig) -> None:
    (tmp_path / "train").mkdir()
    for index in range(3):
        (tmp_path / "train" / f"b{index}.exr").write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r"none of its 3 files can be used; .*b0\.exr: not an EXR file"):
        open_source(build_config(tmp_path), "train")


def test_damaged_and_deviating_files_are_errors_when_read(
    tmp_path: Path, write_folder: Write, build_config: BuildConfig, write_exr: Write, build_batch: Build
) -> None:
    folder = write_folder(4)
    first = folder / "batch000000000.exr"
    first.write_bytes(first.read_bytes()[:-9])
    write_exr(folder / "batch000000002.exr", build_batch(2, size=16))
    write_exr(folder / "batch000000003.exr", build_batch(3, passes=("beauty",)))
    source = open_source(build_config(tmp_path), "train")  # judged by the first that is whole
    assert source.read(1).contents.size == 8
    for index, message in [
        (0, r"batch000000000\.exr: cut short"),
        (2, r"batch000000002\.exr: has images of 16 pixels, while the first usable file has 8"),
        (3, r"batch000000003\.exr: lacks the pass normal, depth"),
    ]:
        with pytest.raises(DatasetError, match=message):
            source.read(index)


def test_a_camera_that_is_not_finite_makes_a_file_unusable(
    tmp_path: Path, write_folder: Write, build_config: BuildConfig, write_exr: Write, build_batch: Build
) -> None:
    folder = write_folder(1)
    batch = build_batch(1)
    batch.poses[1, 2, 3] = np.nan
    write_exr(folder / "batch000000001.exr", batch)
    source = open_source(build_config(tmp_path), "train")
    with pytest.raises(DatasetError, match=r"batch000000001\.exr: has a camera matrix that is not finite"):
        source.read(1)


def test_a_file_that_changes_is_read_anew(
    tmp_path: Path, write_folder: Write, build_config: BuildConfig, write_exr: Write, build_batch: Build
) -> None:
    folder = write_folder(1)
    path = folder / "batch000000000.exr"
    open_source(build_config(tmp_path), "train").read(0)
    write_exr(path, build_batch(77))
    os.utime(path, (1, 1))
    source = open_source(build_config(tmp_path), "train")
    assert list((folder / ".cache").glob("*.views")) == []  # the old entry is gone
    np.testing.assert_array_equal(source.read(0).passes["beauty"], build_batch(77).passes["beauty"][:2])


def test_values_are_cleaned_and_the_note_survives_in_the_cache(
    tmp_path: Path, write_npz: Write, build_batch: Build, build_config: BuildConfig
) -> None:
    (tmp_path / "train").mkdir()
    batch = build_batch(passes=("beauty", "normal", "depth"))
    batch.passes["beauty"][0, 0, 0, 0, :2] = np.nan
    write_npz(tmp_path / "train" / "b.npz", batch)
    for _ in range(2):
        read = open_source(build_config(tmp_path), "train").read(0)
        assert read.passes["beauty"][0, 0, 0, 0, :2].tolist() == [0, 0]
        assert read.notes == (
            f"{tmp_path / 'train' / 'b.npz'}: values that are NaN or infinite were read as 0 (2 of beauty)",
        )


def test_without_room_for_a_cache_data_is_still_read(
    tmp_path: Path, write_folder: Write, build_config: BuildConfig, monkeypatch: pytest.MonkeyPatch, build_batch: Build
) -> None:
    folder = write_folder(1)
    (folder / ".cache").write_text("in the way")
    (tmp_path / "home").write_text("in the way")
    monkeypatch.delenv("CNSR_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    batch = open_source(build_config(tmp_path), "train").read(0)
    np.testing.assert_array_equal(batch.passes["beauty"], build_batch(0).passes["beauty"][:2])
