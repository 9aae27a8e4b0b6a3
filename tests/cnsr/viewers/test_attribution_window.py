"""visualize-attributions as a person uses it: a window on a virtual display, keys and mouse by Dear ImGui's engine."""

import time

import numpy as np
import pytest
import window_driving
from window_driving import choose, wait

from cnsr.attribution.outputs import Channels, Patch
from cnsr.errors import SceneError
from cnsr.viewers.attribution_actions import ACTIONS
from cnsr.viewers.heat_maps import SCALES

SMALL = (620, 880)  # drawn without a graphics card, every pixel takes time
CONTROLS = (380, 880)  # room for all controls, little for images


@pytest.fixture
def drive(virtual_display, explain):
    """Return a function that opens the window, lets another act in it, and returns the front end."""
    from cnsr.viewers.attribution_front_end import AttributionFrontEnd

    def drive(act, size=SMALL, controller=None):
        return window_driving.drive(AttributionFrontEnd(controller or explain()), act, size)

    return drive


def settled(context, controller):
    context.yield_(2)
    wait(context, lambda: controller.settled)


def pick(context, combo, entry):
    choose(context, "New scene", combo, entry)


def explained(controller):
    return controller.networks.explained(controller.settings)


def test_every_key_does_what_its_action_does(drive):
    from imgui_bundle import imgui

    def act(context, controller, front):
        settled(context, controller)
        scene = controller.scene
        context.key_press(imgui.Key.o)
        assert controller.scene.observations != scene.observations
        context.key_press(imgui.Key.r)
        assert controller.scene.description is not scene.description
        context.key_press(imgui.Key.m)
        assert controller.settings.activate_mean
        context.key_press(imgui.Key.g)
        assert controller.settings.representation_grad
        context.key_press(imgui.Key.p)
        assert controller.settings.partition_mean
        context.key_press(imgui.Key.h)
        assert controller.settings.style == "multiplied"
        settled(context, controller)
        context.key_press(imgui.Key.mod_ctrl | imgui.Key.s)
        assert len(controller.saved()) == 1
        context.key_press(imgui.Key.g)
        context.key_press(imgui.Key.mod_ctrl | imgui.Key.l)
        assert controller.settings.representation_grad
        assert {action.key for action in ACTIONS} == {"O", "R", "M", "G", "P", "H", "Ctrl+S", "Ctrl+L"}

    assert drive(act).controller.error is None


@pytest.mark.slow
def test_every_menu_entry_does_what_its_action_does(drive):
    def act(context, controller, front):
        settled(context, controller)
        context.set_ref("##MainMenuBar")
        scene = controller.scene
        context.menu_click("Scene/New observations")
        context.menu_click("Scene/New scene")
        assert controller.scene.description is not scene.description
        settled(context, controller)
        context.menu_click("Scene/Save")
        context.menu_click("Explain/Activate mean")
        context.menu_click("Explain/Representation grad")
        context.menu_click("Explain/Partition mean")
        settings = controller.settings
        assert settings.activate_mean
        assert settings.representation_grad
        assert settings.partition_mean
        context.menu_click("Display/Heat map or multiplied")
        assert controller.settings.style == "multiplied"
        context.menu_click("Scene/Load last")
        assert controller.settings.style == "heat map"

    assert drive(act).controller.error is None


def test_every_control_changes_its_setting(drive):
    def act(context, controller, front):
        settled(context, controller)
        for name, value in (("Pixel X", 2), ("Pixel Y", 3), ("Patch size", 4)):
            context.item_input_value(f"//**/##{name}", value)
        assert explained(controller) == Patch(1, "beauty", 2, 3, 4, 4)
        for name, field, value in (
            ("Range Min", "range_min", 0.125),
            ("Range Max", "range_max", 0.5),
            ("opacity", "opacity", 0.25),
            ("exposure", "exposure", 1.5),
        ):
            context.item_input_value(f"//**/##{name}", value)
            assert getattr(controller.settings, field) == value
        context.item_input_value("//**/##samples", 2)
        assert controller.settings.samples == 2
        context.item_click("//**/normal")
        context.item_click("//**/depth")
        assert controller.settings.query_buffer == "normal"
        assert controller.settings.observation_buffer == "depth"
        for scale in reversed(SCALES):
            pick(context, "##colors", scale)
            assert controller.settings.scale == scale
        pick(context, "##style", "multiplied")
        assert controller.settings.style == "multiplied"
        pick(context, "##style", "heat map")
        pick(context, "##output", "indirect (generator 1)")
        assert explained(controller) == Patch(0, "indirect", 2, 3, 4, 4)
        context.item_check("//**/Activate mean")
        assert explained(controller).count == 192
        context.item_uncheck("//**/Activate mean")
        context.item_check("//**/Representation grad")
        assert explained(controller) == Channels(0, (2,))
        context.item_check("//**/Partition mean")
        context.item_input_value("//**/##Pixel X", 1)
        assert explained(controller) == Channels(0, (4, 5))
        settled(context, controller)
        assert controller._found.request.outputs == Channels(0, (4, 5))
        scene = controller.scene
        context.item_click("//**/New observations")
        assert controller.scene.observations != scene.observations
        context.item_click("//**/New scene")
        assert controller.scene.description is not scene.description

    assert drive(act, CONTROLS).controller.error is None


def window_picture(front, tmp_path, name):
    from PIL import Image

    from cnsr.viewers import window

    window.take_picture(front, tmp_path / name, SMALL)
    return np.asarray(Image.open(tmp_path / name))


@pytest.mark.slow
def test_saved_by_one_window_it_looks_the_same_in_another(drive, explain, tmp_path):
    from cnsr.viewers.attribution_front_end import AttributionFrontEnd

    folders = []

    def act(context, controller, front):
        settled(context, controller)
        context.item_input_value("//**/##Pixel X", 2)
        context.item_input_value("//**/##Patch size", 3)
        context.item_click("//**/depth")
        context.item_click("//**/New scene")
        settled(context, controller)
        context.item_click("//**/Save")
        folders.extend(controller.saved())
        context.item_click("//**/New scene")
        context.item_input_value("//**/##Patch size", 1)
        pick(context, "##load", folders[0].name)
        assert controller.settings.patch_size == 3
        settled(context, controller)

    assert drive(act, CONTROLS).controller.error is None
    pictures = []
    for number in range(2):
        controller = explain()
        controller.load(folders[0])
        pictures.append(window_picture(AttributionFrontEnd(controller), tmp_path, f"{number}.png"))
    assert pictures[0].shape == (SMALL[1], SMALL[0], 3)
    assert np.array_equal(*pictures)
    assert pictures[0].std() > 20


@pytest.mark.slow
def test_clicking_an_image_explains_that_pixel(drive):
    from imgui_bundle import ImVec2

    def act(context, controller, front):
        settled(context, controller)
        for place in ("beauty", "reference", "prediction", "query attribution"):
            rectangle = context.item_info(f"//**/##{place}").rect_full
            edge = rectangle.max.x - rectangle.min.x
            for column, row in ((1, 6), (5, 2)):
                x, y = (column + 0.5) / 8, (row + 0.5) / 8
                context.mouse_move_to_pos(ImVec2(rectangle.min.x + x * edge, rectangle.min.y + y * edge))
                context.mouse_click()
                assert explained(controller) == Patch(1, "beauty", column, row), place
        context.mouse_drag_with_delta(ImVec2(30, 0))  # zooms and drags choose nothing
        assert explained(controller) == Patch(1, "beauty", 5, 2)

    drive(act)


@pytest.mark.slow
def test_zoom_is_shared_by_the_images_of_a_view(drive):
    def act(context, controller, front):
        settled(context, controller)
        context.mouse_move("//**/##prediction")
        context.mouse_wheel_y(3.0)
        context.yield_(2)
        assert front._query.zoom.factor > 1.5
        assert front._observations.zoom.factor == 1.0
        context.mouse_move("//**/##observation attribution 1")
        context.mouse_wheel_y(2.0)
        context.yield_(2)
        assert front._observations.zoom.factor > 1.2

    drive(act)


@pytest.mark.slow
def test_the_window_may_be_small_or_large(drive):
    def act(context, controller, front):
        settled(context, controller)
        rectangle = context.item_info("//**/##prediction").rect_full
        sizes.append(rectangle.max.x - rectangle.min.x)

    sizes = []
    for size in ((900, 620), (1900, 1060)):
        drive(act, size)
    assert sizes[1] > 1.5 * sizes[0]


@pytest.mark.slow
def test_errors_are_shown_in_a_panel_and_end_nothing(drive, tracer, monkeypatch):
    from imgui_bundle import imgui

    def act(context, controller, front):
        settled(context, controller)
        context.key_press(imgui.Key.mod_ctrl | imgui.Key.l)
        assert "nothing is saved there yet" in controller.error
        context.item_click("//**/Dismiss")
        assert controller.error is None
        render = tracer.render_views
        monkeypatch.setattr(tracer, "render_views", lambda *_, **__: (_ for _ in ()).throw(SceneError("no mesh")))
        context.item_click("//**/New scene")
        settled(context, controller)
        assert controller.error == "no mesh"
        assert context.item_exists("//**/Dismiss")
        monkeypatch.setattr(tracer, "render_views", render)
        context.item_click("//**/Dismiss")
        context.item_click("//**/New scene")
        settled(context, controller)
        assert controller.error is None
        assert controller.pictures.query is not None

    drive(act)


@pytest.mark.slow
def test_work_is_seen_while_it_goes_on(drive, monkeypatch):
    from cnsr.attribution.attributor import Attributor

    def slow(self, outputs, progress):
        while True:
            progress(0.25)
            time.sleep(0.001)

    def act(context, controller, front):
        wait(context, lambda: controller.pictures.prediction is not None)
        assert not front.settled
        assert controller.busy
        assert controller.progress == ("explaining", 0.25)
        context.yield_(2)
        assert context.item_exists("//**/##prediction")
        assert not context.item_exists("//**/##query attribution")

    monkeypatch.setattr(Attributor, "attribute", slow)
    drive(act)


@pytest.mark.slow
def test_textures_are_uploaded_only_when_something_changed(drive):
    def act(context, controller, front):
        settled(context, controller)
        context.yield_(2)
        before = front._textures.updates
        context.yield_(5)
        assert front._textures.updates == before

    drive(act)
