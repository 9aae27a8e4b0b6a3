"""The progress bar of taking pictures."""

from __future__ import annotations

from typing import Any, TextIO

from tqdm import tqdm


class ShareProgress:
    """Shows the share that is done and the remaining time on a terminal, and nothing elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        self._bar: tqdm[Any] = tqdm(
            total=1.0,
            file=stream,
            disable=not stream.isatty(),
            bar_format="{percentage:3.0f}%|{bar}| {elapsed}<{remaining}",
        )

    def update(self, share: float) -> None:
        """`share` of the work is done, in [0, 1]."""
        self._bar.update(share - self._bar.n)

    def __enter__(self) -> ShareProgress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
