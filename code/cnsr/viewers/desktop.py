"""Can a window be opened here? Asked before anything slow starts, so that the answer is one clear line.

All modules that draw import ``imgui_bundle``, which needs libraries of the system; they are to be imported only after
`require_desktop`.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
from pathlib import Path

from cnsr.errors import ViewerError

_HELP = "docs/viewers.md tells how to see it from afar"
_VIRTUAL = 'xvfb-run -a -s "-screen 0 1920x1080x24" COMMAND --screenshot FILE.png makes a picture without a display'
_LIBRARIES = "libx11-6 libxext6 libgl1 libgl1-mesa-dri"
_OLDEST_PYTHON = (3, 11)  # for which there is an imgui-bundle that draws as this package does
_VISIBLE, _MAJOR, _MINOR = 0x00020004, 0x00022002, 0x00022003  # of GLFW's header


def require_desktop() -> None:
    """Make sure that a window with OpenGL can be opened.

    Raises:
        ViewerError: there is no display, it cannot be reached or has no OpenGL, or a library is missing.
    """
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise ViewerError(f"there is no display to open a window on (DISPLAY is not set); {_HELP}; {_VIRTUAL}")
    if sys.version_info < _OLDEST_PYTHON:
        raise ViewerError("the viewers need Python 3.11 or newer, as imgui-bundle does; all else works with 3.10")
    try:
        package = importlib.import_module("imgui_bundle")
    except ModuleNotFoundError as error:
        if error.name != "imgui_bundle":
            raise
        raise ViewerError("imgui-bundle is not installed; run `sh setup.sh`, or pip install imgui-bundle") from None
    except ImportError as error:
        raise ViewerError(
            f"the window needs libraries of the system ({error}); Debian and Ubuntu: apt-get install {_LIBRARIES}"
        ) from None
    fault = _fault_of_glfw(Path(str(package.__file__)).parent)
    if fault is not None:
        display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        raise ViewerError(f"no window can be opened on display {display} ({fault}); {_HELP}; {_VIRTUAL}")


def _fault_of_glfw(folder: Path) -> str | None:
    """Return what GLFW, the library that will open the window, says against a hidden one; None if it is able to."""
    file = folder / "libglfw.so.3"
    if not file.exists():  # other systems than Linux always have a desktop
        return None
    glfw = ctypes.CDLL(str(file))
    glfw.glfwCreateWindow.restype = ctypes.c_void_p
    glfw.glfwDestroyWindow.argtypes = [ctypes.c_void_p]
    if not glfw.glfwInit():
        return _message(glfw)
    for hint, value in ((_VISIBLE, 0), (_MAJOR, 3), (_MINOR, 2)):
        glfw.glfwWindowHint(hint, value)
    window = glfw.glfwCreateWindow(64, 64, b"", None, None)
    glfw.glfwDefaultWindowHints()
    if window is None:
        return _message(glfw)
    glfw.glfwDestroyWindow(window)
    return None


def _message(glfw: ctypes.CDLL) -> str:
    text = ctypes.c_char_p()
    glfw.glfwGetError(ctypes.byref(text))
    return (text.value or b"unknown reason").decode(errors="replace").rstrip(".")
