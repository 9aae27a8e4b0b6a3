"""Saving what visualize-attributions shows, and loading it again; without a window."""

import functools
import json

import numpy as np
import pytest
from controller_driving import press_key
from PIL import Image

from cnsr.attribution.attributor import total
from cnsr.errors import SceneError, StorageError, ViewerError
from cnsr.scenes.description import parse_scene
from cnsr.viewers.attribution_actions import ACTIONS

press = functools.partial(press_key, ACTIONS)


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
