"""Timings whose noise is visible: medians with their spread, tables, and JSON reports.

The machines that run these benchmarks are shared and noisy, so a figure is the median of several runs, the fastest
and the slowest run are printed beside it, and two things that are compared are run in turn, not one after the other.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class Timing:
    """Several measurements of one thing, in the order in which they were taken: median, lowest, highest, all."""

    median: float
    low: float
    high: float
    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> Timing:
        """Return the median and the spread of measured values.

        Raises:
            ValueError: there are none.
        """
        if not values:
            raise ValueError("no measurements to summarize")
        return cls(statistics.median(values), min(values), max(values), tuple(values))

    def rate(self, amount: float) -> Timing:
        """Return amount per second, for runs that took these seconds and did `amount` things each."""
        return Timing.of([amount / value for value in self.values])

    def scaled(self, factor: float) -> Timing:
        """Return the same figure in another unit (1000 makes milliseconds of seconds)."""
        return Timing.of([factor * value for value in self.values])

    def over(self, other: Timing) -> Timing:
        """Return the ratio to another figure, run by run: both must be of one `measure_in_turn`."""
        return Timing.of([a / b for a, b in zip(self.values, other.values, strict=True)])

    def format(self, digits: int = 3) -> str:
        """Return "median (low - high)" with that many significant digits."""
        return f"{self.median:.{digits}g} ({self.low:.{digits}g} - {self.high:.{digits}g})"


def measure(function: Callable[[], object], repeats: int = 5, warmup: int = 1) -> Timing:
    """Time `repeats` calls of a function, after `warmup` calls that do not count."""
    return measure_in_turn({"": function}, repeats, warmup)[""]


def measure_in_turn(
    functions: Mapping[str, Callable[[], object]], repeats: int = 5, warmup: int = 1
) -> dict[str, Timing]:
    """Time several functions in turn (a, b, a, b, …), so that a slow spell of the machine meets all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(warmup + repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            if turn >= warmup:
                seconds[name].append(time.perf_counter() - start)
    return {name: Timing.of(values) for name, values in seconds.items()}


class Table:
    """Rows of text printed in aligned columns, the first left-aligned and the others right-aligned."""

    def __init__(self, *header: str) -> None:
        """Start a table with these column titles."""
        self.rows: list[tuple[str, ...]] = [header]

    def add(self, *cells: object) -> None:
        """Append a row; a Timing is printed with its spread.

        Raises:
            ValueError: the row has another number of cells than the header.
        """
        if len(cells) != len(self.rows[0]):
            raise ValueError(f"a row of {len(cells)} cells in a table of {len(self.rows[0])} columns")
        self.rows.append(tuple(cell.format() if isinstance(cell, Timing) else str(cell) for cell in cells))

    def __str__(self) -> str:
        """Return the whole table, a line a row, with a rule under the header."""
        widths = [max(len(row[column]) for row in self.rows) for column in range(len(self.rows[0]))]
        lines = []
        for row in self.rows:
            cells = [row[0].ljust(widths[0])]
            cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            lines.append("  ".join(cells).rstrip())
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join(lines)


def machine() -> dict[str, Any]:
    """Return what a reader of the figures must know of the machine: processor, usable cores, system, Python."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        processor = names[0] if names else processor
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": processor,
        "cores": cores,
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def write_json(path: Path, figures: Mapping[str, Any]) -> None:
    """Write figures (numbers, strings, Timings, nested mappings) beside the machine's description as JSON."""

    def plain(value: Any) -> Any:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return dataclasses.asdict(value)
        raise TypeError(f"a figure of type {type(value).__name__} cannot be written as JSON")

    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"machine": machine(), "figures": dict(figures)}, indent=2, default=plain)
    path.write_text(text + "\n", encoding="utf-8")
