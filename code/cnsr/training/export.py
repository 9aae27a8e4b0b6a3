"""Write a checkpoint in the published form: ``python -m cnsr.training.export CHECKPOINT OUT``."""

from __future__ import annotations

import argparse
from pathlib import Path

from cnsr import cli


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m cnsr.training.export",
        description="Write a checkpoint in the published form: iteration, weights, moments of Adam.",
    )
    parser.add_argument("source", metavar="CHECKPOINT", type=Path, help="of training, or a published one")
    parser.add_argument("target", metavar="OUT", type=Path, help="file to write")
    parser.add_argument("--split", action="store_true", help="representation_state and generator_state apart")
    parser.add_argument("--module", action="store_true", help="names with .module., as from a multi-GPU wrapper")
    parser.add_argument("--ema", action="store_true", help="the moving average of the weights")
    return parser.parse_args()


def main() -> None:
    """Run the command."""
    arguments = _arguments()
    # PyTorch takes seconds to import.
    from cnsr.training.exported import export_checkpoint

    source, target = arguments.source, arguments.target
    print(export_checkpoint(source, target, arguments.split, arguments.module, arguments.ema))


if __name__ == "__main__":
    cli.run(main)
