"""Renderer: samples and rays a second against bare Embree, views a second of small scenes, set-up time.

    python benchmarks/renderer.py [--threads 2] [--repeats 5] [--json FILE]

1. PrimitiveRoom at 64x64 with 64 samples. Every ray that the renderer traces for these images is recorded, and a bare
   loop traces the same rays in the same acceleration structure with as many threads. The share is the renderer's
   rays a second over those of the loop: what is left after shading, sampling and buffers. Both are timed in turn.
2. Many small scenes at 4 samples: scene files to EXR batches on disk as ``generate-dataset.py`` does it, against
   rendering the same scenes, loaded before, alone.
3. Set-up: scene file to a scene that is ready to be rendered, with meshes known from other scenes, and without; of
   PrimitiveRooms and of ArchViz rooms.
4. Mitsuba 3 in turn with ours, where it is installed (requirements-reference.txt): samples a second of loaded rooms,
   and views a second of small scenes that are loaded, rendered and written. See ``mitsuba_speed.py``.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "code")]

import mitsuba_speed  # noqa: E402 - needs no installation this way
from timing import Table, Timing, measure, measure_in_turn, write_json  # noqa: E402

from cnsr import cli, rendering  # noqa: E402
from cnsr.buffers import BUFFERS  # noqa: E402
from cnsr.config import Config, load_config  # noqa: E402
from cnsr.datasets.generation import generate  # noqa: E402
from cnsr.datasets.manifest import RenderSettings  # noqa: E402
from cnsr.datasets.pipeline import Pipeline  # noqa: E402
from cnsr.scenes.camera import view_matrix  # noqa: E402
from cnsr.scenes.tree import write_tree  # noqa: E402

SIZE = 64
GEOMETRY = ("beauty", "position", "normal", "depth", "id", "albedo", "roughness")
BUFFER_SETS = {"beauty": ("beauty",), "beauty + G-buffers": GEOMETRY, "all 16 buffers": tuple(BUFFERS)}


def main() -> int:
    """Measure all three and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="threads of renderer and Embree (default: 2)")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of each (default: 5)")
    parser.add_argument("--samples", type=int, default=64, help="samples a pixel of the first table (default: 64)")
    parser.add_argument("--rooms", type=int, default=4, help="scenes of the first table (default: 4)")
    parser.add_argument("--views", type=int, default=2048, help="views of the second table (default: 2048)")
    parser.add_argument("--seed", type=int, default=1, help="of the scenes (default: 1)")
    parser.add_argument("--mitsuba_views", type=int, default=8, help="views of Mitsuba's in a run; 0 leaves it out")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="renderer-benchmark-"))
    try:
        figures = measure_all(arguments, folder)
    finally:
        shutil.rmtree(folder)
    if arguments.json:
        write_json(arguments.json, figures)
    return 0


def measure_all(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return the figures of all tables; print each table when it is done."""
    config = small_config(arguments.views)
    batches = -(-arguments.views // (config.batch_size * config.views_per_scene))
    write_tree(config, folder / "json", {"train": batches}, arguments.seed)
    files = sorted((folder / "json" / "train").glob("batch*/scene*/view*.json"))
    tracer = rendering.PathTracer(threads=arguments.threads)  # says so if there is no native module
    from cnsr import _native

    print(f"Embree {_native.EMBREE_VERSION}, {arguments.threads} threads; median (lowest - highest) of the runs\n")
    step = max(1, len(files) // arguments.rooms)
    figures = {
        "threads": arguments.threads,
        "embree": _native.EMBREE_VERSION,
        "rendering": rendering_figures(tracer, files[::step][: arguments.rooms], arguments),
        "small_scenes": small_scene_figures(tracer, config, folder, files, arguments.repeats),
        "set_up": set_up_figures(tracer, files[:64], furnished_rooms(folder, arguments.seed), arguments.repeats),
    }
    if arguments.mitsuba_views > 0:
        figures["mitsuba"] = mitsuba_figures(tracer, config, folder, files, arguments)
    return figures


def small_config(views: int) -> Config:
    """Return the config of PrimitiveRoom at 4 samples a pixel, with batches of at most `views` views."""
    config = load_config(ROOT / "configs" / "room_beauty.json")
    scenes = min(config.batch_size, max(1, views // config.views_per_scene))
    return config.model_copy(update={"samples_per_pixel": 4, "batch_size": scenes})


def furnished_rooms(folder: Path, seed: int) -> list[Path]:
    """Return scene files of 64 ArchViz rooms."""
    config = load_config(ROOT / "configs" / "archviz_beauty.json")
    config = config.model_copy(update={"batch_size": 64, "views_per_scene": 1, "latent_separation": False})
    write_tree(config, folder / "archviz", {"train": 1}, seed)
    return sorted((folder / "archviz" / "train").rglob("view*.json"))


def rendering_figures(
    tracer: rendering.PathTracer, files: Sequence[Path], arguments: argparse.Namespace
) -> dict[str, Any]:
    """Time the renderer and a bare loop of Embree over the same rays, for some sets of buffers."""
    scenes = [tracer.load_scene(file) for file in files]
    samples = arguments.samples * SIZE * SIZE * len(scenes)
    title = f"{len(scenes)} PrimitiveRooms, {SIZE}x{SIZE}, {arguments.samples} samples"
    table = Table(title, "million samples/s", "rays/sample", "million rays/s", "Embree, million rays/s", "share")
    figures: dict[str, Any] = {}
    for name, buffers in BUFFER_SETS.items():
        recorded = [record(scene, arguments.samples, buffers) for scene in scenes]
        rays = sum(len(kinds) for _, _, kinds in recorded)
        ours, embree = time_in_turn(
            lambda buffers=buffers: render_all(tracer, scenes, arguments.samples, buffers),
            lambda recorded=recorded: trace_all(recorded, arguments.threads),
            arguments.repeats,
        )
        figures[name] = {
            "samples_per_second": ours.rate(samples),
            "rays_per_sample": rays / samples,
            "rays_per_second": ours.rate(rays),
            "embree_rays_per_second": embree.rate(rays),
            "share_of_embree": embree.over(ours),
        }
        table.add(
            name,
            ours.rate(samples / 1e6),
            f"{rays / samples:.2f}",
            ours.rate(rays / 1e6),
            embree.rate(rays / 1e6),
            embree.over(ours),
        )
    print(table, end="\n\n")
    return figures


Recorded = tuple[Any, Any, Any]  # native scene, rays [n, 8], kinds [n]


def record(scene: rendering.LoadedScene, samples: int, buffers: Sequence[str]) -> Recorded:
    """Return the scene and all rays that rendering it takes."""
    from cnsr import _native

    camera = scene.description.camera
    matrix = view_matrix(camera.position, camera.lookat)
    native_camera = _native.Camera(camera.position, matrix, camera.fov, camera.near, camera.far)
    quality = _native.Quality(SIZE, samples, list(buffers), 25.0, True)
    rays, kinds = _native.record_rays(_native.ViewOrder(scene.native, native_camera, 0, 0), quality)
    return scene.native, rays, kinds


def render_all(
    tracer: rendering.PathTracer, scenes: Sequence[rendering.LoadedScene], samples: int, buffers: Sequence[str]
) -> float:
    """Render all scenes one after another and return the seconds that took."""
    start = time.perf_counter()
    for scene in scenes:
        tracer.render(scene, size=SIZE, samples=samples, buffers=buffers)
    return time.perf_counter() - start


def trace_all(recorded: Sequence[Recorded], threads: int) -> float:
    """Trace recorded rays by Embree alone and return the seconds of the loops (not of handing over the rays)."""
    from cnsr import _native

    return sum(_native.trace_rays(scene, rays, kinds, threads)[0] for scene, rays, kinds in recorded)


def time_in_turn(ours: Callable[[], float], embree: Callable[[], float], repeats: int) -> tuple[Timing, Timing]:
    """Time two functions that return their own seconds, in turn, after one run of each that does not count."""
    seconds = [(ours(), embree()) for _ in range(1 + repeats)][1:]
    return Timing.of([pair[0] for pair in seconds]), Timing.of([pair[1] for pair in seconds])


class Silence:
    """Hears of the progress of generation and says nothing, except of faults."""

    def begin(self, views: int) -> None:
        """Views are to be rendered."""

    def checked(self, batches: Sequence[Path]) -> Iterable[Path]:
        """What is there of the batches is being looked at."""
        return batches

    def finished(self, views: int) -> None:
        """Views are on disk."""

    def fault(self, message: str) -> None:
        """A batch is left out: nothing of that kind may happen here."""
        raise RuntimeError(message)

    def note(self, message: str) -> None:
        """Nothing seems to happen: that may not be timed."""
        raise RuntimeError(message)


def files_to_files(tracer: rendering.PathTracer, config: Config, folder: Path) -> Callable[[], object]:
    """Return what renders the scene files in ``folder/json/train`` to EXR files, all of them anew."""
    engine, settings = Pipeline(tracer), RenderSettings.of(config)
    source, target = folder / "json" / "train", folder / "exr"
    return lambda: generate(engine, config, source, target, settings, Silence(), overwrite=True)


def small_scene_figures(
    tracer: rendering.PathTracer, config: Config, folder: Path, files: Sequence[Path], repeats: int
) -> dict[str, Any]:
    """Time scene files to EXR batches, and rendering of the same views alone."""
    settings = RenderSettings.of(config)
    scenes = [tracer.load_scene(file) for file in files]
    group = config.batch_size * config.views_per_scene

    whole = files_to_files(tracer, config, folder)

    def rendering_alone() -> None:
        for first in range(0, len(scenes), group):
            part = scenes[first : first + group]
            tracer.render_views(part, size=settings.size, samples=settings.samples, buffers=settings.passes)

    seconds = measure_in_turn({"whole": whole, "alone": rendering_alone}, repeats)
    count = len(files)
    table = Table(f"{count} views, {settings.size}x{settings.size}, {settings.samples} samples", "views/s")
    table.add("scene files to EXR files", seconds["whole"].rate(count))
    table.add("rendering alone", seconds["alone"].rate(count))
    table.add("the first over the second", seconds["alone"].over(seconds["whole"]))
    print(table, end="\n\n")
    return {
        "views": count,
        "passes": list(settings.passes),
        "views_per_second": seconds["whole"].rate(count),
        "rendering_alone_views_per_second": seconds["alone"].rate(count),
        "share_of_rendering_alone": seconds["alone"].over(seconds["whole"]),
    }


def mitsuba_figures(
    tracer: rendering.PathTracer,
    config: Config,
    folder: Path,
    files: Sequence[Path],
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    """Time Mitsuba in turn with ours: samples of the first table's rooms, and views of the second's."""
    theirs = mitsuba_speed.renderers(arguments.threads)
    if not theirs:
        return {}
    settings = RenderSettings.of(config)
    step = max(1, len(files) // arguments.rooms)
    scenes = [tracer.load_scene(file) for file in files[::step][: arguments.rooms]]
    views = [tracer.load_scene(file).description for file in files[:: max(1, len(files) // arguments.mitsuba_views)]]

    whole = files_to_files(tracer, config, folder)

    return {
        "samples": mitsuba_speed.sample_figures(
            lambda: render_all(tracer, scenes, arguments.samples, GEOMETRY),
            theirs,
            [scene.description for scene in scenes],
            SIZE,
            arguments.samples,
            arguments.repeats,
        ),
        "views": mitsuba_speed.view_figures(
            whole,
            len(files),
            theirs,
            views[: arguments.mitsuba_views],
            settings.size,
            settings.samples,
            arguments.repeats,
            folder,
        ),
    }


def set_up_figures(
    tracer: rendering.PathTracer, files: Sequence[Path], furnished: Sequence[Path], repeats: int
) -> dict[str, Any]:
    """Time what lies between a scene file and a scene that is ready."""

    def load_all(files: Sequence[Path]) -> None:
        for file in files:
            tracer.load_scene(file)

    def load_anew() -> None:
        rendering.PathTracer(threads=1).load_scene(files[0])

    cached = measure(lambda: load_all(files), repeats).scaled(1000 / len(files))
    furnished_cached = measure(lambda: load_all(furnished), repeats).scaled(1000 / len(furnished))
    new = measure(load_anew, repeats).scaled(1000)
    table = Table("scene file to ready", "ms")
    table.add("PrimitiveRoom, meshes cached", cached)
    table.add("ArchViz, meshes cached", furnished_cached)
    table.add("the first scene of a new tracer", new)
    print(table, end="\n\n")
    return {"cached_ms": cached, "archviz_cached_ms": furnished_cached, "first_ms": new}


if __name__ == "__main__":
    cli.run(main)
