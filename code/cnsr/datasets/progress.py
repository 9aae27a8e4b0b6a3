"""The progress bar of rendering a data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

_PATIENCE = 1.0
"""Seconds that nothing may happen in before a bar says why."""


class ViewProgress:
    """Shows rendered views, views/s and the remaining time on a terminal; elsewhere only what is worth a line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: tqdm[Any] | None = None

    def checked(self, batches: Sequence[Path]) -> Iterable[Path]:
        """Return `batches`, and show how many are taken: of a large data set, that takes a minute and more."""
        return tqdm(
            batches,
            desc="checking",
            unit="batch",
            file=self._stream,
            disable=not self._stream.isatty(),
            delay=_PATIENCE,
            leave=False,
        )

    def begin(self, views: int) -> None:
        """`views` are to be rendered."""
        self._bar = tqdm(total=views, unit="view", file=self._stream, disable=not self._stream.isatty())

    def finished(self, views: int) -> None:
        """`views` more are on disk, or will never be."""
        if self._bar is not None:
            self._bar.update(views)

    def fault(self, message: str) -> None:
        """A batch is left out, and why: a line for each reason."""
        for line in message.splitlines():
            tqdm.write(f"left out: {line}", file=self._stream)

    def note(self, message: str) -> None:
        """Something that explains why nothing seems to happen."""
        tqdm.write(message, file=self._stream)

    def __enter__(self) -> ViewProgress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
