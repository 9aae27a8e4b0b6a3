"""What a command line says becomes a walk, or one line about what is wrong with it."""

import copy
import json

import numpy as np
import pytest
import torch

from cnsr.config import load_config, parse_config
from cnsr.errors import CheckpointError, ConfigError, SceneError
from cnsr.models.model import SceneModel
from cnsr.scenes.datasets import randomizer
from cnsr.scenes.description import load_scene
from cnsr.scenes.randomizer import draw_batch
from cnsr.viewers.walk_session import walk_controller


@pytest.fixture
def scene_file(tmp_path):
    drawn = draw_batch(randomizer("room"), 0, "train", 0, 1, 1, partitioned=False).scenes[0]
    path = tmp_path / "view000.json"
    path.write_text(drawn.json(0))
    return path


def changed(config, **settings):
    return parse_config(config.model_dump(mode="json") | settings)


def test_it_reads_the_checkpoint_and_the_scene(config, checkpoint, scene_file, settle):
    controller = walk_controller(config, checkpoint, scene_file, device="cpu", threads=1)
    try:
        controller.query_samples = controller.observation_samples = 1
        assert controller.scene.title == "view000.json"
        assert controller.scene.description == load_scene(scene_file)
        assert controller.predictor.trained.iteration == 7
        assert settle(controller).pictures.prediction is not None
    finally:
        controller.close()


def test_without_files_it_walks_through_a_random_room(config, settle):
    controller = walk_controller(config, seed=5, threads=1)
    try:
        assert controller.predictor is None
        assert controller.scene.title == "room 0"
    finally:
        controller.close()


def test_the_moving_average_is_predicted_with(config, checkpoint, tmp_path):
    content = torch.load(checkpoint)
    averages = {name: value + 1 for name, value in content["model_state"].items()}
    torch.save(content | {"ema_state": averages}, tmp_path / "averaged.pt")
    controller = walk_controller(config, tmp_path / "averaged.pt", device="cpu", threads=1)
    controller.close()
    for name, weights in controller.predictor.trained.model.named_parameters():
        assert torch.equal(weights, averages[name])


def one_line(error, *parts):
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_a_missing_checkpoint(config, checkpoint):
    with pytest.raises(CheckpointError) as error:
        walk_controller(config, checkpoint.parent / "gone.pt", device="cpu")
    one_line(error, "gone.pt: no such checkpoint; the folder holds small_7.pt")


def test_networks_of_other_settings(config, checkpoint):
    settings = copy.deepcopy(config.model_dump(mode="json"))
    settings["model"]["representations"][0]["representation_dim"] = 16
    with pytest.raises(CheckpointError) as error:
        walk_controller(parse_config(settings), checkpoint, device="cpu")
    one_line(error, "was made with other settings", "representation_dim 8 (checkpoint) vs 16 (config)")


def test_published_networks_that_do_not_fit(config, tmp_path):
    settings = copy.deepcopy(config.model_dump(mode="json"))
    settings["model"]["generators"][0]["settings"]["hidden_units"] = 16
    torch.save({"iteration": 3, "model_state": SceneModel(parse_config(settings)).state_dict()}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError) as error:
        walk_controller(config, tmp_path / "other.pt", device="cpu")
    one_line(error, "other.pt: does not fit the config")


def test_a_checkpoint_that_is_none(config, tmp_path):
    (tmp_path / "x.pt").write_text("no checkpoint")
    with pytest.raises(CheckpointError) as error:
        walk_controller(config, tmp_path / "x.pt", device="cpu")
    one_line(error, "x.pt: is no checkpoint")


def test_a_missing_scene_file(config, tmp_path):
    with pytest.raises(SceneError) as error:
        walk_controller(config, scene_file=tmp_path / "gone.json")
    one_line(error, "gone.json: there is no such scene file")


def test_a_scene_with_a_missing_mesh(config, scene_file):
    data = json.loads(scene_file.read_text())
    place = len(data["geometry"])
    mesh = {"type": "file", "transform": np.eye(4).tolist(), "material": "ground", "filename": "gone.obj"}
    scene_file.write_text(json.dumps(data | {"geometry": [*data["geometry"], mesh]}))
    with pytest.raises(SceneError) as error:
        walk_controller(config, scene_file=scene_file)
    one_line(error, f"view000.json: geometry[{place}].filename:", "gone.obj")


def test_a_scene_file_that_is_something_else(config, tmp_path):
    (tmp_path / "job.json").write_text(config.model_dump_json())
    with pytest.raises(SceneError) as error:
        walk_controller(config, scene_file=tmp_path / "job.json")
    one_line(error, "job.json")


def test_a_device_that_is_not_there(config, checkpoint):
    with pytest.raises(ConfigError) as error:
        walk_controller(config, checkpoint, device="toaster")
    one_line(error, "--device toaster: no such device")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [({"observation_noise": 3}, "observation_noise"), ({"model": {"encoder": "tower"}}, "model.representations")],
)
def test_a_config_of_another_version_or_program(config, tmp_path, changes, fault):
    (tmp_path / "foreign.json").write_text(json.dumps(config.model_dump(mode="json") | changes))
    with pytest.raises(ConfigError) as error:
        load_config(tmp_path / "foreign.json")
    one_line(error, "foreign.json:", fault)
