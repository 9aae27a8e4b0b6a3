"""How smoothly visualize-gqn walks: frames a second of its window, and new pictures a second, while the camera moves.

Prints a table, with and without networks. Without a display it opens its window on a virtual one (Xvfb), where Mesa
draws with the CPU, which at the same time renders and predicts.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "code"))

from timing import Table, Timing, write_json

WARMUP = 20  # frames


@dataclass
class Walk:
    """What was seen of one walk."""

    frames: int = 0
    begin: float = 0.0
    seconds: float = 0.0
    references: list[int] = field(default_factory=list)
    predictions: list[int] = field(default_factory=list)


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="room_beauty.json", help="networks and dataset (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each walk (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="walks (default: %(default)s)")
    parser.add_argument("--width", type=int, default=1480, help="of the window (default: %(default)s)")
    parser.add_argument("--height", type=int, default=900, help="of the window (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    arguments = parser.parse_args()
    with display():
        figures = {}
        for name, networks in (("path tracer alone", False), ("with networks", True)):
            walks = [walk(arguments, networks) for _ in range(arguments.repeats)]
            figures[name] = {
                "frames/s": Timing.of([one.frames / one.seconds for one in walks]),
                "references/s": Timing.of([len(set(one.references)) / one.seconds for one in walks]),
                "predictions/s": Timing.of([len(set(one.predictions)) / one.seconds for one in walks]),
            }
    size = f"window of {arguments.width}x{arguments.height}, {arguments.config}"
    table = Table(size, "frames/s", "references/s", "predictions/s")
    for name, columns in figures.items():
        table.add(name, *columns.values())
    print(table)
    if arguments.json is not None:
        write_json(arguments.json, figures)
    return 0


def walk(arguments: argparse.Namespace, networks: bool) -> Walk:
    """Open the window and walk for some time, moving in every frame."""
    from imgui_bundle import imgui, immapp

    from cnsr.viewers import window
    from cnsr.viewers.walk_front_end import WalkFrontEnd

    controller = make_controller(arguments.config, networks)
    front = WalkFrontEnd(controller)
    params = window.runner_params(front, (arguments.width, arguments.height))
    params.fps_idling.fps_idle = params.fps_idling.fps_max = 0.0
    params.fps_idling.vsync_to_monitor = False
    draw, seen = params.callbacks.show_gui, Walk()

    def draw_and_count() -> None:
        # To and fro, a second each way, so that the camera stays in the room.
        forward = 1.0 if int(time.perf_counter()) % 2 else -1.0
        controller.walk(0.0, forward, min(imgui.get_io().delta_time, 0.1))
        draw()
        seen.frames += 1
        if seen.frames == WARMUP and not seen.begin:
            seen.frames, seen.begin = 0, time.perf_counter()
        if seen.begin:
            count(controller, seen)
            seen.seconds = time.perf_counter() - seen.begin
            params.app_shall_exit = seen.seconds >= arguments.seconds

    params.callbacks.show_gui = draw_and_count
    immapp.run(params, immapp.AddOnsParams(with_implot=True))
    return seen


def count(controller: Any, seen: Walk) -> None:
    """Note which pictures are shown, by what they were made of."""
    pictures = controller.pictures
    for picture, noted in ((pictures.reference, seen.references), (pictures.prediction, seen.predictions)):
        if picture is not None:
            noted.append(hash(picture.values.tobytes()))


def make_controller(config_name: str, networks: bool) -> Any:
    """Return the controller of a walk at the networks' size; their weights are random, which takes as long."""
    import torch

    from cnsr.config import load_config
    from cnsr.models.model import SceneModel
    from cnsr.rendering import PathTracer
    from cnsr.training.inference import TrainedModel
    from cnsr.viewers.predictor import Predictor
    from cnsr.viewers.walk_controller import WalkController
    from cnsr.viewers.walk_scenes import SceneSupply

    config = load_config(config_name)
    predictor = None
    if networks:
        torch.manual_seed(0)
        predictor = Predictor(TrainedModel(config, SceneModel(config).eval(), config.iterations, Path("random")))
    controller = WalkController(config, PathTracer(), SceneSupply(config), predictor)
    controller.reference_size = config.render_size
    return controller


@contextmanager
def display() -> Iterator[None]:
    """Open a virtual display for the time being, if there is none."""
    if os.environ.get("DISPLAY"):
        yield
        return
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1920x1200x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        os.environ["DISPLAY"] = f":{pipe.readline().strip()}"
    try:
        yield
    finally:
        del os.environ["DISPLAY"]
        server.terminate()
        server.wait()


if __name__ == "__main__":
    sys.exit(main())
