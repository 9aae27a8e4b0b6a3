"""How the windows look: neutral greys, since colors beside an image change how it is seen."""

from __future__ import annotations

from imgui_bundle import ImVec2, ImVec4, hello_imgui, imgui

TEXT_SIZE = 16.0
_FONT = "fonts/Roboto/Roboto-Regular.ttf"

ACCENT = ImVec4(0.93, 0.62, 0.24, 1.0)
"""Of what is chosen, held or dragged."""
DIM = ImVec4(0.62, 0.62, 0.62, 1.0)
"""Of what is said beside the main thing."""
ERROR = ImVec4(1.0, 0.47, 0.42, 1.0)

_GREYS = {
    imgui.Col_.text: 0.90,
    imgui.Col_.window_bg: 0.145,
    imgui.Col_.popup_bg: 0.11,
    imgui.Col_.menu_bar_bg: 0.19,
    imgui.Col_.border: 0.30,
    imgui.Col_.frame_bg: 0.23,
    imgui.Col_.frame_bg_hovered: 0.29,
    imgui.Col_.frame_bg_active: 0.33,
    imgui.Col_.button: 0.26,
    imgui.Col_.button_hovered: 0.34,
    imgui.Col_.button_active: 0.42,
    imgui.Col_.header: 0.28,
    imgui.Col_.header_hovered: 0.34,
    imgui.Col_.header_active: 0.40,
    imgui.Col_.separator: 0.30,
    imgui.Col_.slider_grab: 0.62,
    imgui.Col_.scrollbar_bg: 0.145,
    imgui.Col_.scrollbar_grab: 0.36,
}
_ACCENTS = (
    imgui.Col_.check_mark,
    imgui.Col_.slider_grab_active,
    imgui.Col_.plot_histogram,
)


def load_fonts() -> None:
    """Load the one font of all texts, and the icons."""
    hello_imgui.load_font_ttf_with_font_awesome_icons(_FONT, TEXT_SIZE)


def set_style() -> None:
    """Set colors, distances and rounding."""
    imgui.style_colors_dark()
    style = imgui.get_style()
    for which, grey in _GREYS.items():
        style.set_color_(which, ImVec4(grey, grey, grey, 1.0))
    for which in _ACCENTS:
        style.set_color_(which, ACCENT)
    style.window_padding = ImVec2(14.0, 10.0)
    style.frame_padding = ImVec2(8.0, 4.0)
    style.item_spacing = ImVec2(8.0, 7.0)
    style.item_inner_spacing = ImVec2(6.0, 4.0)
    style.frame_rounding = style.grab_rounding = style.popup_rounding = 4.0
    style.window_border_size = 0.0
    style.hover_delay_normal = 0.5
