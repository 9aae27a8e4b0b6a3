"""What a user can do in visualize-attributions, and what comes of it; without a window."""

import functools
import time

import numpy as np
import pytest
import torch
from controller_driving import press_key

from cnsr.attribution.attributor import Attributor, total
from cnsr.attribution.outputs import Channels, Patch, whole_image, whole_representation
from cnsr.config import parse_config
from cnsr.display import displayed
from cnsr.errors import SceneError, ViewerError
from cnsr.models.model import SceneModel
from cnsr.training.inference import TrainedModel
from cnsr.viewers.attribution_actions import ACTIONS
from cnsr.viewers.attribution_controller import AttributionController
from cnsr.viewers.attribution_pictures import MARK, PARTITION_COLORS
from cnsr.viewers.attribution_settings import Networks
from cnsr.viewers.walk_scenes import SceneSupply

press = functools.partial(press_key, ACTIONS)


def explained_by(controller):
    return controller.networks.explained(controller.settings)


def test_it_begins_with_a_pixel_in_the_middle(explain, settle):
    controller = settle(explain())
    assert explained_by(controller) == Patch(1, "beauty", 4, 4)
    assert controller.settings.samples == 4
    assert controller.settings.query_buffer == "position"
    assert controller.settings.observation_buffer == "beauty"
    assert controller.networks.query_buffers == (("position", "normal"), ("position", "normal", "direct"))
    assert controller.title == "1 x 1 pixel at 4, 4, beauty"
    assert controller.error is None


def test_everything_is_shown_when_it_has_settled(explain, settle):
    pictures = settle(explain()).pictures
    assert (pictures.beauty.name, pictures.reference.name, pictures.prediction.name) == ("beauty",) * 3
    assert pictures.query.name == "attribution of position"
    assert [one.name for one in pictures.observations] == ["beauty"] * 2
    assert [one.name for one in pictures.attributions] == ["attribution of beauty"] * 2
    assert [plot.title for plot in pictures.plots] == ["Representation", "Attribution of the representation"]
    assert [title for title, _ in pictures.totals] == [
        "Query buffers", "Observation buffers", "Representation", "Partitions",
    ]  # fmt: skip


def test_what_is_shown_is_the_attribution_of_what_was_rendered(explain, settle, tracer, explained):
    controller = explain()
    controller.change(pixel_x=2, pixel_y=3, patch_size=2, query_buffer="normal", observation_buffer="depth")
    settle(controller)
    config = explained[0].config
    scene = controller.scene
    view = tracer.render(scene.description, 8, 4, scene.seeds[0], buffers=[*config.query_passes])
    seen = [
        tracer.render(scene.description, 8, 4, seed, camera=camera, buffers=[*config.observation_passes])
        for camera, seed in zip(scene.observations, scene.seeds[1:], strict=True)
    ]
    found = controller._found
    for name, image in view.buffers.items():
        assert np.array_equal(found.images.query[name], image)
    for one, other in zip(found.images.observations, seen, strict=True):
        assert np.array_equal(one["depth"], other.buffers["depth"])
    engine = controller._engine
    batch = engine._batch(view, seen)
    expected = Attributor(explained[0].model, batch, 7).attribute(Patch(1, "beauty", 2, 3, 2, 2))
    pictures = controller.pictures
    assert np.array_equal(pictures.query.values[..., 0], expected.queries["normal"].sum(0).numpy())
    assert np.array_equal(pictures.attributions[1].values[..., 0], expected.observations["depth"][1, 0].numpy())
    totals = {group: {entry.name: entry.value for entry in entries} for group, entries in pictures.totals}
    assert totals["Query buffers"]["normal"] == total(expected.queries["normal"])
    assert totals["Observation buffers"] == {name: total(part) for name, part in expected.observations.items()}
    assert sum(totals["Partitions"].values()) == pytest.approx(totals["Representation"]["all"])
    assert np.array_equal(pictures.plots[1].values, expected.representations[0][:, 0, 0].double().numpy())


@pytest.mark.parametrize(
    ("choices", "outputs", "title"),
    [
        ({"activate_mean": True}, Patch(1, "beauty", 0, 0, 8, 8), "the whole image, beauty"),
        ({"pixel_x": 9, "patch_size": 3}, Patch(1, "beauty", 5, 4, 3, 3), "3 x 3 pixels at 5, 4, beauty"),
        ({"patch_size": 99}, Patch(1, "beauty", 0, 0, 8, 8), "8 x 8 pixels at 0, 0, beauty"),
        ({"generator": 0, "output": "indirect"}, Patch(0, "indirect", 4, 4), "1 x 1 pixel at 4, 4, indirect"),
        ({"representation_grad": True, "pixel_x": 6}, Channels(0, (6,)), "channel 6 of the representation"),
        ({"representation_grad": True, "pixel_x": 60}, Channels(0, (7,)), "channel 7 of the representation"),
        ({"representation_grad": True, "activate_mean": True}, Channels(0, (*range(8),)), "the whole representation"),
        (
            {"representation_grad": True, "partition_mean": True, "pixel_x": 0},
            Channels(0, (0, 1, 2, 3)),
            "the lighting partition",
        ),
        (
            {"representation_grad": True, "partition_mean": True, "pixel_x": 2},
            Channels(0, (6, 7)),
            "the material partition",
        ),
        ({"partition_mean": True}, Patch(1, "beauty", 4, 4), "1 x 1 pixel at 4, 4, beauty"),
    ],
)
def test_choices_say_what_is_explained(choices, outputs, title, explain, settle):
    controller = explain()
    controller.change(**choices)
    assert explained_by(controller) == outputs
    assert controller.title == title
    settle(controller)
    assert controller.error is None
    assert controller._found.request.outputs == outputs
    assert controller._found.attribution.outputs == (
        len(outputs.channels) if isinstance(outputs, Channels) else outputs.count
    )


def test_keys_toggle_what_is_explained(explain):
    controller = explain()
    config = controller.trained.config
    press(controller, "M")
    assert explained_by(controller) == whole_image(config, 1, "beauty")
    press(controller, "G")
    assert explained_by(controller) == whole_representation(config, 0)
    press(controller, "M")
    press(controller, "P")
    assert explained_by(controller) == Channels(0, (6, 7))
    press(controller, "P")
    press(controller, "G")
    assert explained_by(controller) == Patch(1, "beauty", 4, 4)
    press(controller, "H")
    assert controller.settings.style == "multiplied"
    press(controller, "H")
    assert controller.settings.style == "heat map"


def test_new_scenes_and_observations_are_computed_anew(explain, settle):
    controller = settle(explain())
    first, images = controller.scene, controller._found.images
    press(controller, "O")
    settle(controller)
    assert controller.scene.description is first.description
    assert controller.scene.observations != first.observations
    assert np.array_equal(controller._found.images.query["beauty"], images.query["beauty"])
    assert not np.array_equal(controller._found.images.observations[0]["beauty"], images.observations[0]["beauty"])
    press(controller, "R")
    assert controller.pictures.beauty is None
    settle(controller)
    assert controller.scene.description is not first.description
    assert not np.array_equal(controller._found.images.query["beauty"], images.query["beauty"])


def test_only_what_changed_is_computed_again(explain, settle):
    controller = settle(explain())
    images, found = controller._found.images, controller._found
    controller.change(query_buffer="normal", range_max=0.5, exposure=1.0)
    settle(controller)
    assert controller._found is found
    controller.change(pixel_x=1)
    settle(controller)
    assert controller._found is not found
    assert controller._found.images is images
    controller.change(samples=5)
    settle(controller)
    assert controller._found.images is not images
    assert controller._found.images.samples == 5


def test_the_range_stretches_the_colors_and_the_legend(explain, settle):
    controller = explain()
    controller.change(activate_mean=True, opacity=1.0)
    whole = settle(controller).pictures.query
    largest = float(whole.values.max())
    assert (whole.legend.low, whole.legend.high) == (0.0, pytest.approx(largest))
    controller.change(range_min=0.25, range_max=0.5)
    part = settle(controller).pictures.query
    assert (part.legend.low, part.legend.high) == (pytest.approx(largest / 4), pytest.approx(largest / 2))
    assert (part.colors[whole.values[..., 0] >= largest / 2] == part.legend.colors[-1]).all()
    assert (part.colors[whole.values[..., 0] <= largest / 4] == part.legend.colors[0]).all()


def test_observations_share_one_scale(explain, settle):
    pictures = settle(explain()).pictures
    ends = {(one.legend.low, one.legend.high) for one in pictures.attributions}
    assert ends == {(0.0, max(float(one.values.max()) for one in pictures.attributions))}


def test_styles_and_exposure(explain, settle):
    controller = settle(explain())
    heat = controller.pictures
    controller.change(style="multiplied", exposure=2.0)
    multiplied = settle(controller).pictures
    image = controller._found.images.observations[0]["beauty"]
    assert np.array_equal(
        multiplied.observations[0].colors,
        displayed("beauty", image, exposure=2.0, extent=controller._found.images.bounds),
    )
    assert (multiplied.attributions[0].colors <= multiplied.observations[0].colors).all()
    assert not np.array_equal(heat.attributions[0].colors, multiplied.attributions[0].colors)
    assert np.array_equal(heat.attributions[0].values, multiplied.attributions[0].values)


def test_the_patch_is_framed_in_red(explain, settle):
    controller = explain()
    controller.change(pixel_x=2, pixel_y=1, patch_size=4)
    colors = settle(controller).pictures.prediction.colors
    red = (colors == MARK).all(axis=2)
    expected = np.zeros((8, 8), bool)
    expected[1:5, 2:6] = True
    expected[2:4, 3:5] = False
    assert np.array_equal(red, expected)
    controller.change(representation_grad=True)
    assert not (settle(controller).pictures.prediction.colors == MARK).all(axis=2).any()


def test_a_click_chooses_the_patch_about_it(explain):
    controller = explain()
    controller.change(patch_size=3, representation_grad=True)
    controller.explain_pixel(0.55, 0.31)
    assert explained_by(controller) == Patch(1, "beauty", 3, 1, 3, 3)
    for corner, place in (((0.0, 1.0), (0, 5)), ((1.0, 0.0), (5, 0))):
        controller.explain_pixel(*corner)
        assert explained_by(controller) == Patch(1, "beauty", *place, 3, 3)


def test_plots_tell_the_partitions_apart(explain, settle):
    for plot in settle(explain()).pictures.plots:
        assert plot.partitions == (("lighting", (0, 1, 2, 3)), ("geometry", (4, 5)), ("material", (6, 7)))
    for name, strongest in (("lighting", 0), ("geometry", 1), ("material", 2)):
        assert np.argmax(PARTITION_COLORS[name]) == strongest


def test_another_output_has_other_query_buffers(explain, settle):
    controller = explain()
    controller.change(query_buffer="direct")
    controller.change(generator=0, output="indirect")
    assert controller.settings.query_buffer == "position"
    assert settle(controller).pictures.prediction.name == "indirect"


def test_the_representation_does_not_rest_on_the_query(explain, settle):
    controller = explain()
    controller.change(representation_grad=True, activate_mean=True)
    pictures = settle(controller).pictures
    assert not pictures.query.values.any()
    assert "Query buffers" not in dict(pictures.totals)


@pytest.mark.parametrize(
    "change", [{"range_min": 1.5}, {"patch_size": 0}, {"samples": 0}, {"scale": "rainbow"}, {"pixel_x": -1}]
)
def test_impossible_values_are_refused(change, explain):
    controller = explain()
    before = controller.settings
    with pytest.raises(ViewerError, match=next(iter(change))):
        controller.change(**change)
    assert controller.settings == before


def test_without_partitions_there_is_no_partition_mean(explained, tracer, tmp_path, settle):
    trained = explained[0]
    settings = trained.config.model_dump(mode="json") | {"latent_separation": False}
    config = parse_config(settings)
    with torch.random.fork_rng([]):
        model = SceneModel(config).eval()
    supply = SceneSupply(config, 3)
    controller = AttributionController(TrainedModel(config, model, 7, tmp_path), tracer, supply, tmp_path)
    try:
        with pytest.raises(ViewerError, match="no partitions"):
            controller.toggle_partition()
        pictures = settle(controller).pictures
        assert pictures.plots[0].partitions == (("", (*range(8),)),)
        assert "Partitions" not in dict(pictures.totals)
    finally:
        controller.close()


def test_a_running_attribution_gives_way_to_a_newer_one(explain, settle, monkeypatch):
    controller = settle(explain())
    started = []
    original = Attributor.attribute

    def slow(self, outputs, progress):
        started.append(outputs)
        while isinstance(outputs, Patch) and outputs.count > 3:  # until it is cancelled
            progress(0.5)
            time.sleep(0.001)
        return original(self, outputs, progress)

    monkeypatch.setattr(Attributor, "attribute", slow)
    controller.change(activate_mean=True)
    controller.update()
    while not started:
        time.sleep(0.001)
    assert controller.busy
    assert controller.progress[0] == "explaining"
    controller.change(activate_mean=False, pixel_x=0)
    settle(controller)
    assert [outputs.count for outputs in started] == [192, 3]
    assert controller._found.request.outputs == Patch(1, "beauty", 0, 4)
    assert controller.error is None


def test_an_error_is_shown_and_the_next_scene_comes(explain, settle, tracer, monkeypatch):
    controller = settle(explain())
    render = tracer.render_views
    monkeypatch.setattr(tracer, "render_views", lambda *_, **__: (_ for _ in ()).throw(SceneError("no mesh")))
    press(controller, "R")
    settle(controller)
    assert controller.error == "no mesh"
    monkeypatch.setattr(tracer, "render_views", render)
    controller.dismiss_error()
    press(controller, "R")
    assert settle(controller).error is None
    assert controller.pictures.beauty is not None


def test_what_there_is_follows_from_the_networks(explained):
    networks = Networks.of(explained[0])
    assert networks.outputs == ((0, "indirect"), (1, "beauty"))
    assert networks.partitions == ({"lighting": (0, 1, 2, 3), "geometry": (4, 5), "material": (6, 7)},)
