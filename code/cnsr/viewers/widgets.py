"""Parts of a window that all viewers have: menus, keys, buttons, tool tips, panels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from imgui_bundle import ImVec2, icons_fontawesome_4, imgui

from cnsr.viewers import theme
from cnsr.viewers.actions import Action, HeldKey, menus_of
from cnsr.viewers.picture import Legend


class Fallible(Protocol):
    """A controller that shows what goes wrong."""

    def fail(self, error: Exception) -> None:
        """Show the error."""


Controller = TypeVar("Controller", bound=Fallible)

_LABEL = 6.5  # width of the labels beside controls, in heights of the font
_MODIFIERS = {"Ctrl": imgui.Key.mod_ctrl, "Shift": imgui.Key.mod_shift, "Alt": imgui.Key.mod_alt}


def draw_menus(actions: Sequence[Action[Controller]], controller: Controller) -> None:
    """Draw a menu for each group of actions, with their keys."""
    for menu, entries in menus_of(actions).items():
        if imgui.begin_menu(menu):
            for action in entries:
                if imgui.menu_item(action.label, action.key or "", False)[0]:
                    _perform(action, controller)
                imgui.set_item_tooltip(action.tip)
            imgui.end_menu()


def handle_keys(actions: Sequence[Action[Controller]], controller: Controller) -> None:
    """Perform the actions whose keys were pressed, unless a text is being typed."""
    io = imgui.get_io()
    if io.want_text_input:
        return
    for action in actions:
        if action.key is not None:
            key, modifiers = _chord(action.key)
            if int(io.key_mods) == modifiers and imgui.is_key_pressed(key, action.repeats):
                _perform(action, controller)


def is_held(key: str) -> bool:
    """Return whether a key is held and no text is being typed."""
    return not imgui.get_io().want_text_input and imgui.is_key_down(_key(key))


def held_direction(keys: Sequence[HeldKey]) -> tuple[float, float]:
    """Return the sum of the directions of the keys that are held; nothing while a text is being typed."""
    right, forward = 0.0, 0.0
    for held in keys:
        if is_held(held.key):
            right, forward = right + held.direction[0], forward + held.direction[1]
    return right, forward


def action_button(action: Action[Controller], controller: Controller, width: float = 0.0) -> None:
    """Draw a button that performs an action. A width of 0 is that of the label, -1 all there is."""
    if imgui.button(action.label, ImVec2(width, 0.0)):
        _perform(action, controller)
    imgui.set_item_tooltip(action.tool_tip)


def title(text: str, note: str = "") -> None:
    """Draw the title of an image, and something about it in a fainter color."""
    imgui.text(text)
    if note:
        imgui.same_line()
        imgui.text_colored(theme.DIM, note)


def heading(text: str) -> None:
    """Draw a line of text above a group of controls."""
    imgui.dummy(ImVec2(0.0, 2.0))
    imgui.text_colored(theme.DIM, text.upper())


def label(text: str) -> None:
    """Draw what the next control is called, to its left; the control takes the rest of the line."""
    imgui.align_text_to_frame_padding()
    imgui.text(text)
    imgui.same_line(_LABEL * imgui.get_font_size())
    imgui.set_next_item_width(-1.0)


def placeholder(text: str, edge: float) -> None:
    """Draw a square that holds a text where an image will be, or could be."""
    corner = imgui.get_cursor_screen_pos()
    border = imgui.get_color_u32(imgui.Col_.border)
    imgui.get_window_draw_list().add_rect(corner, ImVec2(corner.x + edge, corner.y + edge), border)
    width = min(imgui.calc_text_size(text).x, 0.8 * edge)
    height = imgui.calc_text_size(text, wrap_width=width).y
    imgui.set_cursor_screen_pos(ImVec2(corner.x + (edge - width) / 2, corner.y + (edge - height) / 2))
    imgui.push_text_wrap_pos(imgui.get_cursor_pos().x + width + 1.0)
    imgui.text_colored(theme.DIM, text)
    imgui.pop_text_wrap_pos()
    imgui.set_cursor_screen_pos(corner)
    imgui.dummy(ImVec2(edge, edge))


def progress_line(text: str, share: float, busy: bool) -> None:
    """Draw how far the work is: a bar while it goes on, the text alone when it is done."""
    if busy:
        imgui.progress_bar(share, ImVec2(-1.0, imgui.get_frame_height()), text)
    else:
        imgui.align_text_to_frame_padding()
        imgui.text_colored(theme.DIM, text)


def error_panel(message: str | None) -> bool:
    """Draw a panel with what went wrong, if anything; return whether its button was pressed to dismiss it."""
    if message is None:
        return False
    imgui.push_style_color(imgui.Col_.child_bg, (0.28, 0.13, 0.12, 1.0))
    flags = imgui.ChildFlags_.auto_resize_y | imgui.ChildFlags_.always_use_window_padding
    imgui.begin_child("error", ImVec2(-1.0, 0.0), flags)
    imgui.text_colored(theme.ERROR, f"{icons_fontawesome_4.ICON_FA_EXCLAMATION_TRIANGLE}  Error")
    imgui.text_wrapped(message)
    dismissed = imgui.button("Dismiss")
    imgui.end_child()
    imgui.pop_style_color()
    return dismissed


def draw_legend(legend: Legend, width: float) -> None:
    """Draw the scale of colors with the numbers at its ends."""
    corner = imgui.get_cursor_screen_pos()
    height = 0.6 * imgui.get_text_line_height()
    drawing = imgui.get_window_draw_list()
    step = width / len(legend.colors)
    for index, (red, green, blue) in enumerate(legend.colors.tolist()):
        left = corner.x + index * step
        color = imgui.IM_COL32(red, green, blue, 255)
        drawing.add_rect_filled(ImVec2(left, corner.y), ImVec2(left + step + 0.5, corner.y + height), color)
    imgui.dummy(ImVec2(width, height))
    corner = imgui.get_cursor_screen_pos()
    color = imgui.color_convert_float4_to_u32(theme.DIM)
    for text, share in ((f"{legend.low:.4g}", 0.0), (legend.label, 0.5), (f"{legend.high:.4g}", 1.0)):
        drawing.add_text(ImVec2(corner.x + share * (width - imgui.calc_text_size(text).x), corner.y), color, text)
    imgui.dummy(ImVec2(width, imgui.get_text_line_height()))


def _perform(action: Action[Controller], controller: Controller) -> None:
    """Perform an action; what goes wrong is shown and ends nothing."""
    try:
        action.perform(controller)
    except Exception as error:
        controller.fail(error)


def _key(name: str) -> imgui.Key:
    """Return the key that is printed as `name` on the keyboard."""
    key: imgui.Key = getattr(imgui.Key, name.lower())
    return key


def _chord(name: str) -> tuple[imgui.Key, int]:
    """Return key and modifiers of a name like "Ctrl+S"."""
    *modifiers, key = name.split("+")
    return _key(key), sum(int(_MODIFIERS[modifier]) for modifier in modifiers)
