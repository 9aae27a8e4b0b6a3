"""Walk through scenes: the path-traced reference beside what a trained network predicts."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path

from cnsr import cli


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Keys, and how to see the window from a cluster: docs/viewers.md."
    )
    parser.add_argument("--config", required=True, help="JSON config, or the bare name of one in configs/")
    parser.add_argument(
        "--checkpoint", type=Path, help="trained networks of that config; without it there is no prediction"
    )
    parser.add_argument(
        "--scene_file", type=Path, help="scene JSON to begin with (default: a random one of the config's dataset)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the random scenes (default: %(default)s)")
    parser.add_argument("--device", help="for the networks: cpu, cuda or cuda:N (default: a GPU if there is one)")
    parser.add_argument(
        "--threads", type=int, default=0, help="of the renderer; 0 is one for every core (default: %(default)s)"
    )
    parser.add_argument(
        "--screenshot", type=Path, metavar="FILE", help="write a picture of the window when all is computed, and end"
    )
    arguments = parser.parse_args()
    if arguments.seed < 0:
        parser.error(f"--seed {arguments.seed}: must be at least 0")
    if arguments.threads < 0:
        parser.error(f"--threads {arguments.threads}: must be at least 0")
    return arguments


def main() -> None:
    """Run the script."""
    arguments = _arguments()
    from cnsr.config import load_config
    from cnsr.viewers.desktop import require_desktop

    config = load_config(arguments.config)
    require_desktop()
    from cnsr.viewers import window
    from cnsr.viewers.walk_front_end import WalkFrontEnd
    from cnsr.viewers.walk_session import walk_controller

    controller = walk_controller(
        config, arguments.checkpoint, arguments.scene_file, arguments.seed, arguments.device, arguments.threads
    )
    with closing(controller):
        front = WalkFrontEnd(controller)
        if arguments.screenshot is None:
            window.show(front)
        else:
            window.take_picture(front, arguments.screenshot)


if __name__ == "__main__":
    cli.run(main)
