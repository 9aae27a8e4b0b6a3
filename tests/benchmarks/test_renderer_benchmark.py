"""The renderer's benchmark runs, and writes figures that make sense; how large they are is not tested."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "renderer.py"


def test_the_benchmark_prints_and_writes_its_figures(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    options = ["--threads", "1", "--repeats", "1", "--samples", "1", "--rooms", "1", "--views", "8"]
    result = subprocess.run(
        [sys.executable, str(BENCHMARK), *options, "--json", str(figures)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "million rays/s" in result.stdout
    content = json.loads(figures.read_text())["figures"]
    rendering = content["rendering"]["beauty"]
    # A closed room: at least the camera ray, a shadow ray and the next vertex, at most that of four vertices.
    assert 3 <= rendering["rays_per_sample"] <= 7
    assert content["rendering"]["all 16 buffers"]["rays_per_sample"] > rendering["rays_per_sample"]
    assert content["small_scenes"]["views"] >= 8
