"""Render the scene files of a folder to a data set: one EXR file a batch."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from cnsr import cli


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="An interrupted run goes on where it stopped when the same command is given again.",
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
    parser.add_argument("--threads", type=int, default=0, help="of the renderer; 0 is one for every core (default)")
    arguments = parser.parse_args()
    if arguments.threads < 0:
        parser.error("--threads must be 0 or more")
    if arguments.target_error is not None and not 0 < arguments.target_error < float("inf"):
        parser.error("--target_error must be a number larger than 0, such as 0.02")
    if arguments.max_samples is not None and arguments.target_error is None:
        parser.error("--max_samples is only of use together with --target_error")
    return arguments


def main() -> int:
    """Run the script; return 1 if any batch had to be left out."""
    arguments = _arguments()
    from cnsr.config import load_config
    from cnsr.datasets.generation import generate
    from cnsr.datasets.manifest import RenderSettings
    from cnsr.datasets.progress import ViewProgress
    from cnsr.rendering import PathTracer

    config = load_config(arguments.config)
    settings = RenderSettings.of(config, arguments.precision, arguments.target_error, arguments.max_samples)
    tracer = PathTracer(device=arguments.device, threads=arguments.threads)
    begin = time.monotonic()
    with ViewProgress(sys.stderr) as progress:
        summary = generate(
            config,
            arguments.in_folder,
            arguments.out_folder,
            settings,
            tracer,
            progress,
            overwrite=arguments.overwrite,
        )
    print(summary.line(time.monotonic() - begin))
    return 1 if summary.broken else 0


if __name__ == "__main__":
    cli.run(main)
