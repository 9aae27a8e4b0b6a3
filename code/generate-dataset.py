"""Render the scene files of a folder to a data set: one EXR file a batch."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from cnsr import cli
from cnsr.shards import Shard, parse_shard


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="An interrupted run goes on where it stopped when the same command is given again. Any number of runs, "
        "on any machines, may have the same --out_folder at the same time: each batch is rendered by one of them, and "
        "each run ends when all its batches are there. See docs/clusters.md.",
    )
    parser.add_argument("--config", required=True, help="JSON config, or the bare name of one in configs/")
    parser.add_argument("--in_folder", required=True, type=Path, help="folder of batch000000000/scene0000/view000.json")
    parser.add_argument("--out_folder", required=True, type=Path, help="where batch000000000.exr and so on are written")
    parser.add_argument("--device", default="cpu", help="cpu or cuda:0 (default: %(default)s)")
    parser.add_argument(
        "--precision", choices=("half", "float"), default="half", help="stored floats: 16 or 32 bit (default: half)"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="delete the batches in --out_folder first and render all anew"
    )
    parser.add_argument(
        "--target_error",
        type=float,
        metavar="E",
        help="double the samples of each view until the estimated relative standard error of its mean is at most E",
    )
    parser.add_argument(
        "--max_samples", type=int, metavar="N", help="with --target_error: samples a pixel at most (default: 16384)"
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=0,
        help="of the renderer; 0 is one for every core (default), or with --scheduler one for each thread of a worker",
    )
    parser.add_argument(
        "--shard", type=parse_shard, default=Shard(), metavar="K/N", help="render only the K-th of N shares, 1 ≤ K ≤ N"
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="let the workers of a Dask cluster render: its scheduler, such as tcp://host:8786, or the file that "
        "`dask scheduler --scheduler-file FILE` writes",
    )
    arguments = parser.parse_args()
    if arguments.threads < 0:
        parser.error("--threads must be 0 or more")
    if arguments.overwrite and arguments.shard.count > 1:
        parser.error("--overwrite deletes what the other shards make; start them without it in a new or emptied folder")
    if arguments.target_error is not None and not 0 < arguments.target_error < float("inf"):
        parser.error("--target_error must be a number larger than 0, such as 0.02")
    if arguments.max_samples is not None and arguments.target_error is None:
        parser.error("--max_samples is only of use together with --target_error")
    return arguments


def main() -> int:
    """Run the script; return 1 if any batch had to be left out."""
    arguments = _arguments()
    cli.leave_on_termination()
    from cnsr.config import load_config
    from cnsr.datasets.cluster import Cluster
    from cnsr.datasets.generation import generate
    from cnsr.datasets.manifest import RenderSettings
    from cnsr.datasets.pipeline import Pipeline
    from cnsr.datasets.progress import ViewProgress
    from cnsr.datasets.work import Engine
    from cnsr.rendering import PathTracer

    config = load_config(arguments.config)
    settings = RenderSettings.of(config, arguments.precision, arguments.target_error, arguments.max_samples)
    begin = time.monotonic()
    with ExitStack() as stack:
        engine: Engine
        if arguments.scheduler is None:
            engine = Pipeline(PathTracer(device=arguments.device, threads=arguments.threads))
        else:
            engine = stack.enter_context(Cluster(arguments.scheduler, arguments.device, arguments.threads))
        summary = generate(
            engine,
            config,
            arguments.in_folder,
            arguments.out_folder,
            settings,
            stack.enter_context(ViewProgress(sys.stderr)),
            arguments.overwrite,
            arguments.shard,
        )
    print(summary.line(time.monotonic() - begin))
    return 0 if summary.complete() else 1


if __name__ == "__main__":
    cli.run(main)
