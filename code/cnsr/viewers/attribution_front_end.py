"""The window of visualize-attributions: draws what the controller holds, and hands it what the user does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from imgui_bundle import ImVec2, ImVec4, imgui, implot

from cnsr.viewers import theme, widgets
from cnsr.viewers.attribution_actions import ACTIONS
from cnsr.viewers.attribution_controller import AttributionController
from cnsr.viewers.attribution_controls import draw_controls
from cnsr.viewers.attribution_layout import AttributionLayout, attribution_layout
from cnsr.viewers.attribution_pictures import PARTITION_COLORS, Plot, Total
from cnsr.viewers.front_end import ViewerFrontEnd
from cnsr.viewers.picture import Picture

_SIDE = 19.0  # width of the controls, in heights of the font
_TOTALS = 19.0  # width of the totals
_LINES = 7.8  # of text and space about the images, in lines
_CLICK = 3.0  # pixels that the mouse may move in a click


class AttributionFrontEnd(ViewerFrontEnd[AttributionController]):
    """Draws attributions."""

    def __init__(self, controller: AttributionController) -> None:
        super().__init__(controller, f"visualize-attributions: {controller.trained.config.job_name}", ACTIONS)
        self._query = self._new_views()
        self._observations = self._new_views()

    def _draw_contents(self) -> None:
        room, font = imgui.get_content_region_avail(), imgui.get_font_size()
        width = room.x - _SIDE * font - imgui.get_style().item_spacing.x
        count = len(self.controller.scene.observations)
        texts = _LINES * imgui.get_text_line_height_with_spacing()
        sizes = attribution_layout(width, room.y, count, imgui.get_style().item_spacing.x, texts)
        imgui.begin_child("images", ImVec2(width, 0.0))
        self._draw_query(sizes)
        self._draw_observations(sizes, count)
        self._draw_numbers(sizes, width)
        imgui.end_child()
        imgui.same_line()
        imgui.begin_child("controls", ImVec2(0.0, 0.0))
        draw_controls(self.controller)
        imgui.end_child()

    def _draw_query(self, sizes: AttributionLayout) -> None:
        pictures, settings = self.controller.pictures, self.controller.settings
        missing = "explaining …" if self.controller.busy else "not explained"
        query = missing if settings.query_buffer is not None else "this generator is given no buffers"
        entries = (
            ("Reference", "beauty", "beauty", pictures.beauty, "rendering …"),
            ("Reference", f"{settings.output}, as predicted", "reference", pictures.reference, "rendering …"),
            ("Prediction", settings.output, "prediction", pictures.prediction, "predicting …"),
            ("Attribution", self._note(settings.query_buffer or ""), "query attribution", pictures.query, query),
        )
        for index, (title, note, name, picture, text) in enumerate(entries):
            if index:
                imgui.same_line()
            imgui.begin_group()
            _title(title, note, name, sizes.top)
            if picture is None:
                widgets.placeholder(text, sizes.top)
            else:
                self._query.draw(name, picture, sizes.top)
                self._take_click(sizes.top)
                if picture.legend is not None:
                    widgets.draw_legend(picture.legend, sizes.top)
            imgui.end_group()

    def _note(self, buffer: str) -> str:
        """Return what stands beside the title of attributions, which may be those of the choices before."""
        stage, _ = self.controller.progress
        return f"{buffer}, {stage} …" if self.controller.busy else buffer

    def _take_click(self, edge: float) -> None:
        """Explain the pixel of the image just drawn that was clicked, if any."""
        if not (imgui.is_item_hovered() and imgui.is_mouse_released(0)):
            return
        moved, io = imgui.get_mouse_drag_delta(0, _CLICK), imgui.get_io()
        if moved.x or moved.y:
            return
        corner = imgui.get_item_rect_min()
        x, y = (io.mouse_pos.x - corner.x) / edge, (io.mouse_pos.y - corner.y) / edge
        self.controller.explain_pixel(*self._query.zoom.at(x, y))

    def _draw_observations(self, sizes: AttributionLayout, count: int) -> None:
        pictures, buffer = self.controller.pictures, self.controller.settings.observation_buffer
        width = count * sizes.below + (count - 1) * imgui.get_style().item_spacing.x
        imgui.begin_group()
        _title("Observations", buffer, "observations", width)
        self._draw_row("observation", pictures.observations, count, sizes.below, "rendering …")
        imgui.end_group()
        imgui.same_line()
        imgui.begin_group()
        _title("Attributions", self._note(buffer), "attributions", width)
        missing = "explaining …" if self.controller.busy else "not explained"
        self._draw_row("observation attribution", pictures.attributions, count, sizes.below, missing)
        legend = pictures.attributions[0].legend if pictures.attributions else None
        if legend is not None:
            widgets.draw_legend(legend, width)
        imgui.end_group()

    def _draw_row(self, name: str, pictures: Sequence[Picture], count: int, edge: float, missing: str) -> None:
        for index in range(count):
            if index:
                imgui.same_line()
            if index < len(pictures):
                self._observations.draw(f"{name} {index + 1}", pictures[index], edge)
            else:
                imgui.begin_group()
                widgets.placeholder(missing, edge)
                imgui.end_group()

    def _draw_numbers(self, sizes: AttributionLayout, width: float) -> None:
        pictures, font = self.controller.pictures, imgui.get_font_size()
        gap = imgui.get_style().item_spacing.x
        plot_width = (width - _TOTALS * font - 2 * gap) / 2
        for index in range(2):
            plot = pictures.plots[index] if index < len(pictures.plots) else None
            imgui.begin_group()
            _title(plot.title if plot is not None else "", "", f"plot {index}", plot_width)
            if plot is None:
                imgui.dummy(ImVec2(plot_width, sizes.plots))
            else:
                _draw_plot(plot, plot_width, sizes.plots)
            imgui.end_group()
            imgui.same_line()
        imgui.begin_group()
        widgets.title("Totals", "and shares")
        imgui.begin_child("totals", ImVec2(_TOTALS * font, sizes.plots))
        _draw_totals(pictures.totals)
        imgui.end_child()
        imgui.end_group()


def _title(text: str, note: str, name: str, width: float) -> None:
    """Draw a title that is cut off where it is wider than what it is above; `name` is of the place."""
    imgui.begin_child(f"title of {name}", ImVec2(width, imgui.get_text_line_height()))
    widgets.title(text, note)
    imgui.end_child()


def _draw_plot(plot: Plot, width: float, height: float) -> None:
    """Draw bars over the channels, in the colors of their partitions."""
    low, high = min(float(plot.values.min()), 0.0), max(float(plot.values.max()), 0.0)
    margin = 0.05 * (high - low) or 1.0
    if not implot.begin_plot(f"##{plot.title}", ImVec2(width, height), implot.Flags_.no_mouse_text):
        return
    implot.setup_axes("channel", "", implot.AxisFlags_.no_grid_lines, implot.AxisFlags_.none)
    end = len(plot.values) - 0.5
    implot.setup_axes_limits(-0.5, end, low - margin * (low < 0), high + margin, implot.Cond_.always)
    implot.setup_legend(implot.Location_.north_east, implot.LegendFlags_.horizontal)
    for name, channels in plot.partitions:
        places = np.array(channels, np.float64)
        spec = implot.Spec()
        spec.fill_color = spec.line_color = ImVec4(*PARTITION_COLORS[name], 1.0)
        implot.plot_bars(name or "channels", places, plot.values[list(channels)], 0.9, spec)
    implot.end_plot()


def _draw_totals(groups: Sequence[tuple[str, Sequence[Total]]]) -> None:
    imgui.push_style_var(imgui.StyleVar_.cell_padding, ImVec2(4.0, 0.0))
    imgui.push_style_var(imgui.StyleVar_.item_spacing, ImVec2(4.0, 1.0))
    for title, entries in groups:
        imgui.text_colored(theme.DIM, title)
        if imgui.begin_table(title, 3):
            for entry in entries:
                for text in (f"  {entry.name}", f"{entry.value:.4g}", f"{100 * entry.share:.1f} %"):
                    imgui.table_next_column()
                    imgui.text(text)
            imgui.end_table()
    imgui.pop_style_var(2)
