"""Draw the random scenes of a dataset and write one JSON file a view, for generate-dataset.py to render."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from cnsr import cli
from cnsr.shards import Shard, parse_shard


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"expected 0 or more, found {number}")
    return number


def _workers(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, found {number}")
    return number


def _seed(text: str) -> int:
    number = int(text)
    if not -1 <= number < 2**63:
        raise argparse.ArgumentTypeError(f"expected -1, or 0 or more and less than 2^63, found {number}")
    return number


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="An interrupted run goes on where it stopped when the same command is given again. Runs with the same "
        "--out_folder and different --shard may go on at the same time, on any machines that share the folder.",
    )
    parser.add_argument("--config", required=True, help="JSON config, or the bare name of one in configs/")
    parser.add_argument("--out_folder", required=True, type=Path, help="where train/, test/ and dataset.json go")
    parser.add_argument(
        "--size", type=_count, default=9000, help="number of training batches, of batch_size scenes each (%(default)s)"
    )
    parser.add_argument(
        "--testing_size",
        type=_count,
        default=1000,
        help="number of test batches, of test_batch_size scenes (%(default)s)",
    )
    parser.add_argument(
        "--shard", type=parse_shard, default=Shard(), metavar="K/N", help="write only the K-th of N shares, 1 ≤ K ≤ N"
    )
    parser.add_argument("--workers", type=_workers, help="number of processes (default: one for every core)")
    parser.add_argument(
        "--seed", type=_seed, default=-1, help="of the dataset; -1 takes the config's, or draws and records one (-1)"
    )
    return parser.parse_args()


def main() -> None:
    """Run the script."""
    arguments = _arguments()
    from tqdm import tqdm

    from cnsr.config import load_config
    from cnsr.scenes.tree import available_cores, write_tree

    config = load_config(arguments.config)
    begin = time.monotonic()
    with tqdm(unit="view", file=sys.stderr, disable=not sys.stderr.isatty()) as bar:
        tree = write_tree(
            config,
            arguments.out_folder.resolve(),
            {"train": arguments.size, "test": arguments.testing_size},
            arguments.seed,
            arguments.shard,
            arguments.workers or available_cores(),
            begin=bar.reset,
            progress=bar.update,
        )
    speed = tree.written / max(time.monotonic() - begin, 1e-3)
    kept = f", {tree.kept} were there already" if tree.kept else ""
    print(f"{arguments.out_folder}: {tree.written} views written ({speed:.0f} a second){kept}; seed {tree.seed}")


if __name__ == "__main__":
    cli.run(main)
