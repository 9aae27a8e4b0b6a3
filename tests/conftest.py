"""What all tests share."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run: whether a change passes must not depend on luck. To look for others:
# sh run_tests.sh --hypothesis-profile=search
settings.register_profile("repeatable", derandomize=True)
settings.register_profile("search", derandomize=False)
settings.load_profile("repeatable")

CODE = Path(__file__).resolve().parents[1] / "code"


def pytest_configure(config):
    # Shells have what they run in the background ignore Ctrl-C, and what that starts inherits it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if "CNSR_CACHE" not in os.environ:  # the first process of several; the others inherit it
        folder = tempfile.TemporaryDirectory(prefix="cnsr-tests-", ignore_cleanup_errors=True)
        config.add_cleanup(folder.cleanup)
        os.environ["CNSR_CACHE"] = folder.name
    # Programs that tests start find the package as the tests themselves do, installed or not.
    os.environ["PYTHONPATH"] = str(CODE)
    if folder := os.environ.get("CNSR_NATIVE_FOLDER"):
        _use_native_module_of(Path(folder))


def _use_native_module_of(folder):
    """Let tests use another build of the native module (`sh run_tests.sh --sanitized`)."""
    import cnsr

    cnsr.__path__.insert(0, str(folder))
    from cnsr import _native

    assert Path(_native.__file__).parent == folder
    # Compilers and other programs that tests start are not to be watched.
    os.environ.pop("LD_PRELOAD", None)


@pytest.fixture(scope="session")
def virtual_display():
    """A virtual display, which this process and those that it starts open their windows on."""
    if sys.version_info < (3, 11):
        pytest.skip("the viewers need Python 3.11")
    server = shutil.which("Xvfb")
    if server is None:
        pytest.fail("there is no Xvfb; sh setup.sh --dev installs it")
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [server, "-displayfd", str(writing), "-screen", "0", "1920x1080x24", "-nolisten", "tcp"],
        pass_fds=[writing],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with os.fdopen(reading) as pipe:
        number = pipe.readline().strip()
    assert number, "Xvfb does not start"
    before = os.environ.get("DISPLAY")
    os.environ["DISPLAY"] = f":{number}"
    yield f":{number}"
    if before is None:
        del os.environ["DISPLAY"]
    else:
        os.environ["DISPLAY"] = before
    process.terminate()
    process.wait(60)
