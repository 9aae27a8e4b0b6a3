"""Progress on standard error: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn, TextIO, cast

from tqdm import tqdm

_BAR = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}, {remaining} left, {rate_fmt}{postfix}]"


class Progress:
    """Shows iteration, loss, iterations per second, share of time spent waiting for data, and remaining time.

    Where `stream` is no terminal, there is no bar, but a plain line at most every `interval` seconds. A stream that
    can no longer be written (a closed pipe, a full disk) is written in vain: training does not stop for that.
    """

    def __init__(self, stream: TextIO | None = None, interval: float = 30.0) -> None:
        self._stream = cast("TextIO", _Unfailing(stream if stream is not None else sys.stderr))
        self._interval = interval
        self._bar: tqdm[NoReturn] | None = None
        self._waiting = 0.0
        self._total = 0
        self._done = 0
        self._first = 0
        self._begun = 0.0
        self._spoken = 0.0

    @classmethod
    def silent(cls) -> Progress:
        """Return one that shows nothing, for processes that leave it to another one."""
        return cls(cast("TextIO", _Nowhere()))

    @contextmanager
    def over(self, total: int, done: int) -> Iterator[None]:
        """Show progress, at first `done` of `total` iterations, until the context is left."""
        self._total, self._done, self._first = total, done, done
        self._begun = self._spoken = time.monotonic()
        if _is_terminal(self._stream):
            self._bar = tqdm(
                total=total, initial=done, file=self._stream, unit="it", bar_format=_BAR, dynamic_ncols=True
            )
        try:
            yield
        finally:
            if self._bar is not None:
                self._bar.close()
                self._bar = None

    def step(self, loss: float | None) -> None:
        """Count one iteration; `loss` is the last one known."""
        self._done += 1
        text = f"loss {loss:.4g}, " if loss is not None else ""
        text += f"waiting for data {self._waiting:.0%}"
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.update(1)
            return
        now = time.monotonic()
        if now - self._spoken >= self._interval:
            self._spoken = now
            rate = (self._done - self._first) / (now - self._begun)
            left = tqdm.format_interval((self._total - self._done) / rate)
            self.note(f"iteration {self._done}/{self._total}, {rate:.3g} it/s, {left} left, {text}")

    def waiting(self, share: float) -> None:
        """Set the share of time, 0 to 1, in which the device waited for data."""
        self._waiting = share

    def note(self, text: str) -> None:
        """Print a line without disturbing the bar."""
        if self._bar is not None:
            self._bar.write(text, file=self._stream)
        else:
            print(text, file=self._stream, flush=True)


class _Nowhere(io.TextIOBase):
    """A stream that keeps nothing."""

    def write(self, text: str) -> int:
        return len(text)


class _Unfailing:
    """A stream of which nobody is told that it cannot be written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _is_terminal(stream: TextIO) -> bool:
    """Return whether a bar can be shown: some containers give a terminal that is 0 columns wide."""
    if not stream.isatty():
        return False
    try:
        return os.get_terminal_size(stream.fileno()).columns > 0
    except OSError:  # no real terminal, as in a notebook
        return True
