"""Reading: batches a second that the loader delivers from EXR files, with and without the cache of decoded pixels.

    python benchmarks/reading.py [--workers 2] [--batches 40] [--scenes 16] [--views 4] [--size 64] [--json FILE]

Files are made here, of smooth images with some noise, half floats, 13 channels. "Decode" is one file read by the EXR
module alone, in this process: a cold epoch can be at most so fast for each process. "Cold" is an epoch that decodes
and fills the cache, "warm" the epochs after it; every batch is touched as a whole, as copying it to a device would.
The time until processes have started is reported on its own. The three are run in turn.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "code"))

from timing import Table, Timing, write_json

if TYPE_CHECKING:
    from cnsr.config import Config

PASSES = ("beauty", "position", "normal", "depth", "albedo")
OBSERVED = ("beauty", "position", "normal")


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2, help="reading processes (default: 2)")
    parser.add_argument("--batches", type=int, default=40, help="files of the data set (default: 40)")
    parser.add_argument("--scenes", type=int, default=16, help="scenes a batch (default: 16)")
    parser.add_argument("--views", type=int, default=4, help="views a scene (default: 4)")
    parser.add_argument("--size", type=int, default=64, help="pixels along an edge (default: 64)")
    parser.add_argument("--repeats", type=int, default=5, help="how often all is measured (default: 5)")
    parser.add_argument("--folder", type=Path, help="make the files in this folder (default: a temporary one)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        figures = measure_folder(Path(folder), arguments)
    if arguments.json:
        settings = {name: str(value) for name, value in vars(arguments).items()}
        write_json(arguments.json, {"settings": settings, **figures})
    return 0


def measure_folder(folder: Path, arguments: argparse.Namespace) -> dict[str, Timing]:
    """Make a data set in `folder`, read it in every way, and print what that took."""
    from cnsr.datasets import exr

    config = make_dataset(folder, arguments)
    first = folder / "batch000000000.exr"
    seconds: dict[str, list[float]] = {"decode": [], "start": [], "cold": [], "warm": []}
    for _ in range(arguments.repeats):
        begin = time.perf_counter()
        exr.read_batch(first)
        seconds["decode"].append(time.perf_counter() - begin)
        shutil.rmtree(folder / ".cache", ignore_errors=True)
        start, cold = epoch_seconds(config, arguments)
        _, warm = epoch_seconds(config, arguments)
        for name, value in (("start", start), ("cold", cold), ("warm", warm)):
            seconds[name].append(value)
    timings = {name: Timing.of(values) for name, values in seconds.items()}
    counted = arguments.batches - 1
    figures = {
        "decode ms": timings["decode"].scaled(1000),
        "until the first batch s": timings["start"],
        "cold batches/s": timings["cold"].rate(counted),
        "warm batches/s": timings["warm"].rate(counted),
        "warm / cold": timings["cold"].over(timings["warm"]),
    }
    views = arguments.scenes * arguments.views
    table = Table(
        f"reading {views} views of {arguments.size}x{arguments.size}, {arguments.workers} processes", "figure"
    )
    for name, timing in figures.items():
        table.add(name, timing)
    print(table)
    return figures


def epoch_seconds(config: Config, arguments: argparse.Namespace) -> tuple[float, float]:
    """Return the seconds until the first batch, and of all the others of an epoch."""
    from cnsr.datasets.loader import train_loader

    begin = time.perf_counter()
    with train_loader(config, 0, workers=arguments.workers) as stream:
        next(stream)
        first = time.perf_counter()
        for _ in range(arguments.batches - 1):
            batch = next(stream)
            for pixels in (*batch.observations.values(), *batch.queries.values()):
                pixels.sum()
        return first - begin, time.perf_counter() - first


def make_dataset(folder: Path, arguments: argparse.Namespace) -> Config:
    """Write the files; return a config that reads them."""
    import numpy as np

    from cnsr.buffers import BUFFERS
    from cnsr.config import parse_config
    from cnsr.datasets import exr
    from cnsr.datasets.stored import StoredBatch

    generator = np.random.default_rng(0)
    scenes, views, size = arguments.scenes, arguments.views, arguments.size
    ramp = np.linspace(0, 1, size * size).reshape(size, size)
    for index in range(arguments.batches):
        pixels = {
            name: generator.random((scenes, views, BUFFERS[name].channels, 1, 1)) * ramp
            + 0.02 * generator.random((scenes, views, BUFFERS[name].channels, size, size))
            for name in PASSES
        }
        poses = generator.normal(size=(scenes, views, 16)).astype(np.float32)
        batch = StoredBatch({name: array.astype(np.float16) for name, array in pixels.items()}, poses, 1, "")
        origin = exr.Origin.unknown(scenes, views, "benchmark")
        exr.write_batch(folder / f"batch{index:09d}.exr", batch, origin)
    encoder = {"type": "Pool", "observation_passes": OBSERVED, "render_size": size}
    predictor = {"type": "PixelCNN", "query_passes": PASSES[1:], "render_size": size}
    settings = {
        "train_data_dir": str(folder),
        "test_data_dir": str(folder),
        "cached_dataset": True,
        "batch_size": scenes,
        "views_per_scene": views,
        "random_num_views": False,
        "model": {"representations": [encoder], "generators": [predictor]},
    }
    return parse_config(settings, "benchmark.json")


if __name__ == "__main__":
    sys.exit(main())
