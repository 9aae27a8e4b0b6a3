import os
import signal
import threading

import pytest

from cnsr.training.signals import StopRequest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_and_the_second_ends(number, capfd):
    former = signal.getsignal(number)
    with pytest.raises(SystemExit) as ended, StopRequest() as stop:
        assert not stop.came()
        os.kill(os.getpid(), number)
        assert stop.came()
        assert stop.signal == number
        assert "stopping after this iteration, with a checkpoint" in capfd.readouterr().err
        os.kill(os.getpid(), number)
    assert ended.value.code == 128 + number
    assert signal.getsignal(number) == former


def test_outside_the_main_thread_nothing_is_changed():
    former = signal.getsignal(signal.SIGTERM)
    seen = []

    def work():
        with StopRequest() as stop:
            seen.append((stop.came(), signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, former)]


def test_a_reader_that_went_away_stops_nothing():
    former = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        with StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGPIPE)
            assert not stop.came()
        assert signal.getsignal(signal.SIGPIPE) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGPIPE, former)


def test_what_a_launcher_passes_on_at_once_is_the_same_signal(capfd):
    with StopRequest(quiet=True, echo=600) as stop:
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
            os.kill(os.getpid(), number)
        assert stop.signal == signal.SIGTERM
    assert capfd.readouterr().err == ""
