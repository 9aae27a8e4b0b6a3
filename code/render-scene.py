"""Render a scene file, or a random scene of a dataset, to pictures (PNG, EXR) or a turntable video."""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path

from cnsr import cli


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Files that are there already are not rendered again, so that an interrupted command goes on when it is "
        "given again; what is there and was made otherwise is only replaced with --overwrite.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("scene", nargs="?", type=Path, metavar="SCENE", help="scene file, such as view000.json")
    what.add_argument("--dataset", metavar="NAME", help="a random scene of this dataset (room, archviz, ...)")
    parser.add_argument("--seed", type=int, metavar="N", help="of the random scene, 0 or more (default: 0)")
    parser.add_argument("--view", type=int, metavar="N", help="which of its random cameras, from 0 on (default: 0)")
    parser.add_argument(
        "--out",
        action="append",
        type=Path,
        default=[],
        metavar="PATH",
        help="a file, whose ending says of what type (.png .exr, of turntables also .mp4 .webm .gif), or a folder; may "
        "be given several times (default: a PNG and an EXR file, or an MP4 video, in the current folder)",
    )
    parser.add_argument("--size", type=int, default=512, help="pixels along an edge (default: %(default)s)")
    parser.add_argument("--samples", type=int, default=128, help="samples a pixel (default: %(default)s)")
    parser.add_argument(
        "--target_error",
        type=float,
        metavar="E",
        help="double the samples until the estimated relative standard error of beauty is at most E, such as 0.02",
    )
    parser.add_argument(
        "--max_samples", type=int, metavar="N", help="with --target_error: samples a pixel at most (default: 16384)"
    )
    parser.add_argument(
        "--buffers",
        metavar="NAME,...",
        help="what to render: a PNG file or video each, together in an EXR file; or all (default: beauty in PNG and "
        "videos, all in EXR)",
    )
    parser.add_argument(
        "--exposure", type=float, default=0.0, metavar="STOPS", help="of PNG and videos: +1 is twice as bright"
    )
    parser.add_argument(
        "--precision", choices=("half", "float"), default="float", help="floats in EXR: 16 or 32 bit (default: float)"
    )
    parser.add_argument(
        "--turntable",
        type=int,
        metavar="N",
        help="N frames from a closed camera path: that of the dataset, or about what the camera of SCENE looks at",
    )
    parser.add_argument("--fps", type=float, help="frames a second of a video (default: 24)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda:0 (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=0, help="of the renderer; 0 is one for every core (default)")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there already")
    arguments = parser.parse_args()
    _check(parser, arguments)
    return arguments


def _check(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """End with a message if options do not fit together."""
    if arguments.dataset is None and (arguments.seed is not None or arguments.view is not None):
        parser.error("--seed and --view choose a random scene of a --dataset")
    if not 0 <= (arguments.seed or 0) < 2**63:
        parser.error("--seed must be 0 or more, and less than 2^63")
    if not 0 <= (arguments.view or 0) < 1000:
        parser.error("--view must be 0 to 999")
    if arguments.view is not None and arguments.turntable is not None:
        parser.error("--turntable takes the camera path of the dataset, not one of its views")
    if arguments.turntable is not None and not 1 <= arguments.turntable <= 100_000:
        parser.error("--turntable must be 1 to 100000 frames")
    if arguments.fps is not None and arguments.turntable is None:
        parser.error("--fps is only of use together with --turntable")
    if arguments.fps is not None and not 0.1 <= arguments.fps <= 1000:
        parser.error("--fps must be 0.1 to 1000")
    if not -100 <= arguments.exposure <= 100:
        parser.error("--exposure must be -100 to 100 stops")
    if arguments.max_samples is not None and arguments.target_error is None:
        parser.error("--max_samples is only of use together with --target_error")
    if arguments.target_error is not None and not 0 < arguments.target_error < math.inf:
        parser.error("--target_error must be a number larger than 0, such as 0.02")
    if arguments.threads < 0:
        parser.error("--threads must be 0 or more")


def main() -> None:
    """Run the script."""
    arguments = _arguments()
    cli.leave_on_termination()
    from cnsr.pictures.plan import Look, Order, buffer_names, output_paths
    from cnsr.pictures.progress import ShareProgress
    from cnsr.pictures.subjects import random_scene, scene_file, still, turntable
    from cnsr.pictures.taking import take
    from cnsr.rendering import PathTracer

    begin = time.monotonic()
    shown, stored = buffer_names(arguments.buffers)
    tracer = PathTracer(device=arguments.device, threads=arguments.threads)
    if arguments.scene is not None:
        subject = scene_file(arguments.scene, tracer)
    else:
        subject = random_scene(arguments.dataset, arguments.seed or 0, arguments.view or 0, tracer)
    look = Look(
        arguments.size,
        arguments.samples,
        arguments.target_error,
        arguments.max_samples,
        shown,
        stored,
        arguments.exposure,
        arguments.precision,
    )
    frames = arguments.turntable
    shots = still(subject) if frames is None else turntable(subject, frames)
    out = output_paths(arguments.out, subject, shown, frames is not None)
    order = Order(subject, shots, look, out, arguments.fps or 24.0, arguments.overwrite)
    with ShareProgress(sys.stderr) as progress:
        taken = take(order, tracer, progress.update)
    print(taken.line(time.monotonic() - begin))


if __name__ == "__main__":
    cli.run(main)
