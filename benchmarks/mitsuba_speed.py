"""How fast Mitsuba 3 renders the same scenes, timed in turn with ours: part of ``benchmarks/renderer.py``.

Its ``path`` integrator with the same limit on vertices and without Russian roulette, and the G-buffers that it knows
(position, normal, depth, shape number, albedo; it has none of roughness). ``load_dict`` of a view includes reading its
OBJ files, as nothing is shared between its scenes; compiled kernels are shared, and the run that does not count
compiles them. Its EXR files are what its film writes by default: half floats, one view each.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "code"), str(ROOT / "tests" / "reference")]

import mitsuba_scene  # noqa: E402 - needs no installation this way
from timing import Table, measure_in_turn  # noqa: E402

from cnsr.scenes.description import Scene  # noqa: E402

VARIANTS = ("llvm_ad_rgb", "scalar_rgb")
BUFFERS = "position:position,normal:sh_normal,depth:depth,id:shape_index,albedo:albedo"


class MitsubaRenderer:
    """One variant of Mitsuba with a number of threads.

    Raises:
        MitsubaMissingError: it is not installed, or the variant needs an LLVM that is not.
    """

    def __init__(self, variant: str, threads: int) -> None:
        self._module = mitsuba_scene.load_mitsuba(variant)
        self._variant = variant
        self._threads = threads

    def load(self, scene: Scene, size: int, samples: int) -> Any:
        """Return a scene that is ready."""
        self._choose()
        return self._module.load_dict(
            mitsuba_scene.translate(self._module, scene, size, "path", samples=samples, aovs=BUFFERS)
        )

    def render(self, loaded: Any, samples: int) -> np.ndarray:
        """Return beauty and G-buffers [H, W, C]."""
        self._choose()
        return np.asarray(self._module.render(loaded, spp=samples, seed=0))

    def write(self, loaded: Any, path: Path) -> None:
        """Write what was rendered last as an EXR file, with all buffers, as its film writes it by default."""
        self._choose(least=2)  # one thread would wait for ever
        loaded.sensors()[0].film().write(str(path))

    def _choose(self, least: int = 1) -> None:
        self._module.set_variant(self._variant)
        importlib.import_module("drjit").set_thread_count(max(least, self._threads))


def renderers(threads: int) -> dict[str, MitsubaRenderer]:
    """Return all variants that are there, and say which are not."""
    found = {}
    for variant in VARIANTS:
        try:
            found[variant] = MitsubaRenderer(variant, threads)
        except mitsuba_scene.MitsubaMissingError as error:
            print(f"no figures of {variant}: {error}")
    return found


def sample_figures(
    ours: Callable[[], object],
    theirs: dict[str, MitsubaRenderer],
    scenes: Sequence[Scene],
    size: int,
    samples: int,
    repeats: int,
) -> dict[str, Any]:
    """Time samples a second of loaded scenes; `ours` renders all of them with the same buffers."""

    def all_of(renderer: MitsubaRenderer) -> Callable[[], object]:
        loaded = [renderer.load(scene, size, samples) for scene in scenes]
        return lambda: [renderer.render(one, samples) for one in loaded]

    functions = {"ours": ours} | {name: all_of(renderer) for name, renderer in theirs.items()}
    million = samples * size * size * len(scenes) / 1e6
    title = f"{len(scenes)} rooms, {size}x{size}, {samples} samples, beauty + G-buffers"
    return _figures(title, "million samples/s", functions, dict.fromkeys(functions, million), repeats)


def view_figures(
    ours: Callable[[], object],
    our_views: int,
    theirs: dict[str, MitsubaRenderer],
    scenes: Sequence[Scene],
    size: int,
    samples: int,
    repeats: int,
    folder: Path,
) -> dict[str, Any]:
    """Time views a second: ours from scene files to EXR files, Mitsuba's from descriptions on, without and with EXR."""

    def all_of(renderer: MitsubaRenderer, write: bool) -> Callable[[], object]:
        def load_and_render() -> None:
            for number, scene in enumerate(scenes):
                loaded = renderer.load(scene, size, samples)
                renderer.render(loaded, samples)
                if write:
                    renderer.write(loaded, folder / f"mitsuba{number}.exr")

        return load_and_render

    functions = {"ours": ours}
    for name, renderer in theirs.items():
        functions |= {name: all_of(renderer, write=False), f"{name}, EXR": all_of(renderer, write=True)}
    counts = {name: float(our_views if name == "ours" else len(scenes)) for name in functions}
    title = f"views of {size}x{size}, {samples} samples: load + render (ours: + EXR)"
    return _figures(title, "views/s", functions, counts, repeats)


def _figures(
    title: str, unit: str, functions: dict[str, Callable[[], object]], counts: dict[str, float], repeats: int
) -> dict[str, Any]:
    """Time the functions in turn, which do so many things each, and print and return their rates."""
    seconds = measure_in_turn(functions, repeats)
    table = Table(title, unit, "ours / this")
    rates = {name: seconds[name].rate(count) for name, count in counts.items()}
    figures = {}
    for name, rate in rates.items():
        ratio = rates["ours"].over(rate)
        figures[name] = {unit: rate, "ours_over_this": ratio}
        table.add(name, rate, ratio)
    print(table, end="\n\n")
    return figures
