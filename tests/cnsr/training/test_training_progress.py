import fcntl
import io
import os
import struct
import termios

import pytest

from cnsr.training.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_shows_a_bar_with_all_that_matters():
    screen = Terminal()
    progress = Progress(screen)
    with progress.over(total=100, done=40):
        progress.waiting(0.25)
        for _ in range(60):
            progress.step(0.125)
        progress.note("a line")
    text = screen.getvalue()
    for part in ("100/100", "loss 0.125", "waiting for data 25%", "it/s", "left", "a line\n"):
        assert part in text


def test_elsewhere_there_are_lines_now_and_then():
    stream = io.StringIO()
    progress = Progress(stream, interval=0.0)
    with progress.over(total=10, done=7):
        progress.step(None)
        progress.step(0.5)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("iteration 8/10, ")
    assert lines[0].endswith(" left, waiting for data 0%")
    assert "it/s" in lines[1]
    assert lines[1].endswith("left, loss 0.5, waiting for data 0%")


def test_elsewhere_a_short_run_says_nothing_by_itself():
    stream = io.StringIO()
    progress = Progress(stream)
    with progress.over(total=2, done=0):
        progress.step(1.0)
    assert stream.getvalue() == ""


@pytest.mark.parametrize("columns", [0, 100])
def test_a_terminal_without_width_gets_lines(columns):
    screen, program = os.openpty()
    fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", 40 if columns else 0, columns, 0, 0))
    with os.fdopen(program, "w") as stream:
        progress = Progress(stream, interval=0.0)
        with progress.over(total=4, done=3):
            progress.step(0.5)
        text = os.read(screen, 10_000).decode()
    os.close(screen)
    assert text.startswith("\r 75%|" if columns else "iteration 4/4, ")


@pytest.mark.parametrize("terminal", [False, True])
def test_a_stream_that_cannot_be_written_stops_nothing(terminal):
    class Gone(io.StringIO):
        def isatty(self):
            return terminal

        def write(self, _):
            raise BrokenPipeError

        def flush(self):
            raise BrokenPipeError

    progress = Progress(Gone(), interval=0.0)
    progress.note("a line")
    with progress.over(total=2, done=0):
        progress.step(0.5)
        progress.note("another")
        progress.step(0.5)


def test_a_silent_one_shows_nothing(capfd):
    progress = Progress.silent()
    with progress.over(2, 0):
        progress.note("nobody hears this")
        progress.step(1.0)
    assert capfd.readouterr() == ("", "")
