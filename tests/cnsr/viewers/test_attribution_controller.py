"""What a user can do in visualize-attributions, and what comes of it; without a window."""

import json
import time

import numpy as np
import pytest
import torch
from PIL import Image

from cnsr.attribution.attributor import Attributor, total
from cnsr.attribution.outputs import Channels, Patch, whole_image, whole_representation
from cnsr.config import parse_config
from cnsr.display import displayed
from cnsr.errors import SceneError, StorageError, ViewerError
from cnsr.models.model import SceneModel
from cnsr.scenes.description import parse_scene
from cnsr.training.inference import TrainedModel
from cnsr.viewers.attribution_actions import ACTIONS
from cnsr.viewers.attribution_controller import AttributionController
from cnsr.viewers.attribution_pictures import MARK, PARTITION_COLORS
from cnsr.viewers.attribution_settings import Networks
from cnsr.viewers.walk_scenes import SceneSupply


def press(controller, key):
    (action,) = [action for action in ACTIONS if action.key == key]
    action.perform(controller)


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


def everything(controller):
    """Return all that is shown, as bytes."""
    pictures = controller.pictures
    shown = [pictures.beauty, pictures.reference, pictures.prediction, pictures.query]
    shown += [*pictures.observations, *pictures.attributions]
    parts = [(one.name, one.colors.tobytes(), one.values.tobytes()) for one in shown]
    parts += [(plot.title, plot.partitions, plot.values.tobytes()) for plot in pictures.plots]
    return parts, pictures.totals, controller.title


CHOICES = {
    "pixel_x": 1,
    "patch_size": 3,
    "query_buffer": "direct",
    "observation_buffer": "depth",
    "range_max": 0.7,
    "exposure": 0.5,
    "scale": "blue to red",
    "samples": 3,
}


def test_what_is_saved_comes_back_the_same(explain, settle):
    controller = explain()
    press(controller, "R")
    press(controller, "O")
    controller.change(**CHOICES)
    expected = everything(settle(controller))
    folder = controller.save()
    assert controller.note == f"saved {folder}"
    for loaded in (controller, explain()):
        loaded.new_scene()
        loaded.change(pixel_x=5, observation_buffer="beauty", scale="cividis")
        settle(loaded)
        assert everything(loaded) != expected
        loaded.load(folder)
        assert everything(settle(loaded)) == expected
        assert loaded.note == f"loaded {folder}"


def test_saving_writes_every_buffer_and_attribution_as_image_and_array(explain, settle):
    controller = explain()
    controller.change(activate_mean=True)
    found = settle(controller)._found
    folder = controller.save()
    names = {str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.npy")}
    images = {str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.png")}
    expected = {f"query/{name}" for name in ("beauty", "position", "normal", "direct", "indirect")}
    expected |= {f"query/{name}_attribution" for name in ("position", "normal", "direct")}
    for view in ("observation1", "observation2"):
        expected |= {f"{view}/{name}{end}" for name in ("beauty", "depth") for end in ("", "_attribution")}
    expected |= {"prediction0/indirect", "prediction1/beauty"}
    assert images == expected | {"figure", "prediction_marked"}
    assert names == expected | {"representation0", "representation0_attribution"}
    attribution = found.attribution
    assert np.array_equal(
        np.load(folder / "query/normal_attribution.npy"), attribution.queries["normal"].movedim(0, -1).numpy()
    )
    assert np.array_equal(np.load(folder / "observation2/depth.npy"), found.images.observations[1]["depth"])
    shown = np.asarray(Image.open(folder / "observation1/beauty_attribution.png"))
    assert np.array_equal(shown, controller.pictures.attributions[0].colors)
    assert np.array_equal(
        np.asarray(Image.open(folder / "query/position_attribution.png")), controller.pictures.query.colors
    )
    totals = json.loads((folder / "totals.json").read_text())
    assert totals["Observation buffers"]["depth"] == total(attribution.observations["depth"])
    width, height = Image.open(folder / "figure.png").size
    assert width > height > 500


def test_folders_are_numbered_and_never_overwritten(explain, settle):
    controller = settle(explain())
    first = controller.save()
    controller.out_path.joinpath("0002").mkdir()
    content = {path: path.read_bytes() for path in first.rglob("*") if path.is_file()}
    assert controller.save().name == "0003"
    assert {path: path.read_bytes() for path in content} == content
    assert controller.saved() == [first, controller.out_path / "0003"]
    assert not [path for path in controller.out_path.iterdir() if path.name.startswith(".")]


def test_nothing_half_written_stays(explain, settle, monkeypatch):
    controller = settle(explain())
    monkeypatch.setattr(np, "save", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(StorageError, match="the disk is full"):
        controller.save()
    assert list(controller.out_path.iterdir()) == []


def test_saving_waits_for_the_attribution(explain):
    with pytest.raises(ViewerError, match="before the attribution is computed"):
        explain().save()


def test_the_last_one_is_loaded(explain, settle):
    controller = settle(explain())
    with pytest.raises(ViewerError, match="nothing is saved there yet"):
        press(controller, "Ctrl+L")
    press(controller, "Ctrl+S")
    controller.change(pixel_x=7)
    settle(controller)
    press(controller, "Ctrl+S")
    controller.change(pixel_x=0)
    press(controller, "Ctrl+L")
    assert controller.settings.pixel_x == 7


def test_a_scene_with_files_beside_it_can_be_moved(explain, settle, tmp_path):
    folder = tmp_path / "scene"
    folder.mkdir()
    Image.fromarray(np.full((2, 2, 3), 200, np.uint8)).save(folder / "paint.png")
    data = json.loads(explain().scene.description.model_dump_json())
    next(iter(data["materials"].values()))["texture"] = "paint.png"
    scene = parse_scene(data, folder=folder)
    controller = settle(explain(scene=(scene, "textured")))
    assert controller.error is None
    expected = everything(controller)
    saved = controller.save()
    assert str(folder / "paint.png") in (saved / "scene.json").read_text()
    other = explain()
    other.load(saved)
    assert everything(settle(other)) == expected


def broken(folder, change):
    """Change the saved settings."""
    file = folder / "settings.json"
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.update(version=0), "settings of version 0, this viewer reads version 1"),
        (lambda data: data.update(version="2.1"), 'settings of version "2.1", this viewer reads version 1'),
        (lambda data: data.pop("version"), "there is no version in it"),
        (lambda data: data["settings"].update(pixel_x=-3), "settings.pixel_x"),
        (lambda data: data["settings"].update(pixle=1), "settings.pixle"),
        (lambda data: data["settings"].pop("output"), "settings.output"),
        (lambda data: data["observations"][0].pop("lookat"), r"observations\[0\].lookat"),
        (lambda data: data["seeds"].pop(), "seeds"),
        (lambda data: data.update(observations=[], seeds=[1]), "observations"),
        (lambda data: data["settings"].update(output="albedo"), "'albedo' of generator 1, but the config has indirect"),
        (lambda data: data["settings"].update(generator=4), "generator 4, but the config has indirect of generator 0"),
        (lambda data: data["settings"].update(encoder=3), "encoder 3"),
        (lambda data: data["settings"].update(query_buffer="id"), "'id' of the query"),
        (lambda data: data["settings"].update(observation_buffer="id"), "'id' of the observations"),
    ],
)
def test_settings_that_do_not_fit_are_one_line_and_change_nothing(change, message, explain, settle):
    controller = settle(explain())
    folder = controller.save()
    broken(folder, change)
    before, scene = controller.settings, controller.scene
    with pytest.raises(ViewerError, match=message) as caught:
        controller.load(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    assert controller.settings == before
    assert controller.scene is scene


def test_missing_and_damaged_files_are_one_line(explain, settle, tmp_path):
    controller = settle(explain())
    with pytest.raises(ViewerError, match="there are no saved settings"):
        controller.load(tmp_path / "nowhere")
    folder = controller.save()
    (folder / "scene.json").unlink()
    with pytest.raises(SceneError, match="there is no such scene file"):
        controller.load(folder)
    (folder / "settings.json").write_text("{")
    with pytest.raises(ViewerError, match=r"settings\.json:1:2"):
        controller.load(folder)
    (folder / "settings.json").write_bytes(b"\xff")
    with pytest.raises(ViewerError, match="not UTF-8"):
        controller.load(folder)
    (folder / "settings.json").write_text("[]")
    with pytest.raises(ViewerError, match="there is no version"):
        controller.load(folder)


def test_settings_of_other_weights_are_loaded_and_said_so(explain, settle):
    controller = settle(explain())
    folder = controller.save()
    broken(folder, lambda data: data.update(iteration=900))
    controller.load(folder)
    assert controller.note.endswith("; it was saved with small at iteration 900")


def test_settings_may_be_used_in_another_scene(explain, settle):
    controller = settle(explain())
    controller.change(**CHOICES)
    settle(controller)
    folder = controller.save()
    other = explain()
    other.new_scene()
    scene = other.scene
    other.use_settings(folder / "settings.json")
    assert other.scene is scene
    assert other.settings == controller.settings


def test_what_there_is_follows_from_the_networks(explained):
    networks = Networks.of(explained[0])
    assert networks.outputs == ((0, "indirect"), (1, "beauty"))
    assert networks.partitions == ({"lighting": (0, 1, 2, 3), "geometry": (4, 5), "material": (6, 7)},)
