"""Setting up visualize-attributions from what a command line says."""

from __future__ import annotations

from pathlib import Path

from cnsr.config import Config
from cnsr.rendering import PathTracer
from cnsr.training.devices import choose_device
from cnsr.training.inference import load_trained
from cnsr.viewers.attribution_controller import AttributionController
from cnsr.viewers.tour import first_scene
from cnsr.viewers.walk_scenes import SceneSupply


def attribution_controller(
    config: Config,
    checkpoint: Path,
    out_path: Path,
    scene_file: Path | None = None,
    settings: Path | None = None,
    seed: int = 0,
    device: str | None = None,
    threads: int = 0,
) -> AttributionController:
    """Return the controller. All files are looked at first, so that mistakes show before a window does.

    Args:
        config: of the networks and the dataset.
        checkpoint: of the networks.
        out_path: folder for what is saved.
        scene_file: to begin with, in place of a random scene.
        settings: a folder that was saved, or its ``settings.json``: begin with what it shows, in `scene_file` if one is
            given.
        seed: of the random scenes.
        device: of the networks, as for ``choose_device``.
        threads: of the renderer; 0 is one for each CPU.

    Raises:
        UserError: a file is missing or damaged, checkpoint or settings do not fit the config, the device is not there,
            or there is no such dataset.
    """
    tracer = PathTracer(threads=threads)
    supply = SceneSupply(config, seed)
    scene = first_scene(scene_file, tracer)
    trained = load_trained(config, checkpoint, choose_device(device))
    controller = AttributionController(trained, tracer, supply, out_path, scene)
    if settings is not None:
        try:
            if scene is None:
                controller.load(settings)
            else:
                controller.use_settings(settings)
        except BaseException:
            controller.close()
            raise
    return controller
