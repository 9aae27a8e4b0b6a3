"""Noise at equal samples: the renderer's, and that of Mitsuba's path tracer with two of its samplers.

    pip install -r requirements-reference.txt
    python benchmarks/variance.py [--renderings 32] [--size 32] [--json FILE]

Each scene is rendered several times with different seeds at 1, 4, 16 and 64 samples a pixel. The figure is the relative
variance: the variance of a pixel over its squared mean (plus a hundredth of the image's, for dark pixels), averaged
over pixels and channels, times the samples, so that a column falls where points are better than independent ones. A
mean over pixels belongs to the few that see a rare bright path, so the median pixel is given as well. Both renderers
have the same limit on vertices and no clamping; hidden lights are black to Mitsuba's ``path``, which changes the images
by less than their noise.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "code"), *(str(ROOT / "tests" / folder) for folder in ("reference", "renderer"))]

import mitsuba_scene  # noqa: E402 - needs no installation this way
from scene_gallery import gallery, rooms, write_texture  # noqa: E402
from timing import Table, write_json  # noqa: E402

from cnsr import cli, rendering  # noqa: E402
from cnsr.scenes.datasets import RANDOMIZERS  # noqa: E402
from cnsr.scenes.description import Scene  # noqa: E402

SAMPLES = (1, 4, 16, 64)
SAMPLERS = ("independent", "multijitter")
GALLERY = ("matt box", "glossy box 0.5", "textured", "many lights", "smooth glossy meshes", "touching lights")
DARK = 0.01
FIRST_SEED = 100

Renderer = Callable[[Scene, int, int], np.ndarray]  # scene, samples, seed -> [H, W, 3]


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--renderings", type=int, default=32, help="of each scene at each number of samples")
    parser.add_argument("--size", type=int, default=32, help="width and height of images (default: 32)")
    parser.add_argument(
        "--rooms", type=int, default=2, help="rooms of each dataset but the furnished ones (default: 2)"
    )
    parser.add_argument("--samples", type=int, nargs="+", default=SAMPLES, help="a pixel (default: 1 4 16 64)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_texture(Path(folder))
        everything = gallery(Path(folder))
        scenes = {name: everything[name] for name in GALLERY}
        for dataset in (name for name in RANDOMIZERS if not name.startswith("archviz")):
            scenes |= {f"{dataset} {n}": room for n, room in enumerate(rooms(dataset, arguments.rooms, seed=17))}
        figures = compare(scenes, arguments)
    if arguments.json:
        write_json(arguments.json, figures)
    return 0


def compare(scenes: Mapping[str, Scene], arguments: argparse.Namespace) -> dict[str, Any]:
    """Return mean and median relative variance by scene, samples and renderer; print them as tables."""
    renderers = {"ours": our_renderer(arguments.size)}
    try:
        mitsuba = mitsuba_scene.load_mitsuba()
        print(f"Mitsuba {mitsuba.__version__}, {mitsuba.variant()}")
        for sampler in SAMPLERS:
            renderers[sampler] = mitsuba_renderer(mitsuba, arguments.size, sampler)
    except mitsuba_scene.MitsubaMissingError as error:
        print(f"Ours alone. {error}")
    figures: dict[str, Any] = {}
    for name, scene in scenes.items():
        figures[name] = {
            str(samples): {
                who: noise(render, scene, samples, arguments.renderings) for who, render in renderers.items()
            }
            for samples in arguments.samples
        }
        print(".", end="", flush=True)
    print("\n")
    for statistic in ("mean", "median"):
        print_table(figures, statistic, tuple(renderers))
    return figures


def our_renderer(size: int) -> Renderer:
    """Return the renderer under test."""
    tracer = rendering.PathTracer()

    def render(scene: Scene, samples: int, seed: int) -> np.ndarray:
        return tracer.render(scene, size, samples, seed, clamp=None).buffers["beauty"]

    return render


def mitsuba_renderer(mitsuba: Any, size: int, sampler: str) -> Renderer:
    """Return Mitsuba's path tracer with one of its samplers. A scene is loaded once for all its seeds."""
    loaded: dict[tuple[int, int], Any] = {}

    def render(scene: Scene, samples: int, seed: int) -> np.ndarray:
        key = (id(scene), samples)
        if key not in loaded:
            loaded.clear()
            loaded[key] = mitsuba.load_dict(mitsuba_scene.translate(mitsuba, scene, size, "path", sampler, samples))
        return mitsuba_scene.render(mitsuba, loaded[key], samples, seed)

    return render


def noise(render: Renderer, scene: Scene, samples: int, renderings: int) -> dict[str, float]:
    """Return mean and median over pixels of the relative variance of one rendering, times its samples."""
    images = np.stack([render(scene, samples, FIRST_SEED + number) for number in range(renderings)]).astype(np.float64)
    mean = images.mean(0)
    relative = samples * images.var(0, ddof=1) / (mean**2 + DARK * mean.mean() ** 2)
    return {"mean": float(relative.mean()), "median": float(np.median(relative))}


def print_table(figures: Mapping[str, Any], statistic: str, renderers: tuple[str, ...]) -> None:
    """Print one line a scene: our variance at each number of samples, and by how much Mitsuba's is larger."""
    counts = list(next(iter(figures.values())))
    others = renderers[1:]
    header = [f"{count}: {who}" for count in counts for who in ("ours", *(f"{other} / ours" for other in others))]
    table = Table(f"relative variance x samples, {statistic} pixel", *header)
    columns: list[list[float]] = [[] for _ in header]
    for name, by_count in figures.items():
        row = []
        for count in counts:
            ours = by_count[count]["ours"][statistic]
            row += [ours, *(by_count[count][other][statistic] / ours for other in others)]
        for column, value in zip(columns, row, strict=True):
            column.append(value)
        table.add(name, *(f"{value:.3g}" for value in row))
    table.add("median scene", *(f"{statistics.median(column):.3g}" for column in columns))
    print(table, end="\n\n")


if __name__ == "__main__":
    cli.run(main)
