"""The window of visualize-gqn: draws what the controller holds, and hands it what the user does."""

from __future__ import annotations

from collections.abc import Sequence

from imgui_bundle import ImVec2, imgui

from cnsr.buffers import BUFFERS
from cnsr.viewers import layout, theme, widgets
from cnsr.viewers.front_end import ViewerFrontEnd
from cnsr.viewers.picture import Picture
from cnsr.viewers.walk_actions import (
    ACTIONS,
    FEWER_OBSERVATION_SAMPLES,
    FEWER_QUERY_SAMPLES,
    MORE_OBSERVATION_SAMPLES,
    MORE_QUERY_SAMPLES,
    NEW_OBSERVATIONS,
    RANDOM_SCENE,
    RETURN,
    WALK_KEY,
    WALK_KEYS,
)
from cnsr.viewers.walk_controller import EXPOSURES, SAMPLES_STEP, WalkController

_SIDE = 17.5  # width of the controls, in heights of the font
_GAP = 0.75  # between images, likewise
_LONGEST_STEP = 0.1  # seconds that a step of the walk counts at most, however long a frame took
_AS_PREDICTION = "as the prediction"


class WalkFrontEnd(ViewerFrontEnd[WalkController]):
    """Draws a walk."""

    def __init__(self, controller: WalkController) -> None:
        super().__init__(controller, f"visualize-gqn: {controller.config.job_name}", ACTIONS)
        self._large = self._new_views()
        self._small = self._new_views()
        self._walking = False

    @property
    def lively(self) -> bool:
        """Whether the walk goes on."""
        return self._walking

    def _draw_contents(self) -> None:
        self._draw_columns()
        imgui.same_line(0.0, _GAP * imgui.get_font_size())
        imgui.begin_child("controls", ImVec2(0.0, 0.0))
        self._draw_controls()
        imgui.end_child()

    def _move(self) -> None:
        io = imgui.get_io()
        self._walking = widgets.is_held(WALK_KEY)
        if self._walking:
            right, forward = widgets.held_direction(WALK_KEYS)
            self.controller.walk(right, forward, min(io.delta_time, _LONGEST_STEP))

    def _draw_columns(self) -> None:
        pictures = self.controller.pictures
        gap = _GAP * imgui.get_font_size()
        room = imgui.get_content_region_avail()
        counts = (len(pictures.observations), len(pictures.given))
        line = imgui.get_text_line_height_with_spacing()
        spacing = imgui.get_style().item_spacing.y
        sizes = layout.columns(
            width=room.x - _SIDE * imgui.get_font_size() - gap,
            height=room.y,
            counts=counts,
            gap=gap,
            title=line + spacing,
            caption=line + spacing,
        )
        done, _ = self.controller.samples_done
        imgui.begin_group()
        note = f"{self._buffer_note(pictures.reference)}, {done} of {self.controller.query_samples} samples"
        widgets.title("Reference", note)
        self._draw_large("reference", pictures.reference, sizes.edge, "rendering …")
        widgets.title("Observations", self._observations_note())
        captions = [f"{index + 1}" for index in range(len(pictures.observations))]
        self._draw_small("observation", pictures.observations, captions, *sizes.thumbnails[0])
        imgui.end_group()
        imgui.same_line(0.0, gap)
        imgui.begin_group()
        score = f", PSNR {pictures.psnr:.1f} dB" if pictures.psnr is not None else ""
        widgets.title("Prediction", f"{self._buffer_note(pictures.prediction)}{score}")
        missing = "predicting …" if self.controller.predictor else "no prediction is loaded: start with --checkpoint"
        self._draw_large("prediction", pictures.prediction, sizes.edge, missing)
        widgets.title("Given to the last generator")
        self._draw_small("given", pictures.given, [one.name for one in pictures.given], *sizes.thumbnails[1])
        imgui.end_group()

    def _draw_large(self, name: str, picture: Picture | None, edge: float, missing: str) -> None:
        if picture is None:
            widgets.placeholder(missing, edge)
            return
        self._large.draw(name, picture, edge, pan=not self._walking)
        right, down = self._large.dragged
        if self._walking and (right or down):
            self.controller.look(right / edge, down / edge)
            self._large.dragged = (0.0, 0.0)

    def _draw_small(
        self, name: str, pictures: Sequence[Picture], captions: Sequence[str], edge: float, across: int
    ) -> None:
        for index, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
            if index % across:
                imgui.same_line(0.0, _GAP * imgui.get_font_size())
            imgui.begin_group()
            self._small.draw(f"{name} {index + 1}", picture, edge)
            imgui.text_colored(theme.DIM, caption)
            imgui.end_group()

    def _buffer_note(self, picture: Picture | None) -> str:
        return picture.name if picture is not None else ""

    def _observations_note(self) -> str:
        _, done = self.controller.samples_done
        return f"{self.controller.observation_buffer}, {done} of {self.controller.observation_samples} samples"

    def _draw_controls(self) -> None:
        controller = self.controller
        if widgets.error_panel(controller.error):
            controller.dismiss_error()
        imgui.text(controller.scene.title)
        half = (imgui.get_content_region_avail().x - imgui.get_style().item_spacing.x) / 2
        widgets.action_button(RANDOM_SCENE, controller, half)
        imgui.same_line()
        widgets.action_button(NEW_OBSERVATIONS, controller, half)
        widgets.heading("Camera")
        imgui.text_wrapped("SPACE + W A S D to walk, SPACE + drag an image to look around")
        widgets.action_button(RETURN, controller, -1.0)
        self._draw_samples()
        self._draw_display()
        widgets.heading("Work")
        self._draw_work()

    def _draw_samples(self) -> None:
        controller = self.controller
        widgets.heading("Samples a pixel")
        for label, value, change, keys in (
            (
                "reference",
                controller.query_samples,
                controller.change_query_samples,
                (MORE_QUERY_SAMPLES, FEWER_QUERY_SAMPLES),
            ),
            (
                "observations",
                controller.observation_samples,
                controller.change_observation_samples,
                (MORE_OBSERVATION_SAMPLES, FEWER_OBSERVATION_SAMPLES),
            ),
        ):
            widgets.label(label)
            changed, wanted = imgui.input_int(f"##samples of {label}", value, SAMPLES_STEP, 10 * SAMPLES_STEP)
            imgui.set_item_tooltip("\n".join(f"{action.key}: {action.tip}" for action in keys))
            if changed:
                change(wanted - value)

    def _draw_display(self) -> None:
        controller = self.controller
        widgets.heading("Display")
        widgets.label("exposure")
        clamp = imgui.SliderFlags_.always_clamp
        low, high = EXPOSURES
        _, controller.exposure = imgui.drag_float(
            "##exposure", controller.exposure, 0.02, low, high, "%+.1f stops", clamp
        )
        imgui.set_item_tooltip(
            "Each stop doubles the brightness of all that shows light.\nDrag to change it, double-click to type."
        )
        outputs = [f"{made} (generator {index + 1})" for index, made in controller.outputs]
        widgets.label("prediction")
        _, controller.output = imgui.combo("##output", controller.output, outputs)
        imgui.set_item_tooltip("Which image of which generator is shown.")
        names = [_AS_PREDICTION, *BUFFERS]
        widgets.label("reference")
        chosen = names.index(controller.reference_buffer) if controller.reference_buffer else 0
        _, chosen = imgui.combo("##reference buffer", chosen, names)
        imgui.set_item_tooltip("Which buffer the reference shows.")
        controller.reference_buffer = names[chosen] if chosen else None
        sizes = controller.reference_sizes
        names = [f"{size} x {size}" for size in sizes]
        widgets.label("its size")
        _, chosen = imgui.combo("##reference size", sizes.index(controller.reference_size), names)
        imgui.set_item_tooltip(f"Pixels of the reference. The networks see {names[0]}.")
        controller.reference_size = sizes[chosen]
        widgets.label("observations")
        buffers = list(BUFFERS)
        _, chosen = imgui.combo("##observation buffer", buffers.index(controller.observation_buffer), buffers)
        imgui.set_item_tooltip("Which buffer the observations show.")
        controller.observation_buffer = buffers[chosen]
        reference = controller.pictures.reference
        if reference is not None and reference.legend is not None:
            widgets.draw_legend(reference.legend, imgui.get_content_region_avail().x)

    def _draw_work(self) -> None:
        controller = self.controller
        done, wanted = sum(controller.samples_done), controller.query_samples + controller.observation_samples
        text = f"rendering: {100 * done // wanted} %" if controller.busy else "all is rendered"
        widgets.progress_line(text, done / wanted, controller.busy)
        predictor = controller.predictor
        if predictor is not None:
            imgui.text_colored(theme.DIM, f"{predictor.trained.source.name}, {predictor.trained.iteration} iterations")
        else:
            imgui.text_colored(theme.DIM, "no checkpoint")
