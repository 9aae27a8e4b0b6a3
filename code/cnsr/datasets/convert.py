"""Turn a folder of published NPZ archives into EXR files: ``python -m cnsr.datasets.convert IN OUT``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from cnsr import cli
from cnsr.datasets import exr, npz
from cnsr.errors import DatasetError
from cnsr.files import make_folder

ORIGIN = "converted from NPZ"
"""What the ``cnsr:config`` attribute of converted files says."""


def convert_file(source: Path, target: Path) -> None:
    """Write the archive `source` as the EXR file `target`, with all passes, poses and factor; half floats stay exact.

    Raises:
        DatasetError: `source` is damaged.
        StorageError: `target` cannot be written.
    """
    batch = npz.read_batch(source)
    scenes, views = batch.poses.shape[:2]
    halves = all(pixels.dtype == "float16" for pixels in batch.passes.values())
    origin = exr.Origin.unknown(scenes, views, ORIGIN)
    exr.write_batch(target, batch, origin, "half" if halves else "float")


def convert_folder(source: Path, target: Path, overwrite: bool = False) -> list[str]:
    """Convert every archive of `source` that `target` does not hold yet; return a line for each damaged one.

    Raises:
        DatasetError: `source` holds no archives.
        StorageError: a file cannot be written; finished ones stay.
    """
    archives = sorted(source.glob("*.npz"))
    if not archives:
        raise DatasetError(f"{source}: holds no NPZ files")
    make_folder(target)
    faults = []
    for archive in tqdm(archives, unit="batch", disable=not sys.stderr.isatty()):
        output = target / f"{archive.stem}.exr"
        if output.exists() and not overwrite:
            continue
        try:
            convert_file(archive, output)
        except DatasetError as error:
            faults.append(str(error))
    return faults


def main() -> int:
    """Run the command; return 1 if any archive is damaged."""
    parser = argparse.ArgumentParser(prog="python -m cnsr.datasets.convert", description=__doc__)
    parser.add_argument("source", metavar="IN", type=Path, help="folder of .npz files")
    parser.add_argument("target", metavar="OUT", type=Path, help="folder for the .exr files")
    parser.add_argument("--overwrite", action="store_true", help="convert files anew that are there already")
    arguments = parser.parse_args()
    faults = convert_folder(arguments.source, arguments.target, arguments.overwrite)
    for fault in faults:
        print(f"left out: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    cli.run(main)
