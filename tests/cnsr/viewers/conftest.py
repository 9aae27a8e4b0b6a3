"""A small config, and trained networks of it."""

import json
import sys
import time
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parent))  # what drives viewers, beside the tests (importlib mode)

from cnsr.config import parse_config
from cnsr.models.model import SceneModel
from cnsr.rendering import PathTracer
from cnsr.training.checkpoints import Checkpoint, save_checkpoint
from cnsr.training.inference import load_trained
from cnsr.viewers.attribution_controller import AttributionController
from cnsr.viewers.predictor import Predictor
from cnsr.viewers.walk_controller import WalkController
from cnsr.viewers.walk_scenes import SceneSupply

TIMEOUT = 60
CPU = torch.device("cpu")
SETTINGS = {
    "seed": 3,
    "dataset": "room",
    "views_per_scene": 3,
    "model": {
        "representations": [
            {"type": "Pool", "representation_dim": 8, "render_size": 8, "observation_passes": ["beauty", "depth"]}
        ],
        # As in room_direct_indirect.json: what the last generator is given is partly predicted.
        "generators": [
            {
                "type": "PixelCNN",
                "query_passes": ["position", "normal"],
                "output_passes": ["indirect"],
                "render_size": 8,
                "override_sample": True,
                "settings": {"layers": 1, "hidden_units": 8, "loss": ["l1"], "end_relu": False},
            },
            {
                "type": "Sum",
                "query_passes": ["direct", "indirect"],
                "output_passes": ["beauty"],
                "representations": [],
                "render_size": 8,
            },
        ],
    },
}


@pytest.fixture(scope="session")
def config():
    return parse_config(SETTINGS)


@pytest.fixture(scope="session")
def tracer():
    return PathTracer(threads=1)


@pytest.fixture(scope="session")
def checkpoint(config, tmp_path_factory):
    """A file with networks of the config, as a training would leave it."""
    with torch.random.fork_rng([]):
        torch.manual_seed(1)
        model = SceneModel(config)
    path = tmp_path_factory.mktemp("networks") / "small_7.pt"
    save_checkpoint(path, Checkpoint(7, model.state_dict(), config=config.model_dump(mode="json")))
    return path


@pytest.fixture
def predictor(config, checkpoint):
    return Predictor(load_trained(config, checkpoint, CPU))


@pytest.fixture
def walk(config, tracer):
    """Return a function that makes controllers with few samples; they are closed after the test."""
    made = []

    def make(samples=4, config=config, **options):
        made.append(WalkController(config, tracer, SceneSupply(config, seed=3), still=0.0, **options))
        made[-1].query_samples = made[-1].observation_samples = samples
        made[-1].reference_size = config.render_size
        return made[-1]

    yield make
    for controller in made:
        controller.close()


@pytest.fixture(scope="session")
def explained(tmp_path_factory):
    """Trained networks with partitions, and the files that they were read from: (TrainedModel, config, checkpoint)."""
    settings = SETTINGS | {"latent_separation": True, "job_name": "small", "samples_per_pixel": 4}
    folder = tmp_path_factory.mktemp("explained")
    (folder / "small.json").write_text(json.dumps(settings))
    config = parse_config(settings)
    with torch.random.fork_rng([]):
        torch.manual_seed(2)
        model = SceneModel(config)
        with torch.no_grad():
            model.representation.representations[0].deltas.copy_(torch.tensor([0.5, 0.25, 0.25]).log())
    path = folder / "small_7.pt"
    save_checkpoint(path, Checkpoint(7, model.state_dict(), config=config.model_dump(mode="json")))
    return load_trained(config, path, CPU), folder / "small.json", path


@pytest.fixture
def explain(explained, tracer, tmp_path):
    """Return a function that makes controllers of visualize-attributions; they are closed after the test."""
    made = []

    def make(**options):
        trained = explained[0]
        supply = SceneSupply(trained.config, seed=3)
        made.append(AttributionController(trained, tracer, supply, tmp_path / "out", **options))
        return made[-1]

    yield make
    for controller in made:
        controller.close()


@pytest.fixture
def settle():
    """Return a function that calls a controller's `update` until all is computed."""

    def settle(controller):
        end = time.monotonic() + TIMEOUT
        controller.update()
        while not controller.settled:
            assert time.monotonic() < end, "does not settle"
            time.sleep(0.001)
            controller.update()
        return controller

    return settle
