"""Setting up a walk from what a command line says."""

from __future__ import annotations

from pathlib import Path

from cnsr.config import Config
from cnsr.rendering import PathTracer
from cnsr.training.devices import choose_device
from cnsr.training.inference import load_trained
from cnsr.viewers.predictor import Predictor
from cnsr.viewers.tour import first_scene
from cnsr.viewers.walk_controller import WalkController
from cnsr.viewers.walk_scenes import SceneSupply


def walk_controller(
    config: Config,
    checkpoint: Path | None = None,
    scene_file: Path | None = None,
    seed: int = 0,
    device: str | None = None,
    threads: int = 0,
) -> WalkController:
    """Return the controller of a walk. All files are looked at first, so that mistakes show before a window does.

    Args:
        config: of the networks and the dataset.
        checkpoint: of trained networks, if there are any.
        scene_file: to begin with, in place of a random scene.
        seed: of the random scenes.
        device: of the networks, as for ``choose_device``.
        threads: of the renderer; 0 is one for each CPU.

    Raises:
        UserError: a file is missing or damaged, the checkpoint does not fit the config, the device is not there, or
            there is no such dataset.
    """
    tracer = PathTracer(threads=threads)
    supply = SceneSupply(config, seed)
    scene = first_scene(scene_file, tracer)
    predictor = None
    if checkpoint is not None:
        predictor = Predictor(load_trained(config, checkpoint, choose_device(device)))
    return WalkController(config, tracer, supply, predictor, scene)
