"""The controls of visualize-attributions, at the side of the window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from imgui_bundle import ImVec2, imgui

from cnsr.viewers import theme, widgets
from cnsr.viewers.actions import Action
from cnsr.viewers.attribution_actions import (
    LOAD,
    MEAN,
    NEW_OBSERVATIONS,
    NEW_SCENE,
    PARTITION,
    REPRESENTATION,
    SAVE,
)
from cnsr.viewers.attribution_controller import AttributionController
from cnsr.viewers.attribution_settings import EXPOSURES
from cnsr.viewers.heat_maps import SCALES

_SAMPLES_STEP = 10
_LARGEST_SAMPLES = 4096


def draw_controls(controller: AttributionController) -> None:
    """Draw all of them."""
    imgui.text(f"Scene: {controller.scene.title}")
    half = (imgui.get_content_region_avail().x - imgui.get_style().item_spacing.x) / 2
    for left, right in ((NEW_SCENE, NEW_OBSERVATIONS), (SAVE, LOAD)):
        widgets.action_button(left, controller, half)
        imgui.same_line()
        widgets.action_button(right, controller, half)
    _saved(controller)
    _work(controller)
    if widgets.error_panel(controller.error):
        controller.dismiss_error()
    _explained(controller)
    _buffers(controller)
    _display(controller)


def _saved(controller: AttributionController) -> None:
    widgets.label("load")
    if imgui.begin_combo("##load", "choose what was saved"):
        folders = controller.saved()
        picked = [folder for folder in folders if imgui.selectable(folder.name, False)[0]]
        imgui.end_combo()
        for folder in picked:
            _guarded(controller, partial(controller.load, folder))
    imgui.set_item_tooltip(f"Show again what was saved in {controller.out_path}.")


def _explained(controller: AttributionController) -> None:
    settings, networks = controller.settings, controller.networks
    widgets.heading("Explained")
    imgui.text_wrapped(controller.title)
    outputs = [f"{made} (generator {index + 1})" for index, made in networks.outputs]
    chosen = networks.outputs.index((settings.generator, settings.output))
    picked = _combo("output", "##output", chosen, outputs, "Which image of which generator is explained.")
    if picked is not None:
        generator, made = networks.outputs[picked]
        _change(controller, generator=generator, output=made)
    if len(networks.partitions) > 1:
        names = [f"encoder {index + 1}" for index in range(len(networks.partitions))]
        picked = _combo("encoder", "##encoder", settings.encoder, names, "Whose representation is shown and explained.")
        if picked is not None:
            _change(controller, encoder=picked)
    for action, value, enabled in (
        (MEAN, settings.activate_mean, True),
        (REPRESENTATION, settings.representation_grad, True),
        (PARTITION, settings.partition_mean, bool(networks.partitions[settings.encoder])),
    ):
        _check_box(controller, action, value, enabled)
    _place(controller)


def _place(controller: AttributionController) -> None:
    """Draw the sliders of the patch, or of the channel or partition."""
    settings, networks = controller.settings, controller.networks
    (x, y), (most_x, most_y) = networks.place(settings), networks.largest(settings)
    of_image = not settings.representation_grad
    meaning = "Left edge of the patch." if of_image else "Which channel, or with Partition mean which partition."
    imgui.begin_disabled(settings.activate_mean)
    changed = _slider("Pixel X", x, 0, most_x, meaning)
    if changed is not None:
        _change(controller, pixel_x=changed)
    imgui.begin_disabled(not of_image)
    changed = _slider("Pixel Y", y, 0, most_y, "Upper edge of the patch.")
    if changed is not None:
        _change(controller, pixel_y=changed)
    size = networks.patch_size(settings)
    changed = _slider("Patch size", size, 1, networks.size(settings), "Edge of the patch in pixels.")
    if changed is not None:
        _change(controller, patch_size=changed)
    imgui.end_disabled()
    imgui.end_disabled()


def _buffers(controller: AttributionController) -> None:
    """Draw the two lists of buffers side by side."""
    settings, networks = controller.settings, controller.networks
    widgets.heading("Buffers")
    given, seen = networks.query_buffers[settings.generator], controller.trained.config.observation_passes
    width = (imgui.get_content_region_avail().x - imgui.get_style().item_spacing.x) / 2
    size = ImVec2(width, max(len(given), len(seen)) * imgui.get_text_line_height_with_spacing() + 4.0)
    for field, title, names, chosen, tip in (
        ("query_buffer", "query", given, settings.query_buffer, "Shown above: what the generators are given."),
        ("observation_buffer", "observations", seen, settings.observation_buffer, "Shown below: what encoders see."),
    ):
        imgui.begin_group()
        imgui.text(title)
        picked = _list(f"##{title}", names, chosen, tip, size)
        imgui.end_group()
        imgui.same_line()
        if picked is not None:
            _change(controller, **{field: picked})
    imgui.new_line()


def _display(controller: AttributionController) -> None:
    settings = controller.settings
    widgets.heading("Display")
    for name, field, tip in (
        ("Range Min", "range_min", "What gets the lowest color, as a share of the largest attribution."),
        ("Range Max", "range_max", "What gets the highest color, as a share of the largest attribution."),
    ):
        value = getattr(settings, field)
        widgets.label(name)
        changed, value = imgui.slider_float(f"##{name}", value, 0.0, 1.0, "%.3f", imgui.SliderFlags_.always_clamp)
        imgui.set_item_tooltip(tip)
        if changed:
            _change(controller, **{field: value})
    styles = ["heat map", "multiplied"]
    picked = _combo("style", "##style", styles.index(settings.style), styles, "Colors, or the image itself (H).")
    if picked is not None:
        _change(controller, style=styles[picked])
    if settings.style == "heat map":
        picked = _combo("colors", "##colors", SCALES.index(settings.scale), SCALES, "Cividis suits all eyes.")
        if picked is not None:
            _change(controller, scale=SCALES[picked])
        widgets.label("opacity")
        changed, value = imgui.slider_float("##opacity", settings.opacity, 0.0, 1.0, "%.2f")
        imgui.set_item_tooltip("Of the colors over the image.")
        if changed:
            _change(controller, opacity=min(max(value, 0.0), 1.0))
    widgets.label("exposure")
    changed, value = imgui.slider_float("##exposure", settings.exposure, *EXPOSURES, "%+.1f stops")
    imgui.set_item_tooltip("Each stop doubles the brightness of all that shows light.")
    if changed:
        _change(controller, exposure=min(max(value, EXPOSURES[0]), EXPOSURES[1]))
    widgets.label("samples")
    changed, value = imgui.input_int("##samples", settings.samples, _SAMPLES_STEP, 10 * _SAMPLES_STEP)
    imgui.set_item_tooltip("Samples a pixel of all rendered images.")
    if changed:
        _change(controller, samples=min(max(value, 1), _LARGEST_SAMPLES))


def _work(controller: AttributionController) -> None:
    stage, share = controller.progress
    text = f"{stage}: {100 * share:.0f} %" if controller.busy else "all is computed"
    widgets.progress_line(text, share, controller.busy)
    trained = controller.trained
    imgui.push_text_wrap_pos(0.0)
    imgui.text_colored(theme.DIM, controller.note or f"{trained.source.name}, {trained.iteration} iterations")
    imgui.pop_text_wrap_pos()


def _check_box(
    controller: AttributionController, action: Action[AttributionController], value: bool, enabled: bool
) -> None:
    imgui.begin_disabled(not enabled)
    if imgui.checkbox(action.label, value)[0]:
        _guarded(controller, lambda: action.perform(controller))
    imgui.end_disabled()
    imgui.set_item_tooltip(action.tool_tip)


def _slider(name: str, value: int, low: int, high: int, tip: str) -> int | None:
    """Draw a slider; return the new value if it was changed."""
    widgets.label(name)
    changed, chosen = imgui.slider_int(f"##{name}", value, low, high, "%d", imgui.SliderFlags_.always_clamp)
    imgui.set_item_tooltip(tip)
    return chosen if changed else None


def _combo(name: str, identity: str, chosen: int, entries: Sequence[str], tip: str) -> int | None:
    """Draw a list that opens; return the index of what was picked."""
    widgets.label(name)
    changed, picked = imgui.combo(identity, chosen, list(entries))
    imgui.set_item_tooltip(tip)
    return picked if changed else None


def _list(identity: str, entries: Sequence[str], chosen: str | None, tip: str, size: ImVec2) -> str | None:
    """Draw a list that is open; return what was picked."""
    picked = None
    if imgui.begin_list_box(identity, size):
        for entry in entries:
            if imgui.selectable(entry, entry == chosen)[0]:
                picked = entry
        imgui.end_list_box()
    imgui.set_item_tooltip(tip)
    return picked


def _change(controller: AttributionController, **changes: object) -> None:
    _guarded(controller, lambda: controller.change(**changes))


def _guarded(controller: AttributionController, action: Callable[[], object]) -> None:
    """Perform an action; what goes wrong is shown and ends nothing."""
    try:
        action()
    except Exception as error:
        controller.fail(error)
