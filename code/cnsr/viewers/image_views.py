"""Images of a window: zoomed together, with the values of the pixel under the mouse."""

from __future__ import annotations

from imgui_bundle import ImVec2, imgui

from cnsr.viewers import theme
from cnsr.viewers.picture import Picture
from cnsr.viewers.textures import Textures
from cnsr.viewers.zoom import Zoom

_WHEEL = 1.25  # zoom of one notch
_SMALLEST_MARK = 5.0  # pixels of the screen from which a pixel of the image is framed


class ImageViews:
    """Draws images that show the same part: zooming or dragging one of them moves all.

    The wheel zooms at the mouse, dragging moves what is zoomed, a double click shows all again.

    Attributes:
        zoom: the part that is shown.
        dragged: by how many pixels of the screen an image was dragged in this frame while `pan` was off.
    """

    def __init__(self, textures: Textures) -> None:
        self.zoom = Zoom()
        self.dragged = (0.0, 0.0)
        self._textures = textures
        self._pointed: tuple[float, float] | None = None  # place in the images that the mouse is at
        self._pointing: tuple[float, float] | None = None

    def begin_frame(self) -> None:
        """Start a frame; to be called before the first `draw`."""
        self._pointed, self._pointing = self._pointing, None
        self.dragged = (0.0, 0.0)

    def draw(self, name: str, picture: Picture, edge: float, pan: bool = True) -> None:
        """Draw an image with its edge on the screen, at the cursor.

        Args:
            name: of the place where it is shown; ``##name`` in tests.
            picture: what to show.
            edge: of the square that it fills.
            pan: whether dragging moves the zoomed part; otherwise `dragged` tells how far.
        """
        corner = imgui.get_cursor_screen_pos()
        zoom = self.zoom
        low = ImVec2(zoom.left, zoom.top)
        high = ImVec2(zoom.left + zoom.extent, zoom.top + zoom.extent)
        texture = self._textures.get(name, picture.colors, edge * zoom.factor)
        imgui.image(texture, ImVec2(edge, edge), low, high)
        imgui.set_cursor_screen_pos(corner)
        imgui.invisible_button(f"##{name}", ImVec2(edge, edge))
        self._interact(corner, edge, pan)
        if self._pointed is not None:
            self._mark(picture, self._pointed, corner, edge)
        if imgui.is_item_hovered() and not imgui.is_item_active():
            self._tell(picture, corner, edge)

    def _interact(self, corner: ImVec2, edge: float, pan: bool) -> None:
        io = imgui.get_io()
        if imgui.is_item_active() and imgui.is_mouse_dragging(0, 0.0):
            if pan:
                self.zoom = self.zoom.moved(io.mouse_delta.x / edge, io.mouse_delta.y / edge)
            else:
                self.dragged = (io.mouse_delta.x, io.mouse_delta.y)
        if not imgui.is_item_hovered():
            return
        x, y = _place(io.mouse_pos, corner, edge)
        if io.mouse_wheel:
            self.zoom = self.zoom.scaled(_WHEEL**io.mouse_wheel, x, y)
        if imgui.is_mouse_double_clicked(0):
            self.zoom = Zoom()
        self._pointing = self.zoom.at(x, y)

    def _mark(self, picture: Picture, pointed: tuple[float, float], corner: ImVec2, edge: float) -> None:
        """Frame the pixel that the mouse is at, in every image, where it is large enough to be seen."""
        size = picture.size
        scale = edge * self.zoom.factor / size
        if scale < _SMALLEST_MARK:
            return
        column, row = (min(int(share * size), size - 1) for share in pointed)
        left = corner.x + (column / size - self.zoom.left) * self.zoom.factor * edge
        top = corner.y + (row / size - self.zoom.top) * self.zoom.factor * edge
        drawing = imgui.get_window_draw_list()
        drawing.push_clip_rect(corner, ImVec2(corner.x + edge, corner.y + edge), True)
        color = imgui.color_convert_float4_to_u32(theme.ACCENT)
        drawing.add_rect(ImVec2(left, top), ImVec2(left + scale, top + scale), color)
        drawing.pop_clip_rect()

    def _tell(self, picture: Picture, corner: ImVec2, edge: float) -> None:
        column, row = self.zoom.pixel(*_place(imgui.get_io().mouse_pos, corner, edge), picture.size)
        if imgui.begin_tooltip():
            red, green, blue = (int(value) / 255 for value in picture.colors[row, column])
            imgui.color_button("##color", (red, green, blue, 1.0), imgui.ColorEditFlags_.no_tooltip)
            imgui.same_line()
            imgui.text(f"{picture.told(column, row)}\npixel {column}, {row}")
            imgui.end_tooltip()


def _place(mouse: ImVec2, corner: ImVec2, edge: float) -> tuple[float, float]:
    """Return where the mouse is in a square, as shares of its edge."""
    return (mouse.x - corner.x) / edge, (mouse.y - corner.y) / edge
