from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnsr.buffers import BUFFERS
from cnsr.datasets import exr
from cnsr.datasets.exr_structure import part_count
from cnsr.datasets.stored import Contents, StoredBatch
from cnsr.errors import DatasetError, StorageError

Build = Callable[..., StoredBatch]
Write = Callable[..., None]


def _attributes(path: Path) -> list[dict[str, tuple[str, bytes]]]:
    """Parse the headers of a multi-part file by hand: {name: (type, bytes)} for each part."""
    data, position = path.read_bytes(), 8
    assert struct.unpack("<II", data[:8]) == (20000630, 2 | 0x1000)  # version 2, multi-part
    headers = []
    while data[position]:
        header = {}
        while data[position]:
            fields = []
            for _ in range(2):
                end = data.index(b"\0", position)
                fields.append(data[position:end].decode())
                position = end + 1
            (length,) = struct.unpack_from("<i", data, position)
            header[fields[0]] = (fields[1], data[position + 4 : position + 4 + length])
            position += 4 + length
        position += 1
        headers.append(header)
    return headers


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    passes=st.sets(st.sampled_from(sorted(BUFFERS)), min_size=1, max_size=6),
    scenes=st.integers(1, 3),
    views=st.integers(1, 3),
    size=st.integers(1, 20),
    factor=st.sampled_from([None, 0, 1, 2]),
    precision=st.sampled_from(["half", "float"]),
)
def test_round_trip_is_exact(
    tmp_path_factory: pytest.TempPathFactory,
    build_batch: Build,
    seed: int,
    passes: set[str],
    scenes: int,
    views: int,
    size: int,
    factor: int | None,
    precision: exr.Precision,
) -> None:
    dtype = np.float16 if precision == "half" else np.float32
    names = tuple(name for name in BUFFERS if name in passes)
    batch = build_batch(seed, names, scenes, views, size, factor, dtype)
    path = tmp_path_factory.mktemp("exr") / "batch.exr"
    origin = exr.Origin(
        tuple(tuple(64 << (scene + view) for view in range(views)) for scene in range(scenes)),
        "abc",
        tuple(tuple(scene * 10 + view for view in range(views)) for scene in range(scenes)),
        tuple(tuple(f"{scene}-{view}" for view in range(views)) for scene in range(scenes)),
    )
    exr.write_batch(path, batch, origin, precision)
    again = exr.read_batch(path)
    assert list(again.passes) == list(names)
    for name in names:
        assert again.passes[name].dtype == dtype
        np.testing.assert_array_equal(again.passes[name], batch.passes[name])
    np.testing.assert_array_equal(again.poses, batch.poses)
    assert again.factor == factor
    assert exr.read_header(path) == (Contents(names, size, scenes, views, factor), origin)


def test_headers_are_as_specified(tmp_path: Path, build_batch: Build) -> None:
    batch = build_batch(passes=("beauty", "normal", "depth", "id"), scenes=2, views=2)
    path = tmp_path / "batch.exr"
    exr.write_batch(path, batch, exr.Origin(((5, 6), (7, 8)), "c0ffee", ((1, 2), (3, 4)), (("a", "b"), ("c", "d"))))
    headers = _attributes(path)
    names = [header["name"][1].decode() for header in headers]
    assert names == ["scene0000/view000", "scene0000/view001", "scene0001/view000", "scene0001/view001"]
    for index, header in enumerate(headers):
        assert header["compression"] == ("compression", b"\x03")  # ZIP, 16 lines a chunk
        assert header["type"] == ("string", b"scanlineimage")
        assert header["cnsr:factor"] == ("int", struct.pack("<i", 1))
        assert header["cnsr:samples"] == ("int", struct.pack("<i", index + 5))
        assert header["cnsr:seed"] == ("int", struct.pack("<i", index + 1))
        assert header["cnsr:config"] == ("string", b"c0ffee")
        assert header["worldToCamera"] == ("m44f", batch.poses.reshape(-1, 16)[index].tobytes())
        assert "capDate" not in header  # a time stamp would make every rendering another file
        kind, data = header["channels"]
        assert kind == "chlist"
        # sorted names, each with its type (1 is half) and 12 more bytes
        names = sorted(["R", "G", "B", "normal.X", "normal.Y", "normal.Z", "depth.Z", "id.Y"])
        expected = b"".join(name.encode() + struct.pack("<xiB3xii", 1, 0, 1, 1) for name in names)
        assert data == expected + b"\0"


def test_world_to_camera_is_for_row_vectors(tmp_path: Path, build_batch: Build) -> None:
    """OpenEXR's convention: [point, 1] @ matrix is the point seen from the camera."""
    view = np.array([[0, 0, -1, 4], [0, 1, 0, -2], [1, 0, 0, 3], [0, 0, 0, 1]], np.float32)  # for column vectors
    pose = view.flatten(order="F")
    batch = replace(build_batch(scenes=1, views=1), poses=pose.reshape(1, 1, 16))
    exr.write_batch(tmp_path / "b.exr", batch, exr.Origin.unknown(1, 1, ""))
    matrix = OpenEXR.File(str(tmp_path / "b.exr")).parts[0].header["worldToCamera"]
    point = np.array([1, 2, 3, 1], np.float32)
    np.testing.assert_array_equal(point @ matrix, view @ point)
    np.testing.assert_array_equal(matrix[3], [4, -2, 3, 1])
    np.testing.assert_array_equal(exr.read_batch(tmp_path / "b.exr").poses[0, 0], pose)


def test_equal_batches_give_equal_bytes(tmp_path: Path, build_batch: Build, write_exr: Write) -> None:
    write_exr(tmp_path / "a.exr", build_batch(3))
    write_exr(tmp_path / "b.exr", build_batch(3))
    assert (tmp_path / "a.exr").read_bytes() == (tmp_path / "b.exr").read_bytes()


def test_radiance_beyond_half_floats_is_clamped(tmp_path: Path, build_batch: Build, write_exr: Write) -> None:
    batch = build_batch(passes=("beauty",), dtype=np.float32)
    batch.passes["beauty"][0, 0, :, 0, 0] = [1e6, 65519, np.inf]
    write_exr(tmp_path / "b.exr", batch)
    assert exr.read_batch(tmp_path / "b.exr").passes["beauty"][0, 0, :, 0, 0].tolist() == [65504, 65504, 65504]


def test_only_the_named_passes_are_returned(tmp_path: Path, build_batch: Build, write_exr: Write) -> None:
    write_exr(tmp_path / "b.exr", build_batch())
    assert list(exr.read_batch(tmp_path / "b.exr", ["depth"]).passes) == ["depth"]
    with pytest.raises(DatasetError, match=r"b\.exr: lacks the pass albedo$"):
        exr.read_batch(tmp_path / "b.exr", ["depth", "albedo"])


def test_opens_in_pyexr(tmp_path: Path, build_batch: Build, write_exr: Write) -> None:
    """That package knows no parts; it shows the first view."""
    pyexr = pytest.importorskip("pyexr")
    batch = build_batch()
    write_exr(tmp_path / "b.exr", batch)
    image = pyexr.read(str(tmp_path / "b.exr"))
    np.testing.assert_array_equal(image, np.moveaxis(batch.passes["beauty"][0, 0], 0, -1).astype(np.float32))
    normal = pyexr.read(str(tmp_path / "b.exr"), "normal")
    np.testing.assert_array_equal(normal, np.moveaxis(batch.passes["normal"][0, 0], 0, -1).astype(np.float32))


def test_every_truncation_is_noticed(tmp_path: Path, build_batch: Build, write_exr: Write) -> None:
    write_exr(tmp_path / "whole.exr", build_batch(scenes=2, views=2))
    whole = (tmp_path / "whole.exr").read_bytes()
    assert part_count(tmp_path / "whole.exr") == 4
    cut = tmp_path / "cut.exr"
    for length in [*range(0, 64), *range(64, len(whole), 97), len(whole) - 1]:
        cut.write_bytes(whole[:length])
        with pytest.raises(DatasetError, match=r"cut\.exr: (cut short|not an EXR file|the file is empty)"):
            exr.describe(cut)
        with pytest.raises(DatasetError, match=r"cut\.exr: "):
            exr.read_batch(cut)


def test_flipped_bits_are_an_error_and_nothing_else(
    tmp_path: Path, build_batch: Build, write_exr: Write, capfd: pytest.CaptureFixture[str]
) -> None:
    write_exr(tmp_path / "b.exr", build_batch(size=32))
    data = bytearray((tmp_path / "b.exr").read_bytes())
    data[-2000:-1000] = bytes(1000)
    (tmp_path / "b.exr").write_bytes(data)
    with pytest.raises(DatasetError, match=r"b\.exr: damaged: the pixels of 1 of 12 views cannot be decoded"):
        exr.read_batch(tmp_path / "b.exr")
    assert capfd.readouterr() == ("", ""), "the module's own lines about it stay away"
    os.write(2, b"still there")
    assert capfd.readouterr().err == "still there"


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_an_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("exr") / "b.exr"
    for data in (content, b"\x76\x2f\x31\x01\x02\x10\0\0" + content):
        path.write_bytes(data)
        with pytest.raises(DatasetError, match=r"b\.exr"):
            exr.read_batch(path)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["left", "right"], "a part is named 'left', not like scene0000/view000"),
        (["scene0000/view000", "scene0001/view001"], "not a complete list of scenes with 2 views each"),
        (["scene0000/view001", "scene0000/view000"], "not a complete list of scenes with 1 views each"),
    ],
)
def test_foreign_parts_are_an_error(tmp_path: Path, names: list[str], message: str) -> None:
    pixels = np.zeros((4, 4), np.float16)
    parts = [OpenEXR.Part({}, dict.fromkeys("RGB", pixels), name) for name in names]
    OpenEXR.File(parts).write(str(tmp_path / "b.exr"))
    for read in (exr.describe, exr.read_batch):
        with pytest.raises(DatasetError, match=message):
            read(tmp_path / "b.exr")


def test_images_that_are_not_square_are_an_error(tmp_path: Path) -> None:
    pixels = np.zeros((4, 5), np.float16)
    parts = [OpenEXR.Part({}, dict.fromkeys("RGB", pixels), f"scene0000/view00{view}") for view in range(2)]
    OpenEXR.File(parts).write(str(tmp_path / "b.exr"))
    with pytest.raises(DatasetError, match=r"images must be square and of one size, but have edges of \[4, 5\] pixels"):
        exr.describe(tmp_path / "b.exr")


def test_a_missing_matrix_is_an_error(tmp_path: Path) -> None:
    part = OpenEXR.Part({}, {channel: np.zeros((4, 4), np.float16) for channel in "RGB"}, "scene0000/view000")
    other = OpenEXR.Part({}, {channel: np.zeros((4, 4), np.float16) for channel in "RGB"}, "scene0000/view001")
    OpenEXR.File([part, other]).write(str(tmp_path / "b.exr"))
    with pytest.raises(DatasetError, match="part scene0000/view000 has no worldToCamera attribute"):
        exr.read_batch(tmp_path / "b.exr")


def test_a_factor_that_does_not_exist_is_an_error(tmp_path: Path, build_batch: Build, write_exr: Write) -> None:
    write_exr(tmp_path / "b.exr", build_batch(factor=7))
    for read in (exr.describe, exr.read_batch):
        with pytest.raises(DatasetError, match="cnsr:factor is 7, expected 0, 1, 2 or -1 for none"):
            read(tmp_path / "b.exr")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, build_batch: Build, write_exr: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "b.exr"
    write_exr(path, build_batch(1))
    before = path.read_bytes()

    class Full:
        def __init__(self, parts: Any) -> None:
            pass

        def write(self, name: str) -> None:
            Path(name).write_bytes(b"half a fi")
            raise RuntimeError(f'Cannot write image file "{name}". No space left on device.')

    monkeypatch.setattr(OpenEXR, "File", Full)
    with pytest.raises(StorageError, match=r"cannot write .*b\.exr: the disk is full"):
        write_exr(path, build_batch(2))
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["b.exr"]


def test_a_write_that_lost_its_end_in_silence_is_noticed(
    tmp_path: Path, build_batch: Build, write_exr: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "b.exr"
    write_exr(path, build_batch(1))
    part_of_it = path.read_bytes()[:-5]

    class Lossy:
        def __init__(self, parts: Any) -> None:
            pass

        def write(self, name: str) -> None:
            Path(name).write_bytes(part_of_it)

    monkeypatch.setattr(OpenEXR, "File", Lossy)
    with pytest.raises(StorageError, match="the disk is full"):
        write_exr(tmp_path / "c.exr", build_batch(1))
    assert not (tmp_path / "c.exr").exists()
