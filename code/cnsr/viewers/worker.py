"""Slow work beside the window: a thread that does one job after the other, of which the latest wins."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Generic, TypeVar

from cnsr.errors import UserError

Result = TypeVar("Result")

_NICENESS = 10  # of 0 (as others) to 19 (what nobody else wants)


class JobCancelledError(Exception):
    """Ends a job that nobody waits for any more; raised by `Ticket.check`."""


class Ticket(Generic[Result]):
    """What a job holds of the outer world: where its results go, and whether they are still wanted."""

    def __init__(self, publish: Callable[[Result], None]) -> None:
        self._publish = publish
        self._cancelled = threading.Event()

    @property
    def cancelled(self) -> bool:
        """Whether a newer job waits, or the worker closes."""
        return self._cancelled.is_set()

    def check(self, _share: float = 0.0) -> None:
        """End the job here if it is cancelled. Serves as the renderer's `progress`, whose argument does not matter.

        Raises:
            JobCancelledError: it is.
        """
        if self.cancelled:
            raise JobCancelledError

    def pause(self, seconds: float) -> None:
        """Wait, and end the job here if it is cancelled meanwhile.

        Raises:
            JobCancelledError: it is.
        """
        self._cancelled.wait(seconds)
        self.check()

    def publish(self, result: Result) -> None:
        """Hand out a result, which `Worker.collect` will return, also if the job is cancelled meanwhile."""
        self._publish(result)

    def cancel(self) -> None:
        """Let the next `check` end the job."""
        self._cancelled.set()


Job = Callable[[Ticket[Result]], None]


class Worker(Generic[Result]):
    """Runs jobs in a thread of its own, one at a time.

    A new job replaces one that waits and cancels the one that runs, which ends at its next `Ticket.check`. Results
    come out in the order in which they were published; who collects them decides whether they are still of use. What
    a job raises is kept for `take_error`, unless a newer job has been submitted since.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._changed = threading.Condition()
        self._waiting: Job[Result] | None = None
        self._running: Ticket[Result] | None = None
        self._results: list[Result] = []
        self._error: Exception | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether a job runs or waits, or there are results to collect."""
        with self._changed:
            return self._is_busy() or bool(self._results) or self._error is not None

    def submit(self, job: Job[Result]) -> None:
        """Run `job` as soon as the one that runs has noticed that it is cancelled.

        Raises:
            RuntimeError: the worker is closed.
        """
        with self._changed:
            if self._closed:
                raise RuntimeError("this worker is closed")
            self._waiting, self._error = job, None
            self._cancel_running()
            self._changed.notify_all()

    def cancel(self) -> None:
        """Forget the job that waits, and end the one that runs at its next check."""
        with self._changed:
            self._waiting = None
            self._cancel_running()
            self._changed.notify_all()

    def collect(self) -> list[Result]:
        """Return what was published since the last call."""
        with self._changed:
            results, self._results = self._results, []
            return results

    def take_error(self) -> Exception | None:
        """Return what the latest job raised, once."""
        with self._changed:
            error, self._error = self._error, None
            return error

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until no job runs or waits; return whether that is so (within `timeout` seconds)."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._is_busy(), timeout)

    def close(self) -> None:
        """Cancel everything and wait for the thread to end."""
        with self._changed:
            self._closed, self._waiting = True, None
            self._cancel_running()
            self._changed.notify_all()
        self._thread.join()

    def _is_busy(self) -> bool:
        return self._running is not None or self._waiting is not None

    def _cancel_running(self) -> None:
        if self._running is not None:
            self._running.cancel()

    def _run(self) -> None:
        _yield_to_window()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting is not None or self._closed)
                if self._closed or self._waiting is None:
                    return
                job, self._waiting = self._waiting, None
                ticket = self._running = Ticket(self._keep)
            error = _error_of(job, ticket)
            with self._changed:
                self._running = None
                if not ticket.cancelled:
                    self._error = error
                self._changed.notify_all()

    def _keep(self, result: Result) -> None:
        with self._changed:
            self._results.append(result)


def _yield_to_window() -> None:
    """Let this thread, and those that it starts, compute only while the window has nothing to do.

    Without a graphics card the window is drawn by the CPU, on the cores that render and predict. On Linux each thread
    has a priority of its own.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def message_of(error: Exception) -> str:
    """Return the line that a panel shows for `error`; a fault of the program is told apart from a user's."""
    return str(error) if isinstance(error, UserError) else f"fault of the program: {type(error).__name__}: {error}"


def report(error: Exception) -> None:
    """Print the traceback of an error that is a fault of the program: a panel has no room for it."""
    if not isinstance(error, UserError):
        traceback.print_exception(error, file=sys.stderr)


def _error_of(job: Job[Result], ticket: Ticket[Result]) -> Exception | None:
    """Run the job and return what it raised."""
    try:
        job(ticket)
    except JobCancelledError:
        return None
    except Exception as error:  # a fault in a job must not end the window; the panel and the traceback tell of it
        report(error)
        return error
    return None
