"""visualize-gqn as a person uses it: a window on a virtual display, keys and mouse by Dear ImGui's test engine."""

from dataclasses import replace

import numpy as np
import pytest
import window_driving
from window_driving import choose, wait

from cnsr.errors import SceneError
from cnsr.viewers.walk_actions import ACTIONS, WALK_KEYS

SMALL = (720, 480)  # drawn without a graphics card, every pixel takes time


@pytest.fixture
def drive(virtual_display, walk, predictor):
    """Return a function that opens the window, lets another act in it, and returns the front end."""
    from cnsr.viewers.walk_front_end import WalkFrontEnd

    def drive(act, size=SMALL, predictor=predictor, **options):
        return window_driving.drive(WalkFrontEnd(walk(predictor=predictor, **options)), act, size)

    return drive


def key(name):
    from imgui_bundle import imgui

    return getattr(imgui.Key, name.lower())


def centre(info):
    rectangle = info.rect_full
    return (rectangle.min.x + rectangle.max.x) / 2, (rectangle.min.y + rectangle.max.y) / 2


def test_every_key_does_what_its_action_does(drive):
    def act(context, controller, front):
        wait(context, lambda: controller.settled)
        for name, expected in (("J", (14, 4)), ("H", (4, 4)), ("M", (4, 14)), ("N", (4, 4)), ("N", (4, 1))):
            context.key_press(key(name))
            assert (controller.query_samples, controller.observation_samples) == expected, name
        scene = controller.scene
        context.key_press(key("O"))
        assert controller.scene.description is scene.description
        assert controller.scene.observations != scene.observations
        context.key_press(key("R"))
        assert controller.scene.description is not scene.description
        controller.walk(1.0, 0.0, 1.0)
        moved = controller.camera
        context.key_press(key("Home"))
        assert controller.camera != moved
        assert controller.camera.position == controller.scene.description.camera.position
        wait(context, lambda: controller.settled)
        assert {action.key for action in ACTIONS} == {"J", "H", "M", "N", "O", "R", "Home"}

    assert drive(act).controller.error is None


def test_keys_that_walk_do_so_only_while_space_is_held(drive):
    def act(context, controller, front):
        wait(context, lambda: controller.settled)
        for held in WALK_KEYS:
            begin = controller.camera = replace(controller.camera, position=(0.0, 1.0, 0.0))  # far from all walls
            context.key_hold(key(held.key), 0.1)
            assert controller.camera == begin, held.key
            context.key_down(key("Space"))
            context.key_hold(key(held.key), 0.1)
            assert front.lively
            context.key_up(key("Space"))
            step = np.subtract(controller.camera.position, begin.position)
            wanted = held.direction[0] * np.array(begin.right) + held.direction[1] * np.array(begin.forward)
            assert np.dot(step, wanted) > 0.99 * np.linalg.norm(step) > 0, held.key
            assert (controller.camera.yaw, controller.camera.pitch) == (begin.yaw, begin.pitch)
        context.yield_()
        assert not front.lively
        wait(context, lambda: controller.settled)

    drive(act)


@pytest.mark.slow
def test_dragging_with_space_looks_around_and_without_moves_the_zoomed_part(drive):
    from imgui_bundle import ImVec2

    def act(context, controller, front):
        wait(context, lambda: controller.settled)
        begin = controller.camera
        for place in ("//**/##reference", "//**/##prediction"):
            context.key_down(key("Space"))
            context.mouse_move(place)
            context.mouse_drag_with_delta(ImVec2(20, -10))
            context.key_up(key("Space"))
            assert controller.camera.position == begin.position
            assert controller.camera.yaw > begin.yaw
            assert controller.camera.pitch > begin.pitch
            controller.return_to_start()
            context.yield_()
        context.mouse_move("//**/##reference")
        context.mouse_drag_with_delta(ImVec2(20, -10))
        assert front._large.zoom.factor == 1.0
        context.mouse_wheel_y(6.0)
        context.yield_(2)
        zoomed = front._large.zoom
        assert zoomed.factor == pytest.approx(1.25**6)
        context.mouse_drag_with_delta(ImVec2(20, -10))
        assert front._large.zoom.left < zoomed.left
        assert front._large.zoom.top > zoomed.top
        assert controller.camera == begin
        context.mouse_double_click()
        assert front._large.zoom.factor == 1.0

    drive(act)


@pytest.mark.slow
def test_the_pixel_under_the_mouse_is_told(drive):
    from imgui_bundle import imgui

    def act(context, controller, front):
        wait(context, lambda: controller.settled)
        for place in ("//**/##reference", "//**/##prediction", "//**/##observation 2", "//**/##given 1"):
            context.mouse_move(place)
            context.yield_(3)
            assert imgui.internal.find_window_by_name("##Tooltip_00").was_active, place

    drive(act)


@pytest.mark.slow
def test_every_menu_entry_can_be_chosen(drive):
    def act(context, controller, front):
        wait(context, lambda: controller.settled)
        done = []
        for action in ACTIONS:
            before = (controller.scene, controller.query_samples, controller.observation_samples, controller.camera)
            if action.label == "Back to the start":
                controller.walk(1.0, 0.0, 0.5)
                before = (*before[:3], controller.camera)
            context.set_ref("##MainMenuBar")
            context.menu_click(f"{action.menu}/{action.label}")
            after = (controller.scene, controller.query_samples, controller.observation_samples, controller.camera)
            assert after != before, action.label
            done.append(action.label)
        assert len(done) == len(ACTIONS)

    drive(act)


def test_every_control_does_something(drive):
    def act(context, controller, front):
        wait(context, lambda: controller.settled)
        scene = controller.scene
        context.item_click("//**/New observations")
        assert controller.scene is not scene
        context.item_click("//**/Random scene")
        assert controller.scene.description is not scene.description
        controller.walk(1.0, 0.0, 1.0)
        context.item_click("//**/Back to the start")
        assert controller.camera.position == controller.scene.description.camera.position
        context.item_click("//**/##samples of reference/+")
        assert controller.query_samples == 14
        context.item_click("//**/##samples of reference/-")
        assert controller.query_samples == 4
        context.item_click("//**/##samples of observations/+")
        assert controller.observation_samples == 14
        context.item_input_value("//**/##exposure", 1.5)
        assert controller.exposure == 1.5
        choose(context, "Random scene", "##output", "indirect (generator 1)")
        assert controller.output == 0
        choose(context, "Random scene", "##observation buffer", "depth")
        assert controller.observation_buffer == "depth"
        choose(context, "Random scene", "##reference size", "128 x 128")
        assert controller.reference_size == 128
        for name in ("depth", "normal"):
            choose(context, "Random scene", "##reference buffer", name)
            assert controller.reference_buffer == name
            wait(context, lambda: controller.settled)
            assert controller.pictures.reference.name == name
        choose(context, "Random scene", "##reference buffer", "as the prediction")
        assert controller.reference_buffer is None
        wait(context, lambda: controller.settled)

    assert drive(act).controller.error is None


@pytest.mark.slow
def test_typing_a_number_presses_no_keys(drive):
    def act(context, controller, front):
        wait(context, lambda: controller.settled)
        scene = controller.scene
        context.item_input("//**/##samples of reference/")
        context.key_chars_append("roN")
        context.key_chars_replace("7")
        context.key_press(key("Enter"))
        assert controller.scene is scene
        assert (controller.query_samples, controller.observation_samples) == (7, 4)
        context.item_input_value("//**/##samples of reference/", -5)
        assert controller.query_samples == 1

    drive(act)


def test_an_error_is_shown_until_it_is_dismissed_and_ends_nothing(drive):
    def act(context, controller, front):
        wait(context, lambda: controller.settled)
        controller._tour.go_on = failing
        context.key_press(key("R"))
        assert controller.error == "chair.obj: is missing"
        context.item_click("//**/Dismiss")
        assert controller.error is None
        assert context.item_exists("//**/##reference")

    def failing(*_):
        raise SceneError("chair.obj: is missing")

    drive(act)


def test_without_networks_the_window_says_so(drive):
    def act(context, controller, front):
        wait(context, lambda: controller.settled)
        assert context.item_exists("//**/##reference")
        assert not context.item_exists("//**/##prediction")
        assert context.item_exists("//**/##given 2")

    drive(act, predictor=None)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1480, 900), (900, 600)])
def test_all_parts_are_within_the_window_and_none_overlap(drive, size):
    def act(context, controller, front):
        wait(context, lambda: controller.settled)
        context.yield_(2)
        names = ["reference", "prediction", "observation 1", "observation 2", "given 1", "given 2"]
        boxes = {name: context.item_info(f"//**/##{name}").rect_full for name in names}
        boxes["controls"] = context.item_info("//**/Random scene").rect_full
        for name, box in boxes.items():
            assert 0 <= box.min.x < box.max.x <= size[0], name
            assert 0 <= box.min.y < box.max.y <= size[1], name
            for other in boxes.values():
                apart = box.max.x <= other.min.x or other.max.x <= box.min.x
                assert other is box or apart or box.max.y <= other.min.y or other.max.y <= box.min.y, name
        large = boxes["reference"].max.x - boxes["reference"].min.x
        assert large == boxes["prediction"].max.x - boxes["prediction"].min.x
        assert large > 0.35 * min(size)
        assert boxes["observation 1"].min.y >= boxes["reference"].max.y
        assert boxes["given 1"].min.y >= boxes["prediction"].max.y

    drive(act, size=size)


def test_textures_change_only_with_their_images_and_are_gone_at_the_end(drive):
    def act(context, controller, front):
        wait(context, lambda: controller.settled)
        context.yield_(3)
        updates = front._textures.updates
        assert len(front._textures._textures) == 6
        context.yield_(10)
        assert front._textures.updates == updates
        controller.exposure = 1.0
        context.yield_(3)
        assert front._textures.updates == updates + 6

    front = drive(act)
    assert front._textures._textures == {}


@pytest.mark.slow
def test_the_busy_bar_is_there_while_rendering(drive):
    def act(context, controller, front):
        controller.query_samples = 2**20
        wait(context, lambda: controller.samples_done[0] > 4)
        assert controller.busy
        assert not controller.settled
        controller.query_samples = 1
        wait(context, lambda: controller.settled)
        assert not controller.busy

    drive(act)
