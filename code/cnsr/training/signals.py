"""Stopping on SIGINT and SIGTERM without losing work."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any


class StopRequest:
    """Context in which the first SIGINT or SIGTERM is only noted, so that the caller can save and leave.

    The second signal ends the program at once, by ``SystemExit``, which still lets files and workers be cleaned up;
    the third does what the system does by default. That nobody reads the output any more (SIGPIPE) stops nothing.
    Outside the main thread, where Python forbids signal handlers, the context does nothing.

    Args:
        quiet: say nothing when the first signal comes.
        echo: seconds in which further signals count as the first one: a launcher of several processes passes on what
            they may have got by themselves.

    Attributes:
        signal: number of the signal that came, or ``None``.
    """

    def __init__(self, quiet: bool = False, echo: float = 0.0) -> None:
        self.signal: int | None = None
        self._quiet = quiet
        self._echo = echo
        self._came = 0.0
        self._former: dict[int, Any] = {}

    def came(self) -> bool:
        """Return whether the caller should save and leave."""
        return self.signal is not None

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._former[number] = signal.signal(number, self._note)
            if hasattr(signal, "SIGPIPE"):
                self._former[signal.SIGPIPE] = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.signal is None:
            self.signal = number
            self._came = time.monotonic()
            if not self._quiet:
                # Straight to the file descriptor: the signal may have come in the middle of a print.
                with suppress(OSError):
                    os.write(2, b"\nstopping after this iteration, with a checkpoint; once more to stop at once\n")
            return
        if time.monotonic() - self._came < self._echo:
            return
        for each in self._former:
            signal.signal(each, signal.SIG_DFL)
        sys.exit(128 + number)
