"""Several runs in one folder, shards, and runs that end early."""

from __future__ import annotations

import json
import os
import platform
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stand_ins import SETTINGS, FakeTracer, FakeView, Loaded, Report, Run, hashes

from cnsr.datasets import generation
from cnsr.datasets.work import Summary
from cnsr.errors import DatasetError
from cnsr.shards import Shard


class Waiting(FakeTracer):
    """Says when it has begun its first batch, and waits then until it may go on."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.leave = threading.Event(), threading.Event()

    def render_views(self, *arguments: Any, **options: Any) -> list[FakeView]:
        self.inside.set()
        assert self.leave.wait(30)
        return super().render_views(*arguments, **options)


@pytest.fixture
def beside(run: Run) -> Iterator[Callable[[], tuple[Waiting, Future[tuple[Summary, Report, FakeTracer]]]]]:
    """Return a function that starts a run of its own, which stops in the middle of its first batch."""
    tracer = Waiting()
    with ThreadPoolExecutor(1) as thread:

        def start() -> tuple[Waiting, Future[tuple[Summary, Report, FakeTracer]]]:
            running = thread.submit(run, tracer=tracer)
            assert tracer.inside.wait(30)
            return tracer, running

        yield start
        tracer.leave.set()


def test_a_second_run_renders_the_rest_and_waits_for_the_first(tmp_path: Path, run: Run, beside: Any) -> None:
    first, running = beside()

    class Releasing(Report):
        def note(self, message: str) -> None:
            super().note(message)
            first.leave.set()

    report = Releasing()
    summary, _, tracer = run(report=report)
    assert (report.total, report.done) == (18, 18)
    (note,) = report.notes  # the first one reads its next batch while it renders
    assert re.fullmatch("waiting for (a batch|2 batches) that other runs are rendering", note)
    assert summary.written + summary.elsewhere == 3
    assert summary.elsewhere >= 1
    others, _, _ = running.result(30)
    assert others.written + others.elsewhere == 3
    assert others.written + summary.written == 3
    assert sorted(first.rendered + tracer.rendered) == [f"batch{batch:09d}" for batch in range(3)]
    assert sorted(hashes(tmp_path / "out")) == [*(f"batch{batch:09d}.exr" for batch in range(3)), "dataset.json"]
    assert f", {summary.elsewhere} by other runs" in summary.line(1.0)


def test_nothing_is_deleted_under_another_run(tmp_path: Path, run: Run, beside: Any) -> None:
    run()
    (tmp_path / "out" / "batch000000001.exr").unlink()
    first, running = beside()
    with pytest.raises(DatasetError) as caught:
        run(overwrite=True)
    assert str(caught.value) == (
        f"{tmp_path / 'out'}: another run is writing there (process {os.getpid()} on {platform.node()}); "
        "wait for it, or choose another folder: --overwrite needs one for itself"
    )
    first.leave.set()
    assert running.result(30)[0] == Summary(written=1, present=2, views=6, dropped=6)


def test_runs_with_other_settings_that_start_at_once_do_not_mix(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one comes and goes after this one has looked at what is there."""
    look = generation._pending

    def late(*arguments: Any) -> Any:
        monkeypatch.undo()
        pending = look(*arguments)
        run(replace(SETTINGS, samples=3))
        return pending

    monkeypatch.setattr(generation, "_pending", late)
    tracer = FakeTracer()
    with pytest.raises(DatasetError, match=r"was rendered with other settings \(samples is 3 there, now 2\)"):
        run(tracer=tracer)
    assert tracer.rendered == []


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_shards_make_the_bytes_of_one_run(tmp_path: Path, tree: Path, run: Run, count: int) -> None:
    run()
    (tree / "batch000000002").rename(tree / "batch000000007")  # numbers may have gaps
    run(out=tmp_path / "whole")
    rendered = []
    for number in range(count, 0, -1):
        _, report, tracer = run(out=tmp_path / "shards", shard=Shard(number, count))
        rendered += tracer.rendered
        assert report.total == 6 * len(tracer.rendered)
        # Whoever comes first describes the whole.
        assert json.loads((tmp_path / "shards" / "dataset.json").read_text())["batches"] == 3
    assert sorted(rendered) == ["batch000000000", "batch000000001", "batch000000007"]
    assert hashes(tmp_path / "shards") == hashes(tmp_path / "whole")


def test_the_description_follows_a_folder_that_has_grown(tmp_path: Path, tree: Path, run: Run) -> None:
    (tree / "batch000000002").rename(tmp_path / "later")
    run()
    (tmp_path / "later").rename(tree / "batch000000002")
    assert json.loads((tmp_path / "out" / "dataset.json").read_text())["batches"] == 2
    assert run()[0] == Summary(written=1, present=2, views=6, dropped=6)
    assert json.loads((tmp_path / "out" / "dataset.json").read_text())["batches"] == 3


def test_an_interrupt_keeps_the_batch_that_is_being_written(tmp_path: Path, run: Run) -> None:
    class Interrupted(FakeTracer):
        def render_views(self, scenes: Sequence[Loaded], **options: Any) -> list[FakeView]:
            if scenes[0].path.parent.parent.name == "batch000000002":
                raise KeyboardInterrupt
            return super().render_views(scenes, **options)

    with pytest.raises(KeyboardInterrupt):
        run(tracer=Interrupted())
    assert sorted(hashes(tmp_path / "out")) == ["batch000000000.exr", "batch000000001.exr", "dataset.json"]
