"""Train the networks of a config on rendered scenes."""

from __future__ import annotations

import argparse
import io
import os
import sys
from contextlib import nullcontext, redirect_stderr
from pathlib import Path

from cnsr import cli

CHECKPOINTS = Path(__file__).resolve().parents[1] / "checkpoints"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Train the networks of a config. To go on after an interruption, give the same command again.",
        epilog="Ctrl-C (or SIGTERM) saves a checkpoint and ends with status 130 (143); twice ends at once. "
        "On several GPUs: torchrun --nproc_per_node=GPUS train-gqn.py ...",
    )
    parser.add_argument("--config", type=Path, required=True, help="JSON config: a path, or a file name of configs/")
    parser.add_argument(
        "--checkpoint", type=Path, help="start from this checkpoint instead of the newest one in the output folder"
    )
    parser.add_argument(
        "--device", help="cpu, cuda or cuda:N (default: a GPU if there is one, of its own with torchrun)"
    )
    parser.add_argument(
        "--out_folder", type=Path, default=CHECKPOINTS, help="folder for checkpoints and statistics (%(default)s)"
    )
    parser.add_argument(
        "--fresh", action="store_true", help="start over; earlier checkpoints of the job move to OUT_FOLDER/old"
    )
    parser.add_argument("--iterations", type=int, help="train up to this iteration instead of the config's")
    parser.add_argument("--seed", type=int, help="use this seed instead of the config's; -1 draws one")
    arguments = parser.parse_args()
    if arguments.fresh and arguments.checkpoint:
        parser.error("--fresh starts at the beginning, --checkpoint at a checkpoint: give one of them")
    if arguments.iterations is not None and arguments.iterations < 1:
        parser.error(f"--iterations {arguments.iterations}: must be at least 1")
    if arguments.seed is not None and not -1 <= arguments.seed < 2**63:
        parser.error(f"--seed {arguments.seed}: must be -1 or a number from 0 to 2^63 - 1")
    return arguments


def main() -> int:
    """Run the script and return its exit status."""
    # Of the processes that torchrun starts on a machine, with the same options, one is enough to complain about them.
    with nullcontext() if os.environ.get("LOCAL_RANK", "0") == "0" else redirect_stderr(io.StringIO()):
        arguments = _arguments()
    from cnsr.config import load_config
    from cnsr.training.devices import prepare_process
    from cnsr.training.distributed import Ranks, joined
    from cnsr.training.session import train

    ranks = Ranks.from_environment()
    with joined(ranks):
        with ranks.agreed():
            config = load_config(arguments.config)
        prepare_process(arguments.device, config)
        overrides = {"iterations": arguments.iterations, "seed": arguments.seed}
        config = config.model_copy(update={key: value for key, value in overrides.items() if value is not None})
        outcome = train(
            config,
            arguments.out_folder,
            device=arguments.device,
            checkpoint=arguments.checkpoint,
            fresh=arguments.fresh,
            ranks=ranks,
            command=sys.argv,
        )
    return 128 + outcome.signal if outcome.signal is not None else 0


if __name__ == "__main__":
    cli.run(main)
