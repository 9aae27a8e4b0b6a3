from __future__ import annotations

import itertools
import os
import shutil
import signal
import warnings
from collections import namedtuple
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cnsr.config import Config
from cnsr.datasets import loader
from cnsr.datasets.batch import Batch
from cnsr.datasets.source import Share
from cnsr.datasets.stored import StoredBatch
from cnsr.errors import DatasetError

BuildConfig = Callable[..., Config]
Write = Callable[..., Any]


def _take(batches: Iterable[Batch], count: int) -> list[Batch]:
    return list(itertools.islice(batches, count))


def _number(batch: Batch) -> int:
    return int(Path(batch.name).stem.removeprefix("batch"))


def _tensors(batch: Batch) -> dict[str, torch.Tensor]:
    named = {f"observed {name}": pixels for name, pixels in batch.observations.items()}
    named |= {f"queried {name}": pixels for name, pixels in batch.queries.items()}
    return named | {"observation poses": batch.observation_poses, "query poses": batch.query_poses}


def _assert_equal(first: Iterable[Batch], second: Iterable[Batch]) -> None:
    for one, other in zip(first, second, strict=True):
        assert (one.name, one.factor) == (other.name, other.factor)
        tensors, others = _tensors(one), _tensors(other)
        assert list(tensors) == list(others)
        assert [name for name, tensor in tensors.items() if not torch.equal(tensor, others[name])] == []


def test_training_batches_have_the_shapes_of_the_config(
    tmp_path: Path, write_folder: Write, build_config: BuildConfig
) -> None:
    write_folder(2)
    batch = next(loader.train_loader(build_config(tmp_path), 0))
    assert {name: tuple(pixels.shape) for name, pixels in batch.observations.items()} == {
        "beauty": (2, 3, 3, 8, 8),  # the first two of three scenes
        "normal": (2, 3, 3, 8, 8),
    }
    assert {name: tuple(pixels.shape) for name, pixels in batch.queries.items()} == {
        "beauty": (2, 3, 8, 8),
        "normal": (2, 3, 8, 8),
        "depth": (2, 1, 8, 8),
    }
    assert tuple(batch.observation_poses.shape) == (2, 3, 16)
    assert tuple(batch.query_poses.shape) == (2, 16)
    assert batch.factor == 1
    assert {tensor.dtype for tensor in _tensors(batch).values()} == {torch.float32}


def test_the_stream_does_not_depend_on_processes_or_interruptions(
    tmp_path: Path, write_folder: Write, build_config: BuildConfig
) -> None:
    """One unbroken stream, in this process; one of two processes; and one that goes on in the middle of an epoch."""
    folder = write_folder(5)
    damaged = folder / "batch000000003.exr"
    damaged.write_bytes(damaged.read_bytes()[:-10])
    config = build_config(tmp_path, random_num_views=True)
    with pytest.warns(UserWarning, match=r"skipped .*batch000000003\.exr: cut short"):
        unbroken = _take(loader.train_loader(config, 7), 17)
    assert len({batch.view_count for batch in unbroken}) == 3
    with (
        pytest.warns(UserWarning, match=r"skipped .*batch000000003\.exr: cut short") as told,
        loader.train_loader(config, 7, workers=2) as stream,
    ):
        _assert_equal(unbroken, _take(stream, 17))
    assert len([one for one in told if "batch000000003" in str(one.message)]) == 1  # though several processes saw it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for start in (4, 8):
            _assert_equal(unbroken[start:], _take(loader.train_loader(config, 7, start), 17 - start))
        other = _take(loader.train_loader(config, 8), 17)
    assert [batch.name for batch in other] != [batch.name for batch in unbroken]


def test_processes_that_share_a_batch_get_the_scenes_of_one(
    tmp_path: Path, write_folder: Write, build_config: BuildConfig
) -> None:
    folder = write_folder(5, scenes=7)
    damaged = folder / "batch000000003.exr"
    damaged.write_bytes(damaged.read_bytes()[:-10])
    config = build_config(tmp_path, batch_size=6, random_num_views=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = _take(loader.train_loader(config, 7), 9)
        for number in range(3):
            source = loader.open_source(config, "train", share=Share(number, 3))
            parts = _take(loader.train_loader(config, 7, source=source), 9)
            for one, part in zip(whole, parts, strict=True):
                assert (one.name, one.factor, one.view_count) == (part.name, part.factor, part.view_count)
                tensors = _tensors(part)
                for name, tensor in _tensors(one).items():
                    assert torch.equal(tensor[2 * number : 2 * number + 2], tensors[name])


def test_the_cache_changes_nothing_but_time(tmp_path: Path, write_folder: Write, build_config: BuildConfig) -> None:
    folder = write_folder(3)
    config = build_config(tmp_path)
    cold = _take(loader.train_loader(config, 1), 3)
    assert len(list((folder / ".cache").glob("*.views"))) == 3
    warm = _take(loader.train_loader(config, 1), 3)
    _assert_equal(cold, warm)


def test_epochs_visit_every_usable_file(tmp_path: Path, write_folder: Write, build_config: BuildConfig) -> None:
    write_folder(6)
    numbers = [_number(batch) for batch in _take(loader.train_loader(build_config(tmp_path), 3), 18)]
    for epoch in range(3):
        assert sorted(numbers[6 * epoch : 6 * epoch + 6]) == list(range(6))
    assert numbers[:6] != numbers[6:12]


def test_files_that_all_break_end_training_with_one_line(
    tmp_path: Path, write_folder: Write, build_config: BuildConfig
) -> None:
    folder = write_folder(2)
    stream = loader.train_loader(build_config(tmp_path), 0)
    for path in folder.glob("*.exr"):
        path.write_bytes(b"gone")
    with pytest.raises(DatasetError, match=r"no file of the training data can be used any more; skipped .*not an EXR"):
        next(stream)


def test_errors_of_workers_arrive_as_they_are(tmp_path: Path, write_folder: Write, build_config: BuildConfig) -> None:
    folder = write_folder(1)
    config = build_config(tmp_path)
    source = loader.open_source(config, "train")
    (folder / "batch000000000.exr").write_bytes(b"gone")
    with loader.train_loader(config, 0, workers=1, source=source) as stream, pytest.raises(DatasetError) as caught:
        next(stream)
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_test_batches_come_once_in_order_with_all_views(
    tmp_path: Path, write_folder: Write, build_config: BuildConfig, build_batch: Callable[..., StoredBatch]
) -> None:
    folder = write_folder(4, "test")
    (folder / "batch000000001.exr").write_bytes(b"damaged")
    config = build_config(tmp_path, random_num_views=True)
    with pytest.warns(UserWarning, match=r"skipped .*batch000000001\.exr: not an EXR file"):
        batches = list(loader.test_loader(config))
    assert [_number(batch) for batch in batches] == [0, 2, 3]
    for batch in batches:
        stored = build_batch(_number(batch))
        np.testing.assert_array_equal(batch.observations["beauty"], stored.passes["beauty"][:2, :3])
        np.testing.assert_array_equal(batch.queries["depth"], stored.passes["depth"][:2, 3])
        np.testing.assert_array_equal(batch.query_poses, stored.poses[:2, 3])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limited = loader.test_loader(config, limit=3)
        assert limited.length == 3
        assert [_number(batch) for batch in limited] == [0, 2]
    assert loader.test_loader(config).length == 4


def test_broken_values_are_told_once_a_file(
    tmp_path: Path, write_npz: Write, build_batch: Callable[..., StoredBatch], build_config: BuildConfig
) -> None:
    (tmp_path / "train").mkdir()
    for index in range(2):
        batch = build_batch(index)
        batch.passes["normal"][0, :, 0, 0, 0] = np.inf
        write_npz(tmp_path / "train" / f"batch{index}.npz", batch)
    with pytest.warns(UserWarning, match="NaN or infinite") as told:
        batches = _take(loader.train_loader(build_config(tmp_path), 0), 6)
    assert sorted(Path(str(one.message).split(":")[0]).name for one in told) == ["batch0.npz", "batch1.npz"]
    assert all(torch.isfinite(pixels).all() for batch in batches for pixels in batch.observations.values())


def test_the_global_random_state_is_left_alone(tmp_path: Path, write_folder: Write, build_config: BuildConfig) -> None:
    write_folder(2)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # type: ignore[index, union-attr]
    _take(loader.train_loader(build_config(tmp_path), 0), 3)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # type: ignore[index, union-attr]


def test_stop_signals_leave_the_workers_to_the_trainer(
    tmp_path: Path, write_folder: Write, build_config: BuildConfig
) -> None:
    write_folder(2)
    with loader.train_loader(build_config(tmp_path), 0, workers=1) as stream:
        next(stream)
        (worker,) = stream._deliveries._workers  # type: ignore[union-attr]
        assert os.getpgid(worker.pid) != os.getpgid(0)  # signals to our group do not reach it
        os.kill(worker.pid, signal.SIGINT)
        assert len(_take(stream, 8)) == 8
    worker.join(30)
    assert not worker.is_alive()


def test_a_killed_worker_is_one_line(tmp_path: Path, write_folder: Write, build_config: BuildConfig) -> None:
    write_folder(2)
    with loader.train_loader(build_config(tmp_path), 0, workers=1) as stream:
        next(stream)
        (worker,) = stream._deliveries._workers  # type: ignore[union-attr]
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(DatasetError, match="a process that reads data was killed"):
            _take(stream, 20)


def test_fewer_processes_read_where_shared_memory_is_scarce(
    tmp_path: Path, write_folder: Write, build_config: BuildConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(2)
    config = build_config(tmp_path)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1 << 40, 0, 1000 if "shm" in str(path) else 1 << 40))
    with pytest.warns(UserWarning, match="only 0 of 4 reading processes fit in the shared memory"):
        stream = loader.train_loader(config, 0, workers=4)
    assert stream.workers == 0
    next(stream)


def test_processes_of_one_machine_share_its_shared_memory(
    tmp_path: Path, write_folder: Write, build_config: BuildConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(2)
    config = build_config(tmp_path)
    whole = 2 * (3 * 6 + 7) * 8 * 8 * 4 * (loader.PREFETCH + 1)  # bytes of a worker that reads whole batches
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1 << 40, 0, whole if "shm" in str(path) else 1 << 40))
    for count, neighbors, fitting in ((1, 1, 1), (2, 1, 2), (2, 2, 1)):
        source = loader.open_source(config, "train", share=Share(0, count, neighbors))
        with pytest.warns(UserWarning, match=f"only {fitting} of 4 reading processes fit"):
            loader.train_loader(config, 0, workers=4, source=source).close()


def test_data_that_is_not_there_is_an_error_before_any_process_starts(
    tmp_path: Path, build_config: BuildConfig
) -> None:
    with pytest.raises(DatasetError, match="no such folder"):
        loader.train_loader(build_config(tmp_path), 0, workers=2)
    with pytest.raises(DatasetError, match="no such folder"):
        loader.test_loader(build_config(tmp_path))
