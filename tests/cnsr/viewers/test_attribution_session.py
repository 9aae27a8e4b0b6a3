"""What can be wrong with a command line of visualize-attributions: one line for each, before a window opens."""

import json
import threading

import pytest

from cnsr.config import parse_config
from cnsr.errors import CheckpointError, SceneError, UserError, ViewerError
from cnsr.scenes.description import scene_json
from cnsr.viewers.attribution_session import attribution_controller


@pytest.fixture
def start(explained, tmp_path):
    """Return a function that sets the viewer up with some options; it is closed after the test."""
    made = []

    def start(config=explained[0].config, checkpoint=explained[2], **options):
        controller = attribution_controller(
            config, checkpoint, tmp_path / "out", **{"seed": 3, "device": "cpu", "threads": 1, **options}
        )
        made.append(controller)
        return controller

    yield start
    for controller in made:
        controller.close()


def refused(error, message, start, **options):
    threads = threading.active_count()
    with pytest.raises(error, match=message) as caught:
        start(**options)
    assert isinstance(caught.value, UserError)
    assert "\n" not in str(caught.value)
    assert threading.active_count() == threads


def test_it_begins_with_a_random_scene(start, settle):
    controller = settle(start())
    assert controller.scene.title == "room 0"
    assert controller.error is None


def test_it_begins_with_a_scene_file(start, explain, settle, tmp_path):
    description = explain().scene.description
    (tmp_path / "my.json").write_text(scene_json(description))
    controller = settle(start(scene_file=tmp_path / "my.json"))
    assert controller.scene.title == "my.json"
    assert controller.scene.description.model_dump() == description.model_dump()
    assert controller.error is None


def test_it_begins_with_what_was_saved(start, explain, settle, tmp_path):
    saving = explain()
    saving.new_scene()
    saving.change(patch_size=2)
    folder = settle(saving).save()
    controller = start(settings=folder)
    assert controller.scene.title == "room 1"
    assert controller.settings == saving.settings
    (tmp_path / "my.json").write_text(scene_json(explain().scene.description))
    controller = start(settings=folder / "settings.json", scene_file=tmp_path / "my.json")
    assert controller.scene.title == "my.json"
    assert controller.settings == saving.settings


def test_a_missing_checkpoint(start, tmp_path):
    refused(CheckpointError, "gone.pt: no such checkpoint", start, checkpoint=tmp_path / "gone.pt")


def test_a_config_that_does_not_fit(start, explained):
    data = explained[0].config.model_dump(mode="json")
    data["model"]["representations"][0]["representation_dim"] = 9
    refused(CheckpointError, r"representation_dim 8 \(checkpoint\) vs 9", start, config=parse_config(data))


def test_a_scene_file_that_is_not_there(start, tmp_path):
    refused(SceneError, "gone.json: there is no such scene file", start, scene_file=tmp_path / "gone.json")


def test_settings_that_are_not_there(start, tmp_path):
    refused(ViewerError, "there are no saved settings", start, settings=tmp_path / "gone")


def test_settings_of_an_older_version(start, tmp_path):
    (tmp_path / "settings.json").write_text(json.dumps({"version": 0, "pixel": [1, 2]}))
    refused(ViewerError, "settings of version 0, this viewer reads version 1", start, settings=tmp_path)
    (tmp_path / "settings.json").write_text(json.dumps({"Pixel X": 3}))
    refused(ViewerError, "there is no version", start, settings=tmp_path)
