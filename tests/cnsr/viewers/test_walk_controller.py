"""What a user can do in visualize-gqn, and what comes of it; without a window."""

import functools
import math
import time

import numpy as np
import pytest
import torch
from controller_driving import press_key

from cnsr.buffers import BUFFERS
from cnsr.config import load_config, parse_config
from cnsr.display import displayed
from cnsr.scenes.datasets import randomizer
from cnsr.scenes.description import parse_scene
from cnsr.scenes.randomizer import draw_batch
from cnsr.viewers.walk_actions import ACTIONS
from cnsr.viewers.walk_controller import SAMPLES, WalkController
from cnsr.viewers.walk_scenes import SceneSupply

press = functools.partial(press_key, ACTIONS)


def wait_for(controller, condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        controller.update()
        time.sleep(0.0005)


def test_it_begins_with_a_test_scene_of_the_dataset_and_256_samples(config, tracer, walk):
    controller = walk(samples=SAMPLES)
    drawn = draw_batch(randomizer("room"), 3, "test", 0, 1, 3, partitioned=False).scenes[0]
    scene = controller.scene
    assert SAMPLES == 256
    assert scene.description == drawn.scenes[0]
    assert [tuple(camera.position) for camera in scene.observations] == [one.position for one in drawn.cameras[1:]]
    assert scene.seeds == drawn.seeds
    assert controller.camera.position == drawn.cameras[0].position


def test_everything_is_shown_when_it_has_settled(walk, predictor, settle):
    controller = settle(walk(predictor=predictor))
    pictures = controller.pictures
    assert controller.samples_done == (4, 4)
    assert pictures.reference.name == pictures.prediction.name == "beauty"
    assert [one.name for one in pictures.observations] == ["beauty"] * 2
    assert [one.name for one in pictures.given] == ["direct", "indirect"]
    assert all(one.size == 8 for one in (pictures.reference, pictures.prediction, *pictures.given))
    assert 0 < pictures.psnr < 100
    assert controller.error is None


def test_the_reference_is_what_the_renderer_makes(walk, settle, tracer):
    controller = settle(walk(samples=2))
    views = [
        tracer.render(controller.scene.description, 8, 1, controller.scene.seeds[0], view=number) for number in (0, 1)
    ]
    mean = np.mean([view.buffers["beauty"].astype(np.float64) for view in views], axis=0)
    np.testing.assert_allclose(controller.pictures.reference.values, mean, rtol=1e-4, atol=1e-6)
    assert np.array_equal(
        controller.pictures.reference.colors, displayed("beauty", controller.pictures.reference.values)
    )


def test_the_prediction_is_what_the_networks_make_of_the_observations(walk, predictor, settle):
    controller = settle(walk(predictor=predictor))
    trained = predictor.trained
    rendered = controller._rendered

    def tensor(image):
        return torch.from_numpy(image).movedim(-1, 0)

    observations = {
        name: torch.stack([tensor(view.images[name]) for view in rendered.observations])[None]
        for name in ("beauty", "depth")
    }
    poses = torch.tensor(np.array([[view.pose for view in rendered.observations]]), dtype=torch.float32)
    queries = {name: tensor(image)[None] for name, image in rendered.query.images.items()}
    pose = torch.tensor(rendered.query.pose[None], dtype=torch.float32)
    with torch.no_grad():
        representations = trained.model.encode(observations, poses, trained.iteration)
        outputs = trained.model.predict_each(queries, pose, representations)
    expected = outputs[1]["beauty"][0].movedim(0, -1).numpy()
    np.testing.assert_allclose(controller.pictures.prediction.values, expected, rtol=1e-5, atol=1e-6)
    # The last generator is given the indirect light that the first one predicts, not the path-traced one.
    direct, indirect = (one.values for one in controller.pictures.given)
    np.testing.assert_allclose(indirect, outputs[0]["indirect"][0].movedim(0, -1).numpy().clip(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(direct + indirect, expected, rtol=1e-5, atol=1e-6)


def test_the_output_of_any_generator_can_be_shown(walk, predictor, settle):
    controller = settle(walk(predictor=predictor))
    assert controller.outputs == [(0, "indirect"), (1, "beauty")]
    assert controller.output == 1
    controller.output = 0
    settle(controller)
    assert controller.pictures.prediction.name == controller.pictures.reference.name == "indirect"
    (given,) = [one for one in controller.pictures.given if one.name == "indirect"]
    assert np.array_equal(controller.pictures.prediction.values.clip(0), given.values)


def test_without_networks_there_is_no_prediction_and_all_else(walk, settle):
    controller = settle(walk())
    pictures = controller.pictures
    assert pictures.prediction is None
    assert pictures.psnr is None
    assert pictures.reference is not None
    assert [one.name for one in pictures.given] == ["direct", "indirect"]


@pytest.mark.parametrize("size", [8, 128, 512])
def test_the_reference_can_be_finer_than_what_the_networks_see(walk, predictor, settle, size):
    controller = walk(samples=1, predictor=predictor)
    assert controller.reference_sizes == (8, 128, 256, 512)
    settle(controller)
    prediction = controller.pictures.prediction.values
    controller.reference_size = size
    settle(controller)
    assert controller.pictures.reference.size == size
    assert all(one.size == 8 for one in (*controller.pictures.given, *controller.pictures.observations))
    assert np.array_equal(controller.pictures.prediction.values, prediction)


def test_the_reference_is_fine_at_first_where_nothing_stands_beside_it(config, tracer, predictor):
    for networks, size in ((None, 128), (predictor, 8)):
        controller = WalkController(config, tracer, SceneSupply(config), networks)
        controller.close()
        assert controller.reference_size == size


def test_random_scenes_differ_and_can_be_repeated(config, walk, settle, tracer):
    controller = settle(walk())
    first = controller.scene, controller.pictures.reference.values
    press(controller, "R")
    settle(controller)
    second = controller.scene, controller.pictures.reference.values
    assert second[0].description != first[0].description
    assert not np.array_equal(first[1], second[1])
    assert controller.camera.position == controller.scene.description.camera.position
    again = SceneSupply(config, seed=3).random_scene(1, 0)
    assert again.description == second[0].description
    assert again.observations == second[0].observations
    assert again.description != SceneSupply(config, seed=4).random_scene(1, 0).description


def test_new_observations_leave_the_view_alone_and_change_the_prediction(walk, predictor, settle):
    controller = walk(predictor=predictor)
    controller.output = 0
    settle(controller)
    places, pictures, rendered = controller.scene.observations, controller.pictures, controller._rendered
    seen = []
    for _ in range(3):
        press(controller, "O")
        settle(controller)
        seen.append(controller.scene.observations)
        assert controller._rendered.reference is rendered.reference  # not rendered again
    assert len({places, *seen}) == 4
    assert all(len(one) == 2 for one in seen)
    assert not np.array_equal(controller.pictures.observations[0].values, pictures.observations[0].values)
    assert not np.array_equal(controller.pictures.prediction.values, pictures.prediction.values)


def test_new_observations_can_be_repeated(config):
    def drawn():
        supply = SceneSupply(config, seed=3)
        return supply.with_new_observations(supply.random_scene(2, 5), 1).observations

    assert drawn() == drawn()


@pytest.mark.parametrize(("more", "fewer", "of"), [("J", "H", "query_samples"), ("M", "N", "observation_samples")])
def test_samples_go_up_and_down_by_ten_and_never_below_one(walk, more, fewer, of):
    controller = walk(samples=SAMPLES)
    other = ({"query_samples", "observation_samples"} - {of}).pop()
    press(controller, more)
    assert getattr(controller, of) == SAMPLES + 10
    for _ in range(30):
        press(controller, fewer)
    assert getattr(controller, of) == 1
    press(controller, fewer)
    assert getattr(controller, of) == 1
    press(controller, more)
    assert getattr(controller, of) == 11
    assert getattr(controller, other) == SAMPLES


def test_samples_that_were_asked_for_are_rendered(walk, settle):
    controller = settle(walk(samples=4))
    press(controller, "J")
    assert settle(controller).samples_done == (14, 4)
    press(controller, "M")
    assert settle(controller).samples_done == (14, 14)
    for _ in range(2):
        press(controller, "H")
    assert settle(controller).samples_done == (1, 14)


def test_the_reference_gets_better_while_nothing_moves(walk, settle):
    controller = walk(samples=2**20)
    seen = []
    wait_for(controller, lambda: seen.append(controller.samples_done[0]) or seen[-1] >= 8)
    assert seen == sorted(seen)


def test_a_move_is_seen_at_once_and_drops_what_was_being_rendered(walk):
    controller = walk(samples=2**20)  # would take hours
    wait_for(controller, lambda: controller.samples_done[0] >= 8)
    begun = time.monotonic()
    for _ in range(5):
        controller.walk(1.0, 0.0, 0.01)
        wanted = controller.camera.for_rendering()
        wait_for(controller, lambda wanted=wanted: controller._rendered.request.camera == wanted)
        assert controller.samples_done[0] < 2**10
    assert time.monotonic() - begun < 30


def test_nothing_is_refined_before_the_view_stands_still(config, tracer):
    controller = WalkController(config, tracer, SceneSupply(config), still=3600.0)
    try:
        wait_for(controller, lambda: controller.samples_done == (1, 1))
        controller.walk(1.0, 0.0, 0.01)
        moved = controller.camera.for_rendering()
        wait_for(controller, lambda: controller._rendered.request.camera == moved)
        assert controller.samples_done == (1, 1)
        assert controller.busy
        assert not controller.settled
    finally:
        controller.close()


def test_a_camera_that_moves_in_every_frame_is_followed(walk):
    controller = walk(samples=2**20)
    followed = set()
    end = time.monotonic() + 60
    while len(followed) < 5:
        assert time.monotonic() < end
        controller.walk(0.0, 1.0, 0.001)
        controller.update()
        if controller._rendered is not None:
            followed.add(controller._rendered.request.camera.position)
            assert controller.pictures.reference is not None
        time.sleep(0.002)


def test_walking_and_looking_move_the_camera_and_home_brings_it_back(walk, settle):
    controller = settle(walk())
    begin, image = controller.camera, controller.pictures.reference.values
    controller.walk(0.0, 1.0, 0.5)
    step = math.dist(begin.position, controller.camera.position)
    assert step > 0.1
    assert np.dot(np.subtract(controller.camera.position, begin.position), begin.forward) == pytest.approx(step)
    controller.walk(-1.0, -1.0, 0.5)
    controller.look(0.25, 0.1)
    fov = math.radians(controller.scene.description.camera.fov)
    assert math.remainder(controller.camera.yaw - begin.yaw, 2 * math.pi) == pytest.approx(0.25 * fov)
    assert controller.camera.pitch == pytest.approx(begin.pitch - 0.1 * fov)
    settle(controller)
    assert not np.array_equal(controller.pictures.reference.values, image)
    press(controller, "Home")
    assert controller.camera == begin
    settle(controller)
    assert np.array_equal(controller.pictures.reference.values, image)


def test_diagonal_steps_are_as_long_as_straight_ones(walk, settle):
    controller = settle(walk())
    begin = controller.camera
    controller.walk(0.0, 1.0, 0.01)
    straight = math.dist(begin.position, controller.camera.position)
    controller.return_to_start()
    controller.walk(1.0, 1.0, 0.01)
    assert math.dist(begin.position, controller.camera.position) == pytest.approx(straight)
    controller.return_to_start()
    controller.walk(0.0, 0.0, 0.01)
    assert controller.camera == begin


@pytest.mark.parametrize(("right", "forward"), [(0, 1), (0, -1), (1, 0), (-1, 0)])
def test_a_walk_does_not_leave_the_room_and_slides_along_its_walls(walk, settle, tracer, right, forward):
    controller = settle(walk(samples=1))
    low, high = tracer.bounds(controller.scene.description)
    for _ in range(100):
        before = controller.camera.position
        controller.walk(right, forward, 0.1)
        settle(controller)
    assert (low < controller.camera.position).all()
    assert (high > controller.camera.position).all()
    assert controller.camera.position == before  # in a corner
    assert controller.pictures.reference.values.max() > 0


def test_a_walk_that_begins_outside_goes_anywhere(walk, settle):
    data = scene_json()
    scene = parse_scene(data | {"camera": data["camera"] | {"position": (0.0, 0.5, 30.0), "lookat": (0.0, 0.5, 0.0)}})
    controller = settle(walk(scene=(scene, "outside.json")))
    controller.walk(1.0, -1.0, 1.0)
    assert controller.camera.position[2] > 30.5
    assert controller.camera.position[0] > 0.5


def test_exposure_changes_what_is_shown_of_light_and_renders_nothing(walk, settle):
    controller = settle(walk())
    before, rendered = controller.pictures, controller._rendered
    controller.exposure = 1.0
    settle(controller)
    after = controller.pictures
    assert controller._rendered is rendered
    assert np.array_equal(after.reference.colors, displayed("beauty", before.reference.values, exposure=1.0))
    assert after.reference.colors.mean() > before.reference.colors.mean()


@pytest.mark.parametrize("name", BUFFERS)
def test_every_buffer_can_be_shown(walk, settle, name):
    controller = walk(samples=1)
    controller.reference_buffer = controller.observation_buffer = name
    pictures = settle(controller).pictures
    assert pictures.reference.name == name
    assert [one.name for one in pictures.observations] == [name] * 2
    channels = BUFFERS[name].channels
    for one in (pictures.reference, *pictures.observations):
        assert one.values.shape == (8, 8, channels)
        assert one.colors.shape == (8, 8, 3)
        assert one.told(0, 0).startswith(f"{name}  ")
    assert (pictures.reference.legend is None) == (name not in {"depth", "roughness", "shadows", "ao"})


def test_colors_of_positions_keep_their_meaning_while_walking(walk, settle, tracer):
    controller = walk()
    controller.reference_buffer = "position"
    settle(controller)
    controller.walk(0.0, 1.0, 0.3)
    settle(controller)
    reference = controller.pictures.reference
    bounds = tracer.bounds(controller.scene.description)
    shown = 255 * (reference.values - bounds.low)[..., 0] / (bounds.high - bounds.low)[0]
    assert np.abs(reference.colors[..., 0] - shown).max() <= 0.51


def scene_json(**changes):
    data = draw_batch(randomizer("room"), 0, "train", 0, 1, 1, partitioned=False).scenes[0].scenes[0].model_dump()
    return data | changes


def test_it_can_begin_in_a_scene_of_a_file(walk, settle):
    scene = parse_scene(scene_json())
    controller = settle(walk(scene=(scene, "view000.json")))
    assert controller.scene.description is scene
    assert controller.scene.title == "view000.json"
    assert len(controller.scene.observations) == 2
    first = controller.scene.observations
    press(controller, "O")
    assert controller.scene.observations != first
    press(controller, "R")
    assert controller.scene.title == "room 0"
    assert settle(controller).error is None


def test_a_scene_whose_light_is_all_around_can_be_walked_through(walk, settle):
    data = scene_json()
    sky = data["lights"][0] | {"position": [0.0, 0.0, 0.0], "radius": 100.0}
    controller = settle(walk(scene=(parse_scene(data | {"lights": [sky]}), "sky.json")))
    assert controller.error is None
    assert len(controller.pictures.observations) == 2


def test_a_missing_mesh_is_told_and_the_walk_goes_on(walk, settle):
    mesh = {
        "type": "file",
        "transform": np.eye(4).tolist(),
        "material": "ground",
        "filename": "meshes/nowhere.obj",
    }
    data = scene_json()
    scene = parse_scene(data | {"geometry": [*data["geometry"], mesh]})
    controller = settle(walk(scene=(scene, "x.json")))
    assert "nowhere.obj" in controller.error
    assert controller.pictures.reference is None
    controller.dismiss_error()
    press(controller, "R")
    settle(controller)
    assert controller.error is None
    assert controller.pictures.reference is not None


def test_a_fault_in_the_networks_is_told_and_the_walk_goes_on(walk, predictor, settle, monkeypatch, capsys):
    controller = walk(predictor=predictor)
    monkeypatch.setattr(predictor, "predict", lambda *_: 1 / 0)
    settle(controller)
    assert controller.error == "fault of the program: ZeroDivisionError: division by zero"
    assert "Traceback" in capsys.readouterr().err
    assert controller.pictures.reference is not None
    assert controller.pictures.prediction is None


def test_observations_are_encoded_only_when_they_change(walk, predictor, settle, monkeypatch):
    controller = settle(walk(predictor=predictor))
    encode, calls = predictor.trained.model.encode, []
    monkeypatch.setattr(predictor.trained.model, "encode", lambda *given: calls.append(1) or encode(*given))
    for _ in range(3):
        controller.walk(1.0, 0.0, 0.01)
        settle(controller)
    assert calls == []
    press(controller, "O")
    settle(controller)
    assert calls


def test_the_same_walk_gives_the_same_pictures(walk, predictor, settle):
    def walked():
        controller = walk(predictor=predictor)
        for step in range(3):
            controller.walk(1.0, 0.5, 0.02)
            controller.update()
            time.sleep(0.001 * step)
        return settle(controller).pictures

    first, second = walked(), walked()
    assert np.array_equal(first.reference.values, second.reference.values)
    assert np.array_equal(first.prediction.values, second.prediction.values)


@pytest.mark.parametrize("name", ["room_beauty_gqn_buffers.json", "room_direct_indirect.json"])
def test_published_networks_can_be_shown(tracer, name):
    """Only what is asked of the renderer: the networks themselves are slow (tests/cnsr/models)."""
    config = load_config(name)
    controller = WalkController(config, tracer, SceneSupply(config))
    try:
        request = controller._request()
        assert set(config.query_passes) <= set(request.query_buffers)
        assert set(config.observation_passes) <= set(request.observation_buffers)
        assert request.size == 64
        assert len(request.scene.observations) == 3
    finally:
        controller.close()


def test_generators_with_latent_variables_predict_the_same_again(tracer, config, walk, settle, checkpoint):
    from cnsr.models.model import SceneModel
    from cnsr.training.inference import TrainedModel
    from cnsr.viewers.predictor import Predictor

    settings = {
        "dataset": "room",
        "views_per_scene": 2,
        "model": {
            "representations": [{"type": "Tower", "representation_dim": 8, "render_size": 16}],
            "generators": [
                {
                    "type": "GQN",
                    "query_passes": ["normal"],
                    "render_size": 16,
                    "settings": {"state_dim": 8, "core_count": 2},
                }
            ],
        },
    }
    latent = parse_config(settings)
    trained = TrainedModel(latent, SceneModel(latent).eval(), 3, checkpoint)
    controller = settle(walk(config=latent, predictor=Predictor(trained)))
    first = controller.pictures.prediction.values
    controller.walk(0.0, 1.0, 0.1)
    settle(controller)
    assert not np.array_equal(controller.pictures.prediction.values, first)
    press(controller, "Home")
    settle(controller)
    assert np.array_equal(controller.pictures.prediction.values, first)
