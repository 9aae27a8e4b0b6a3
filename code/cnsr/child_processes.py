"""Processes that help this one, and neither stop before it does nor outlive it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import wait

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def sheltered_start() -> Iterator[None]:
    """Keep stop signals off the processes that are started meanwhile, until they call `depend_on_parent`.

    Ctrl-C goes to all processes of a terminal, and one that is only just importing modules knows no better than to
    die of it. Signals for this process arrive at the end of the context.
    """
    # The tracker's own start would let the signals through again; where it runs already it does nothing.
    resource_tracker.ensure_running()
    former = signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def depend_on_parent() -> None:
    """Leave Ctrl-C to the parent, and end when it is gone, even where it was killed. To be called first in a child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    # Without this, children of a killed parent would wait for work for ever.
    wait([sentinel])
    os._exit(1)
