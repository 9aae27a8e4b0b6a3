from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnsr.datasets import exr, npz
from cnsr.datasets.convert import ORIGIN, convert_folder
from cnsr.datasets.stored import StoredBatch
from cnsr.errors import DatasetError

Build = Callable[..., StoredBatch]
Write = Callable[..., Any]


def test_everything_is_kept_exactly(tmp_path: Path, build_batch: Build, write_npz: Write) -> None:
    (tmp_path / "in").mkdir()
    for index, factor in enumerate((None, 2)):
        write_npz(tmp_path / "in" / f"batch{index}.npz", build_batch(index, ("beauty", "id", "ao"), factor=factor))
    assert convert_folder(tmp_path / "in", tmp_path / "out") == []
    for index in range(2):
        before, after = npz.read_batch(tmp_path / "in" / f"batch{index}.npz"), tmp_path / "out" / f"batch{index}.exr"
        batch, (contents, origin) = exr.read_batch(after), exr.read_header(after)
        assert contents == before.contents
        assert origin.config == ORIGIN
        assert {samples for scene in origin.samples for samples in scene} == {-1}
        np.testing.assert_array_equal(batch.poses, before.poses)
        for name, pixels in before.passes.items():
            assert batch.passes[name].dtype == np.float16
            np.testing.assert_array_equal(batch.passes[name], pixels)


def test_single_precision_stays_single(tmp_path: Path, build_batch: Build, write_npz: Write) -> None:
    (tmp_path / "in").mkdir()
    batch = build_batch(dtype=np.float32)
    write_npz(tmp_path / "in" / "b.npz", batch)
    convert_folder(tmp_path / "in", tmp_path / "out")
    np.testing.assert_array_equal(exr.read_batch(tmp_path / "out" / "b.exr").passes["beauty"], batch.passes["beauty"])


def test_the_command_leaves_out_damaged_files_and_says_so(tmp_path: Path, build_batch: Build, write_npz: Write) -> None:
    (tmp_path / "in").mkdir()
    write_npz(tmp_path / "in" / "a.npz", build_batch())
    (tmp_path / "in" / "b.npz").write_bytes(b"damaged")
    command = [sys.executable, "-m", "cnsr.datasets.convert", str(tmp_path / "in"), str(tmp_path / "out")]
    code = Path(exr.__file__).parents[2]
    run = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(code)}, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith(f"left out: {tmp_path / 'in' / 'b.npz'}: damaged")
    assert len(run.stderr.splitlines()) == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.exr"]


def test_converted_files_are_kept_unless_told_otherwise(tmp_path: Path, build_batch: Build, write_npz: Write) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    write_npz(tmp_path / "in" / "a.npz", build_batch())
    (tmp_path / "out" / "a.exr").write_bytes(b"stands for a converted file")
    convert_folder(tmp_path / "in", tmp_path / "out")
    assert (tmp_path / "out" / "a.exr").read_bytes() == b"stands for a converted file"
    convert_folder(tmp_path / "in", tmp_path / "out", overwrite=True)
    assert exr.describe(tmp_path / "out" / "a.exr").scenes == 3


def test_a_folder_without_archives_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no NPZ files"):
        convert_folder(tmp_path, tmp_path / "out")
