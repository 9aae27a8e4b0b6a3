"""Walk through scenes: the path-traced reference beside what a trained network predicts."""

from __future__ import annotations

import argparse
from contextlib import closing

from cnsr import cli
from cnsr.viewers import command_line


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Keys, and how to see the window from a cluster: docs/viewers.md."
    )
    networks = "trained networks of that config; without it there is no prediction"
    command_line.add_subject_options(parser, checkpoint=networks, required=False)
    command_line.add_run_options(parser)
    return command_line.parse(parser)


def main() -> None:
    """Run the script."""
    arguments = _arguments()
    config = command_line.config_for_desktop(arguments.config)
    from cnsr.viewers import window
    from cnsr.viewers.walk_front_end import WalkFrontEnd
    from cnsr.viewers.walk_session import walk_controller

    controller = walk_controller(
        config, arguments.checkpoint, arguments.scene_file, arguments.seed, arguments.device, arguments.threads
    )
    with closing(controller):
        window.show_or_take_picture(WalkFrontEnd(controller), arguments.screenshot)


if __name__ == "__main__":
    cli.run(main)
