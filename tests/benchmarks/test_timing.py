"""The figures of benchmarks: medians, spreads, ratios, tables, JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from timing import Table, Timing, measure, measure_in_turn, write_json


def test_a_timing_is_a_median_with_its_spread() -> None:
    timing = Timing.of([3.0, 1.0, 2.0, 10.0])
    assert (timing.median, timing.low, timing.high) == (2.5, 1.0, 10.0)
    assert timing.values == (3.0, 1.0, 2.0, 10.0)
    assert timing.format() == "2.5 (1 - 10)"
    assert timing.scaled(1000).high == 10_000
    with pytest.raises(ValueError, match="no measurements"):
        Timing.of([])


def test_a_rate_is_formed_run_by_run() -> None:
    rate = Timing.of([1.0, 2.0, 4.0]).rate(8.0)
    assert rate.values == (8.0, 4.0, 2.0)
    assert (rate.low, rate.high) == (2.0, 8.0)


def test_a_ratio_is_formed_turn_by_turn() -> None:
    ratio = Timing.of([2.0, 4.0, 8.0]).over(Timing.of([1.0, 2.0, 4.0]))
    assert ratio.values == (2.0, 2.0, 2.0)
    with pytest.raises(ValueError, match="zip"):
        Timing.of([1.0]).over(Timing.of([1.0, 2.0]))


def test_functions_are_timed_in_turn_after_warming_up() -> None:
    calls: list[str] = []
    timings = measure_in_turn({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repeats=3, warmup=2)
    assert calls == ["a", "b"] * 5
    assert len(timings["a"].values) == len(timings["b"].values) == 3
    assert measure(lambda: None, repeats=2).low >= 0


def test_tables_are_aligned() -> None:
    table = Table("what", "s")
    table.add("one", 1)
    table.add("three", Timing.of([2.0]))
    assert str(table).splitlines() == ["what           s", "-----  ---------", "one            1", "three  2 (2 - 2)"]
    with pytest.raises(ValueError, match="1 cells in a table of 2"):
        table.add("alone")


def test_json_holds_the_figures_and_the_machine(tmp_path: Path) -> None:
    write_json(tmp_path / "folder" / "figures.json", {"a": Timing.of([1.0, 3.0]), "b": {"c": 2}})
    content = json.loads((tmp_path / "folder" / "figures.json").read_text())
    assert content["figures"]["a"] == {"median": 2.0, "low": 1.0, "high": 3.0, "values": [1.0, 3.0]}
    assert content["figures"]["b"] == {"c": 2}
    assert content["machine"]["cores"] >= 1
    with pytest.raises(TypeError, match="cannot be written"):
        write_json(tmp_path / "x.json", {"a": object()})
