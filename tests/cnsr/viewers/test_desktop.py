"""Every reason for which no window can be opened is one line that says what to do."""

import importlib
import sys

import pytest

from cnsr.errors import ViewerError
from cnsr.viewers import desktop


@pytest.fixture
def refuse_import(monkeypatch):
    """Return a function that lets the import of imgui_bundle fail."""

    def refuse(error):
        original = importlib.import_module

        def importing(name, *rest):
            if name == "imgui_bundle":
                raise error
            return original(name, *rest)

        monkeypatch.setattr(importlib, "import_module", importing)
        monkeypatch.setenv("DISPLAY", ":1")

    return refuse


def told():
    with pytest.raises(ViewerError) as error:
        desktop.require_desktop()
    message = str(error.value)
    assert "\n" not in message
    return message


def test_a_display_with_opengl_is_enough(virtual_display):
    desktop.require_desktop()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a desktop is always there")
def test_no_display(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    message = told()
    assert "there is no display" in message
    assert "xvfb-run" in message
    assert "docs/viewers.md" in message


def test_python_310(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":1")
    monkeypatch.setattr(sys, "version_info", (3, 10, 12))
    assert "the viewers need Python 3.11 or newer" in told()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the viewers need Python 3.11")
def test_imgui_bundle_is_missing(refuse_import):
    refuse_import(ModuleNotFoundError("No module named 'imgui_bundle'", name="imgui_bundle"))
    assert "imgui-bundle is not installed" in told()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the viewers need Python 3.11")
def test_a_library_of_the_system_is_missing(refuse_import):
    refuse_import(ImportError("libX11.so.6: cannot open shared object file: No such file or directory"))
    message = told()
    assert "libX11.so.6" in message
    assert "apt-get install libx11-6" in message
