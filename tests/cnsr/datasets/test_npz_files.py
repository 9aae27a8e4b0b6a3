from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnsr.buffers import BUFFERS
from cnsr.datasets import npz
from cnsr.datasets.stored import Contents, StoredBatch
from cnsr.errors import DatasetError

Build = Callable[..., StoredBatch]
Write = Callable[..., None]


@settings(max_examples=15, deadline=None)
@given(
    passes=st.sets(st.sampled_from(sorted(BUFFERS)), min_size=1, max_size=5),
    scenes=st.integers(1, 3),
    views=st.integers(1, 3),
    factor=st.sampled_from([None, 0, 1, 2]),
)
def test_published_layout_is_read_exactly(
    tmp_path_factory: pytest.TempPathFactory,
    build_batch: Build,
    write_npz: Write,
    passes: set[str],
    scenes: int,
    views: int,
    factor: int | None,
) -> None:
    names = tuple(name for name in BUFFERS if name in passes)
    batch = build_batch(0, names, scenes, views, 8, factor)
    path = tmp_path_factory.mktemp("npz") / "batch.npz"
    write_npz(path, batch)
    assert npz.describe(path) == Contents(names, 8, scenes, views, factor)
    again = npz.read_batch(path)
    assert again.factor == factor
    np.testing.assert_array_equal(again.poses, batch.poses)
    for name in names:
        assert again.passes[name].dtype == np.float16
        np.testing.assert_array_equal(again.passes[name], batch.passes[name])


def test_other_arrays_are_not_even_decoded(tmp_path: Path, build_batch: Build, write_npz: Write) -> None:
    """An array of another pass is damaged; what does not need it never notices."""
    path = tmp_path / "b.npz"
    write_npz(path, build_batch())
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("normal.npy")
    data = bytearray(path.read_bytes())
    middle = member.header_offset + member.compress_size // 2
    data[middle : middle + 40] = bytes(40)
    path.write_bytes(data)
    assert list(npz.read_batch(path, ["beauty", "depth"]).passes) == ["beauty", "depth"]
    with pytest.raises(DatasetError, match=r"b\.npz: damaged: "):
        npz.read_batch(path, ["normal"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"poses": None}, r"lacks the array poses; it has beauty, normal, depth, factor"),
        ({"poses": np.zeros((3, 4, 15))}, r"poses has the shape \[3, 4, 15\], expected \[scenes, views, 16, 1, 1\]"),
        ({"depth": np.zeros((3, 4, 3, 8, 8))}, r"depth has the shape \[3, 4, 3, 8, 8\], expected \[3, 4, 1, 8, 8\]"),
        ({"normal": np.zeros((3, 3, 3, 8, 8))}, r"normal has the shape \[3, 3, 3, 8, 8\], expected"),
        ({"factor": np.array(3)}, r"factor is \[3\], expected 0, 1 or 2"),
        ({"normal": None}, r"lacks the pass normal; it has beauty, depth, poses, factor"),
        ({"beauty": np.full((3, 4, 3, 8, 8), "x")}, r"beauty holds <U1, expected float16"),
        ({"beauty": np.full((3, 4, 3, 8, 8), None)}, r"damaged: Object arrays cannot be loaded"),
    ],
)
def test_arrays_that_do_not_fit_are_named(
    tmp_path: Path, build_batch: Build, write_npz: Write, changes: dict[str, Any], message: str
) -> None:
    write_npz(tmp_path / "b.npz", build_batch(), **changes)
    with pytest.raises(DatasetError, match=r"b\.npz: " + message):
        npz.read_batch(tmp_path / "b.npz", ["beauty", "normal", "depth"])


def test_truncated_archives_are_an_error(tmp_path: Path, build_batch: Build, write_npz: Write) -> None:
    write_npz(tmp_path / "whole.npz", build_batch())
    whole = (tmp_path / "whole.npz").read_bytes()
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.npz").write_bytes(whole[:length])
        for read in (npz.describe, npz.read_batch):
            with pytest.raises(DatasetError, match=r"cut\.npz: damaged: "):
                read(tmp_path / "cut.npz")


def test_a_single_array_is_an_error(tmp_path: Path) -> None:
    with (tmp_path / "b.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(DatasetError, match="is a single array, not an archive"):
        npz.describe(tmp_path / "b.npz")
