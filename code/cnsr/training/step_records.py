"""What the steps report: losses, and how long the device waited for data. The device is never made to wait for it."""

from __future__ import annotations

import math
import signal
import time
import zlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cnsr.errors import TrainingError
from cnsr.training.distributed import ALONE, Ranks

LATE = 4
"""How many steps later the scalars of a step on a GPU are looked at.

By then they have arrived: programs get hardly more than a step ahead of their GPU. That the number is fixed makes all
processes see the same at the same iteration."""

_STOPS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class _Report:
    iteration: int
    batch_name: str
    names: tuple[str, ...]
    values: Tensor  # [len(names)], or with further ones behind; on the CPU, on its way there until `ready`
    ready: torch.cuda.Event | None


class LossRecord:
    """Collects the scalars of every step and averages them from one line of the log to the next.

    On a GPU the values travel to the host behind the computation and are looked at `LATE` steps later, or when
    `settle` is told to wait. Of several processes, all see the means over all of them; what else they must agree on in
    every step, their stop signals and that they work on the same batch, travels with the scalars.

    Attributes:
        latest: the last loss that is known, or ``None``.
        signal: number of a stop signal that came to one of several processes, or ``None``.
    """

    def __init__(self, ranks: Ranks = ALONE) -> None:
        self.latest: float | None = None
        self.signal: int | None = None
        self._ranks = ranks
        self._underway: deque[_Report] = deque()
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def add(
        self,
        iteration: int,
        batch_name: str,
        loss: Tensor,
        terms: Mapping[str, Tensor],
        stop_signal: int | None = None,
    ) -> None:
        """Note the scalars of a step (`loss` under its own name), and a signal that came to this process."""
        entries = {"loss": loss, **terms}
        scalars = [value.detach().float().reshape(()) for value in entries.values()]
        if self._ranks.count > 1:
            agreed = (*(float(stop_signal == stop) for stop in _STOPS), _fingerprint(batch_name))
            scalars += [torch.full_like(scalars[0], value) for value in agreed]  # filled on the device
        values = self._ranks.add_up(torch.stack(scalars))
        ready = None
        if values.is_cuda:
            host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            host.copy_(values, non_blocking=True)
            ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
            ready.record(torch.cuda.current_stream(values.device))
            values = host
        self._underway.append(_Report(iteration, batch_name, tuple(entries), values, ready))

    def settle(self, wait: bool = False) -> None:
        """Take in the reports that are due; with `wait`, all of them.

        Raises:
            TrainingError: a loss is NaN or infinite, and its batch is named; or the processes have read different
                batches. All processes raise it after the same iteration.
        """
        while self._underway:
            report = self._underway[0]
            if report.ready is not None:
                if not wait and len(self._underway) <= LATE:
                    return
                report.ready.synchronize()
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
        count = self._ranks.count
        sums = report.values.tolist()
        if count > 1:
            self._compare(report, sums[len(report.names) :])
        values = {name: total / count for name, total in zip(report.names, sums, strict=False)}
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

    def _compare(self, report: _Report, sums: list[float]) -> None:
        """Look at what the processes must agree on: how many got each stop signal, and which batch they have."""
        *stopped, fingerprints = sums
        for number, processes in zip(_STOPS, stopped, strict=True):
            if processes:
                self.signal = int(number)
        if fingerprints != self._ranks.count * _fingerprint(report.batch_name):
            raise TrainingError(
                f"the processes have read different batches at iteration {report.iteration} (the first one "
                f"{report.batch_name}): train_data_dir must hold the same files on all machines"
            )


def _fingerprint(batch_name: str) -> float:
    """Return a number in [0, 65536) for the file of a batch, wherever it lies; float32 adds up 256 of them exactly."""
    return float(zlib.crc32(Path(batch_name).name.encode()) & 0xFFFF)


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
