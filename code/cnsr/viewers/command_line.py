"""How the viewers are started: the options that they share. Nothing slow is imported before they are parsed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnsr.config import Config


def add_subject_options(parser: argparse.ArgumentParser, checkpoint: str, *, required: bool) -> None:
    """Add the options that say what is looked at; `checkpoint` is the help of that option."""
    parser.add_argument("--config", required=True, help="JSON config, or the bare name of one in configs/")
    parser.add_argument("--checkpoint", type=Path, required=required, help=checkpoint)
    parser.add_argument(
        "--scene_file", type=Path, help="scene JSON to begin with (default: a random one of the config's dataset)"
    )


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how it is computed and shown."""
    parser.add_argument("--seed", type=int, default=0, help="of the random scenes (default: %(default)s)")
    parser.add_argument("--device", help="for the networks: cpu, cuda or cuda:N (default: a GPU if there is one)")
    parser.add_argument(
        "--threads", type=int, default=0, help="of the renderer; 0 is one for every core (default: %(default)s)"
    )
    parser.add_argument(
        "--screenshot", type=Path, metavar="FILE", help="write a picture of the window when all is computed, and end"
    )


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Return the options; impossible ones end the program with a line about them."""
    arguments = parser.parse_args()
    if arguments.seed < 0:
        parser.error(f"--seed {arguments.seed}: must be at least 0")
    if arguments.threads < 0:
        parser.error(f"--threads {arguments.threads}: must be at least 0")
    return arguments


def config_for_desktop(name: str) -> Config:
    """Return the config of that name, after making sure that a window can be opened: both before anything slow.

    Raises:
        ConfigError: there is no such config, or it is damaged.
        ViewerError: no window can be opened.
    """
    from cnsr.config import load_config
    from cnsr.viewers.desktop import require_desktop

    config = load_config(name)
    require_desktop()
    return config
