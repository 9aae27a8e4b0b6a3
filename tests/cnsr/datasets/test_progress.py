from __future__ import annotations

import io
from pathlib import Path

import pytest

from cnsr.datasets import progress as module
from cnsr.datasets.progress import ViewProgress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _report(stream: io.StringIO) -> str:
    with ViewProgress(stream) as progress:
        progress.begin(10)
        progress.finished(4)
        progress.fault("a scene file is broken")
        progress.finished(6)
    return stream.getvalue()


def test_terminals_see_views_rate_and_what_went_wrong() -> None:
    text = _report(Terminal())
    assert "left out: a scene file is broken\n" in text
    assert "10/10" in text
    assert "view/s" in text


def test_elsewhere_only_faults_are_written() -> None:
    assert _report(io.StringIO()) == "left out: a scene file is broken\n"


def test_every_reason_has_a_line_of_its_own() -> None:
    stream = io.StringIO()
    with ViewProgress(stream) as progress:
        progress.fault("one file\nanother")
    assert stream.getvalue() == "left out: one file\nleft out: another\n"


def test_looking_at_what_is_there_shows_on_terminals_if_it_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    batches = [Path(f"batch{index:09d}") for index in range(5)]
    for stream, patience, shown in ((Terminal(), 0, True), (Terminal(), 60, False), (io.StringIO(), 0, False)):
        monkeypatch.setattr(module, "_PATIENCE", patience)
        with ViewProgress(stream) as progress:
            assert list(progress.checked(batches)) == batches
        assert ("checking" in stream.getvalue()) == shown
