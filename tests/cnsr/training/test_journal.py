import errno
import json
from types import SimpleNamespace

import numpy as np
import pytest

from cnsr.errors import StorageError
from cnsr.training.journal import Journal


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_numbers_are_lines_that_are_there_at_once(tmp_path):
    path = tmp_path / "job.stats.jsonl"
    with Journal(path, 0, None) as journal:
        journal.numbers(4, {"train/loss": 0.5})
        assert lines(path) == [{"iteration": 4, "train/loss": 0.5}]
        journal.numbers(8, {"train/loss": 0.25, "test/psnr": 20.0})
    assert lines(path)[1] == {"iteration": 8, "train/loss": 0.25, "test/psnr": 20.0}


def test_what_came_after_the_start_is_dropped(tmp_path):
    path = tmp_path / "job.stats.jsonl"
    path.write_text('{"iteration": 4}\n{"iteration": 8}\n{"iteration": 12}\n')
    with Journal(path, 8, None) as journal:
        journal.numbers(12, {"again": 1.0})
    assert lines(path) == [{"iteration": 4}, {"iteration": 8}, {"iteration": 12, "again": 1.0}]


@pytest.mark.parametrize("rest", ['{"iteration": 5, "train/lo', '{"iteration": 5}', "\x00\x00\n", "[3]\n", "{}\n"])
def test_a_damaged_end_is_dropped(tmp_path, rest):
    path = tmp_path / "job.stats.jsonl"
    path.write_text('{"iteration": 4}\n' + rest)
    Journal(path, 100, None).close()
    assert path.read_text() == '{"iteration": 4}\n'


def test_an_undamaged_file_is_not_written_anew(tmp_path):
    path = tmp_path / "job.stats.jsonl"
    path.write_text('{"iteration": 4}\n')
    before = path.stat().st_ino
    Journal(path, 4, None).close()
    assert path.stat().st_ino == before


def test_tensorboard_shows_the_same_numbers_pictures_and_texts(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for start, iterations in ((0, (4, 8, 12)), (8, (12,))):
        with Journal(tmp_path / "job.stats.jsonl", start, tmp_path / "runs" / "job") as journal:
            for iteration in iterations:
                journal.numbers(iteration, {"train/loss": start + iteration})
            journal.pictures(iterations[-1], {"test/beauty": np.full((5, 7, 3), 9, np.uint8)})
            journal.text(start, "config", "some text")
    board = EventAccumulator(str(tmp_path / "runs" / "job"))
    board.Reload()
    assert [(event.step, event.value) for event in board.Scalars("train/loss")] == [(4, 4.0), (8, 8.0), (12, 20.0)]
    picture = board.Images("test/beauty")[-1]
    assert (picture.step, picture.height, picture.width) == (12, 5, 7)
    assert board.Tags()["tensors"] == ["config/text_summary"]


def test_places_that_cannot_be_written_are_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"cannot (read|write) .*file/job\.stats\.jsonl"):
        Journal(tmp_path / "file" / "job.stats.jsonl", 0, None)
    with pytest.raises(StorageError, match=r"cannot write .*file/job: a part of the path is a file"):
        Journal(tmp_path / "job.stats.jsonl", 0, tmp_path / "file" / "job")


def test_full_disk_is_told_in_one_line():
    from pathlib import Path

    device = Path("/dev/full")
    if not device.exists():
        pytest.skip("this system has no /dev/full")
    journal = Journal.__new__(Journal)
    journal._path, journal._board, journal._file = device, None, device.open("w")
    with pytest.raises(StorageError, match="cannot write /dev/full: the disk is full"):
        journal.numbers(1, {})
    with pytest.raises(StorageError, match="cannot write /dev/full: the disk is full"):
        journal.close()


def test_a_full_disk_under_tensorboard_is_a_warning_and_the_numbers_go_on(tmp_path, monkeypatch):
    path = tmp_path / "job.stats.jsonl"
    with Journal(path, 0, tmp_path / "runs") as journal:
        journal.numbers(1, {"train/loss": 1.0})

        def full(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(journal._board, "_records", SimpleNamespace(write=full))
        with pytest.warns(UserWarning, match=r"TensorBoard shows nothing .* \(No space left on device\); .*job\.stats"):
            journal.numbers(2, {"train/loss": 0.5})
        journal.numbers(3, {"train/loss": 0.25})
        journal.text(3, "config", "some text")
    assert [line["train/loss"] for line in lines(path)] == [1.0, 0.5, 0.25]
