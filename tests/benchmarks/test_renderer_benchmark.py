"""The renderer's benchmark runs, and writes figures that make sense; how large they are is not tested."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "renderer.py"
VARIANCE = BENCHMARK.with_name("variance.py")


def run(figures: Path, *more: str, program: Path = BENCHMARK) -> subprocess.CompletedProcess[str]:
    options = ["--threads", "1", "--repeats", "1", "--samples", "1", "--rooms", "1", "--views", "8"]
    if program != BENCHMARK:
        options = ["--renderings", "2", "--size", "8", "--rooms", "1", "--samples", "1", "2"]
    command = [sys.executable, str(program), *options, *more, "--json", str(figures)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result


@pytest.fixture
def without_mitsuba(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make programs that are started find a Mitsuba that cannot be imported."""
    (tmp_path / "mitsuba.py").write_text("raise ImportError\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ['PYTHONPATH']}")


@pytest.mark.usefixtures("without_mitsuba")
def test_the_benchmark_prints_and_writes_its_figures(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    result = run(figures)
    assert "Mitsuba is not installed: pip install -r requirements-reference.txt" in result.stdout
    assert "million rays/s" in result.stdout
    content = json.loads(figures.read_text())["figures"]
    rendering = content["rendering"]["beauty"]
    # A closed room: at least the camera ray, a shadow ray and the next vertex, at most that of four vertices.
    assert 3 <= rendering["rays_per_sample"] <= 7
    assert content["rendering"]["all 16 buffers"]["rays_per_sample"] > rendering["rays_per_sample"]
    assert content["small_scenes"]["views"] >= 8
    assert content["set_up"]["archviz_cached_ms"]["median"] > 0


@pytest.mark.usefixtures("without_mitsuba")
def test_the_benchmark_of_noise_measures_ours_alone(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    result = run(figures, program=VARIANCE)
    assert "Ours alone. Mitsuba is not installed" in result.stdout
    content = json.loads(figures.read_text())["figures"]
    assert len(content) >= 6
    assert all(set(one) == {"1", "2"} and one["1"]["ours"]["mean"] > 0 for one in content.values())


@pytest.mark.reference
def test_both_benchmarks_compare_with_mitsuba(tmp_path: Path) -> None:
    pytest.importorskip("mitsuba", reason="Mitsuba is not installed: pip install -r requirements-reference.txt")
    figures = tmp_path / "figures.json"
    assert "ours / this" in run(figures, "--mitsuba_views", "2").stdout
    mitsuba = json.loads(figures.read_text())["figures"]["mitsuba"]
    assert mitsuba["samples"]["scalar_rgb"]["million samples/s"]["median"] > 0
    assert mitsuba["views"]["scalar_rgb"]["ours_over_this"]["median"] > 0
    assert "multijitter / ours" in run(figures, program=VARIANCE).stdout
