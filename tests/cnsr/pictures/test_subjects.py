"""What pictures are taken of, and from where."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cnsr.errors import ConfigError, SceneError
from cnsr.pictures.subjects import random_scene, scene_file, still, turntable
from cnsr.scenes.datasets import RANDOMIZERS, randomizer
from cnsr.scenes.description import parse_scene, scene_json
from cnsr.scenes.randomizer import draw_batch
from cnsr.scenes.turntable import orbit


def drawn(view):
    return draw_batch(randomizer("room"), 7, "train", 0, 1, 3, partitioned=False).scenes[0].json(view)


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "json" / "train" / "batch000000002" / "scene0001" / "view000.json"
    path.parent.mkdir(parents=True)
    path.write_text(drawn(2))
    return path


def test_a_random_scene_is_the_first_of_its_seed(tracer):
    subject = random_scene("room", 7, 2, tracer)
    assert scene_json(subject.scene.description) == scene_json(parse_scene(json.loads(drawn(2))))
    assert subject.name == "room_seed7_view2"
    assert random_scene("room", 7, 0, tracer).name == "room_seed7"


@pytest.mark.parametrize("dataset", RANDOMIZERS)
def test_the_turntable_of_a_dataset_is_its_own(tracer, dataset):
    shots = turntable(random_scene(dataset, 1, 0, tracer), 4)
    assert [shot.camera for shot in shots] == [randomizer(dataset).animate_view(t) for t in (0, 0.25, 0.5, 0.75)]
    assert [shot.label for shot in shots] == ["0000", "0001", "0002", "0003"]
    assert len({shot.view for shot in shots}) == 4


@pytest.mark.parametrize("dataset", RANDOMIZERS)
def test_the_path_of_a_dataset_has_the_lens_of_its_views(tracer, dataset):
    # Frames are rendered with the scene's own field of view.
    path, own = randomizer(dataset).animate_view(0.3), random_scene(dataset, 1, 0, tracer).scene.description.camera
    assert (path.fov, path.near, path.far) == (own.fov, own.near, own.far)


def test_the_turntable_of_a_file_circles_what_it_looks_at(tracer, written):
    subject = scene_file(written, tracer)
    camera = subject.scene.description.camera
    path = orbit(camera, tracer.bounds(subject.scene))
    shots = turntable(subject, 5)
    assert [shot.camera for shot in shots] == [path(frame / 5) for frame in range(5)]
    np.testing.assert_allclose(shots[0].camera.position, camera.position)


def test_a_still_is_what_the_scenes_camera_sees(tracer, written):
    subject = scene_file(written, tracer)
    (shot,) = still(subject)
    assert (shot.label, shot.camera) == ("", subject.scene.description.camera)


def test_labels_of_many_frames_sort_as_the_frames_do(room):
    labels = [shot.label for shot in turntable(room, 10_001)]
    assert labels == sorted(labels)


def test_pictures_of_a_file_are_called_after_its_place_in_a_data_set(tracer, written, tmp_path):
    assert scene_file(written, tracer).name == "batch000000002_scene0001_view000"
    assert scene_file(written.rename(tmp_path / "my room.json"), tracer).name == "my room"


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_a_folder_is_answered_with_a_scene_in_it(tracer, written, depth):
    folder = written.parents[depth]
    (folder / "dataset.json").write_text("{}")
    (folder / "factor.txt").write_text("1")
    with pytest.raises(SceneError, match=r"is a folder; name one of its scene files, such as .*view000\.json$"):
        scene_file(folder, tracer)


def test_a_folder_without_scenes_is_no_scene_file(tracer, tmp_path):
    with pytest.raises(SceneError, match="is a folder; expected a scene file"):
        scene_file(tmp_path, tracer)


def test_a_file_that_cannot_be_circled_is_named(tracer, tmp_path):
    scene = json.loads(drawn(0))
    scene["camera"].update(position=[0, 2, 0], lookat=[0, 0, 0])
    (tmp_path / "down.json").write_text(json.dumps(scene))
    with pytest.raises(SceneError, match=r"down\.json: the camera looks straight up or down"):
        turntable(scene_file(tmp_path / "down.json", tracer), 3)


def test_a_dataset_that_cannot_be_drawn_is_a_users_error(tracer):
    with pytest.raises(ConfigError, match="cannot draw scenes of 'rome'"):
        random_scene("rome", 0, 0, tracer)
