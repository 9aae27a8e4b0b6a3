"""The window of a viewer: opening it, drawing frame by frame, taking a picture of it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from imgui_bundle import hello_imgui, imgui, immapp
from PIL import Image

from cnsr.errors import ViewerError
from cnsr.files import atomic_path
from cnsr.viewers import theme

SIZE = (1480, 900)
_FRAMES_BEFORE_PICTURE = 4  # sizes of a window's parts settle within two frames
_IDLE_RATE = 12.0  # frames a second while nobody does anything: enough to see a picture refine
_LARGEST_RATE = 60.0


class FrontEnd(Protocol):
    """What a window shows."""

    @property
    def title(self) -> str:
        """Of the window."""

    @property
    def settled(self) -> bool:
        """Whether all work is done, so that the picture will not change by itself."""

    @property
    def lively(self) -> bool:
        """Whether frames must follow each other as fast as they can, as while a key moves something."""

    def draw_menus(self) -> None:
        """Draw the menus of the menu bar."""

    def draw(self) -> None:
        """Draw everything else."""

    def close(self) -> None:
        """End all work and release all textures, while OpenGL is still there."""


def runner_params(front: FrontEnd, size: tuple[int, int] = SIZE) -> hello_imgui.RunnerParams:
    """Return the window that shows `front`, to be opened by ``immapp.run`` or driven by ``immapp.testing.run``."""
    params = hello_imgui.RunnerParams()
    params.app_window_params.window_title = front.title
    params.app_window_params.window_geometry.size = size
    params.imgui_window_params.show_menu_bar = True
    params.imgui_window_params.show_menu_app = False
    params.imgui_window_params.show_menu_view = False
    params.ini_disable = True
    # Images and texts are as sharp without; where the CPU draws, frames took 2.5 times as long with it.
    params.renderer_backend_options.open_gl_options = hello_imgui.OpenGlOptions(anti_aliasing_samples=0)
    params.fps_idling.fps_idle = _IDLE_RATE
    params.fps_idling.fps_max = _LARGEST_RATE

    def draw() -> None:
        front.draw()
        params.fps_idling.enable_idling = not front.lively

    callbacks = params.callbacks
    callbacks.load_additional_fonts = theme.load_fonts
    callbacks.setup_imgui_style = theme.set_style
    callbacks.setup_imgui_config = _configure
    callbacks.show_menus = front.draw_menus
    callbacks.show_gui = draw
    callbacks.before_exit = front.close
    return params


def show_or_take_picture(front: FrontEnd, picture: Path | None) -> None:
    """Show the window, or write a picture of it if a file is named. Raises as `take_picture`."""
    if picture is None:
        show(front)
    else:
        take_picture(front, picture)


def show(front: FrontEnd, size: tuple[int, int] = SIZE) -> None:
    """Open the window and stay until it is closed."""
    immapp.run(runner_params(front, size), immapp.AddOnsParams(with_implot=True))


def take_picture(front: FrontEnd, path: Path, size: tuple[int, int] = SIZE) -> None:
    """Open the window, wait until all work is done, write a picture of it to `path`, and close it.

    Raises:
        ViewerError: Pillow knows no format of that name.
        StorageError: the picture could not be written.
    """
    if path.suffix.lower() not in Image.registered_extensions():
        raise ViewerError(f"{path}: no format of pictures is called so; use a name like {path.stem or 'out'}.png")
    params = runner_params(front, size)
    params.fps_idling.fps_idle = 0.0
    draw = params.callbacks.show_gui
    frames = 0

    def draw_and_count() -> None:
        nonlocal frames
        draw()
        frames = frames + 1 if front.settled else 0
        params.app_shall_exit = frames >= _FRAMES_BEFORE_PICTURE

    params.callbacks.show_gui = draw_and_count
    params.callbacks.setup_imgui_config = _configure_without_mouse
    immapp.run(params, immapp.AddOnsParams(with_implot=True))
    pixels = hello_imgui.final_app_window_screenshot()
    with atomic_path(path) as temporary:
        Image.fromarray(pixels[..., :3]).save(temporary)


def _configure() -> None:
    """Leave the space bar to the viewers: with keyboard navigation it would press the button used last."""
    imgui.get_io().config_flags &= ~int(imgui.ConfigFlags_.nav_enable_keyboard)
    imgui.get_io().config_windows_move_from_title_bar_only = True


def _configure_without_mouse() -> None:
    """Keep what the mouse points at, wherever it happens to be, out of a picture."""
    _configure()
    imgui.get_io().config_flags |= int(imgui.ConfigFlags_.no_mouse)
