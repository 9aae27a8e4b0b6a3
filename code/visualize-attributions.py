"""See what in its inputs a trained network's prediction rests on: gradient x input attributions."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path

from cnsr import cli

OUT_PATH = Path(__file__).resolve().parents[1] / "attributions"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, epilog="Controls and definitions: docs/attribution.md.")
    parser.add_argument("--config", required=True, help="JSON config, or the bare name of one in configs/")
    parser.add_argument("--checkpoint", type=Path, required=True, help="trained networks of that config")
    parser.add_argument(
        "--scene_file", type=Path, help="scene JSON to begin with (default: a random one of the config's dataset)"
    )
    parser.add_argument(
        "--settings",
        type=Path,
        help="begin with what was saved: the folder, or the settings.json in it; with --scene_file in that scene",
    )
    parser.add_argument(
        "--out_path", type=Path, default=OUT_PATH, help="folder in which saved folders are made (default: %(default)s)"
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
    from cnsr.viewers.attribution_front_end import AttributionFrontEnd
    from cnsr.viewers.attribution_session import attribution_controller

    controller = attribution_controller(
        config,
        arguments.checkpoint,
        arguments.out_path,
        arguments.scene_file,
        arguments.settings,
        arguments.seed,
        arguments.device,
        arguments.threads,
    )
    with closing(controller):
        front = AttributionFrontEnd(controller)
        if arguments.screenshot is None:
            window.show(front)
        else:
            window.take_picture(front, arguments.screenshot)


if __name__ == "__main__":
    cli.run(main)
