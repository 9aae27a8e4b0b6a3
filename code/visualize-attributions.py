"""See what in its inputs a trained network's prediction rests on: gradient x input attributions."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path

from cnsr import cli
from cnsr.viewers import command_line

OUT_PATH = Path(__file__).resolve().parents[1] / "attributions"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, epilog="Controls and definitions: docs/attribution.md.")
    command_line.add_subject_options(parser, checkpoint="trained networks of that config", required=True)
    parser.add_argument(
        "--settings",
        type=Path,
        help="begin with what was saved: the folder, or the settings.json in it; with --scene_file in that scene",
    )
    parser.add_argument(
        "--out_path", type=Path, default=OUT_PATH, help="folder in which saved folders are made (default: %(default)s)"
    )
    command_line.add_run_options(parser)
    return command_line.parse(parser)


def main() -> None:
    """Run the script."""
    arguments = _arguments()
    config = command_line.config_for_desktop(arguments.config)
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
        window.show_or_take_picture(AttributionFrontEnd(controller), arguments.screenshot)


if __name__ == "__main__":
    cli.run(main)
