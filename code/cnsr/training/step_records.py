"""What the steps report: losses, and how long the device waited for data. The device is never made to wait for it."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cnsr.errors import TrainingError


@dataclass(frozen=True)
class _Report:
    iteration: int
    batch_name: str
    names: tuple[str, ...]
    values: Tensor  # [len(names)], on the CPU; on its way there until `ready`
    ready: torch.cuda.Event | None


class LossRecord:
    """Collects the scalars of every step and averages them from one line of the log to the next.

    On a GPU the values travel to the host behind the computation; they are looked at when they have arrived, a few
    steps late, and all of them when `settle` is told to wait.

    Attributes:
        latest: the last loss that is known, or ``None``.
    """

    def __init__(self) -> None:
        self.latest: float | None = None
        self._underway: deque[_Report] = deque()
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def add(self, iteration: int, batch_name: str, loss: Tensor, terms: Mapping[str, Tensor]) -> None:
        """Note the scalars of a step (`loss` under its own name)."""
        entries = {"loss": loss, **terms}
        values = torch.stack([value.detach().float().reshape(()) for value in entries.values()])
        ready = None
        if values.is_cuda:
            host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            host.copy_(values, non_blocking=True)
            ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
            ready.record(torch.cuda.current_stream(values.device))
            values = host
        self._underway.append(_Report(iteration, batch_name, tuple(entries), values, ready))

    def settle(self, wait: bool = False) -> None:
        """Take in the reports that have arrived; with `wait`, all of them.

        Raises:
            TrainingError: a loss is NaN or infinite; its batch is named.
        """
        while self._underway:
            report = self._underway[0]
            if report.ready is not None:
                if wait:
                    report.ready.synchronize()
                elif not report.ready.query():  # type: ignore[no-untyped-call]
                    return
            self._underway.popleft()
            self._take_in(report)

    def take_means(self) -> dict[str, float]:
        """Return the averages since the last call, and start new ones."""
        means = {name: total / self._counts[name] for name, total in self._sums.items()}
        self._sums, self._counts = {}, {}
        return means

    def state(self) -> dict[str, Any]:
        """Return what is collected, for a checkpoint."""
        return {"sums": dict(self._sums), "counts": dict(self._counts)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        self._sums, self._counts = dict(state["sums"]), dict(state["counts"])

    def _take_in(self, report: _Report) -> None:
        values = dict(zip(report.names, report.values.tolist(), strict=True))
        self.latest = values["loss"]
        if not math.isfinite(self.latest):
            culprits = [name for name, value in values.items() if name != "loss" and not math.isfinite(value)]
            where = f" (in {', '.join(culprits)})" if culprits else ""
            raise TrainingError(
                f"the loss is {self.latest} at iteration {report.iteration}{where}, with batch {report.batch_name}"
            )
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1


class StepClock:
    """Measures steps per second, and the share of time in which the device had nothing to do for want of data.

    On the CPU that is the time spent asking for a batch. A GPU works on behind the program, so that asking for a
    batch may cost nothing; there, the time between the end of a step and the start of the next is measured on the
    device itself.
    """

    def __init__(self, device: torch.device) -> None:
        self._cuda = device if device.type == "cuda" else None
        self._steps = 0
        self._waited = 0.0
        self._gaps: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []
        self._step_end: torch.cuda.Event | None = None
        self._asked = 0.0
        self._begun = time.perf_counter()

    def data_asked(self) -> None:
        """Note that a batch is asked for."""
        self._asked = time.perf_counter()

    def data_came(self) -> None:
        """Note that the batch is there, and nothing of this step runs yet."""
        if self._cuda is None:
            self._waited += time.perf_counter() - self._asked
        elif self._step_end is not None:
            self._gaps.append((self._step_end, self._event()))

    def step_done(self) -> None:
        """Note that the step has been given to the device."""
        self._steps += 1
        if self._cuda is not None:
            self._step_end = self._event()

    def take(self) -> tuple[float, float] | None:
        """Return (steps per second, share of time waited) since `restart`; call it when the device is done.

        ``None`` without any step.
        """
        elapsed = time.perf_counter() - self._begun
        if not self._steps:
            return None
        waited = self._waited + sum(end.elapsed_time(start) for end, start in self._gaps) / 1000
        return self._steps / elapsed, min(waited / elapsed, 1.0)

    def restart(self) -> None:
        """Measure from here on; what lies between `take` and this call (evaluation, saving) does not count."""
        self._steps, self._waited, self._gaps, self._step_end = 0, 0.0, [], None
        self._begun = time.perf_counter()

    def _event(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self._cuda))
        return event
