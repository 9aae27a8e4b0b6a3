"""Fixtures of the renderer's tests, and the way to their reference formulas."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# Tests are imported one by one (importlib mode), so the reference modules beside them need a way in. What benchmarks
# share with them lies in tests/reference.
sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
sys.path.insert(0, str(Path(__file__).parent))

from cnsr import rendering


@pytest.fixture(scope="session")
def tracer() -> rendering.PathTracer:
    """Return one tracer for all tests: caches are shared, results depend on no order."""
    return rendering.PathTracer(device="cpu", threads=1)
