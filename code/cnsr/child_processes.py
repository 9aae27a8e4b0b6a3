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
    die of it. What Python handles here (as ``KeyboardInterrupt``, say) happens at the end of the context instead, so
    that it cannot tear a start in two either.
    """
    # The tracker's own start would let the signals through again; where it runs already it does nothing.
    resource_tracker.ensure_running()
    with _deferred():
        former = signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)  # children inherit this
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, former)


@contextmanager
def _deferred() -> Iterator[None]:
    """Handle stop signals at the end. Blocking them is not enough: the system gives them to any other thread."""
    came: list[int] = []
    handlers = {number: signal.getsignal(number) for number in _STOP_SIGNALS}
    if threading.current_thread() is not threading.main_thread():
        handlers = {}  # only the main thread handles signals, and may say how
    handlers = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in handlers:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for signal_number in came:
            signal.raise_signal(signal_number)


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
