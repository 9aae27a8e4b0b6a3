"""One thread, one job at a time, the latest wins, and errors stay inside."""

import os
import sys
import threading

import pytest

from cnsr.errors import SceneError
from cnsr.viewers.worker import JobCancelledError, Worker, message_of

TIMEOUT = 30


@pytest.fixture
def worker():
    made = Worker("test")
    yield made
    made.close()


def endless(started):
    def job(ticket):
        ticket.publish("started")
        started.set()
        while True:
            ticket.check()

    return job


def test_results_come_in_order_and_once(worker):
    worker.submit(lambda ticket: [ticket.publish(number) for number in range(5)])
    assert worker.wait(TIMEOUT)
    assert worker.busy  # there is something to collect
    assert worker.collect() == [0, 1, 2, 3, 4]
    assert worker.collect() == []
    assert not worker.busy


def test_a_new_job_cancels_the_running_one_and_what_that_published_stays(worker):
    started = threading.Event()
    worker.submit(endless(started))
    assert started.wait(TIMEOUT)
    assert worker.busy
    worker.submit(lambda ticket: ticket.publish("second"))
    assert worker.wait(TIMEOUT)
    assert worker.collect() == ["started", "second"]
    assert worker.take_error() is None


def test_of_the_jobs_that_wait_the_latest_wins(worker):
    started, go_on = threading.Event(), threading.Event()

    def blocked(ticket):
        started.set()
        go_on.wait(TIMEOUT)

    worker.submit(blocked)
    assert started.wait(TIMEOUT)
    for number in range(10):
        worker.submit(lambda ticket, number=number: ticket.publish(number))
    go_on.set()
    assert worker.wait(TIMEOUT)
    assert worker.collect() == [9]


def test_cancelling_ends_the_running_job_and_forgets_the_waiting_one(worker):
    started = threading.Event()
    worker.submit(endless(started))
    assert started.wait(TIMEOUT)
    worker.cancel()
    assert worker.wait(TIMEOUT)
    worker.submit(lambda ticket: ticket.publish("alive"))
    assert worker.wait(TIMEOUT)
    assert worker.collect() == ["started", "alive"]


def test_an_error_of_a_user_is_kept_once_without_a_traceback(worker, capsys):
    def job(ticket):
        raise SceneError("chair.obj: is missing")

    worker.submit(job)
    assert worker.wait(TIMEOUT)
    error = worker.take_error()
    assert message_of(error) == "chair.obj: is missing"
    assert worker.take_error() is None
    assert capsys.readouterr().err == ""


def test_a_fault_of_the_program_is_kept_told_and_survived(worker, capsys):
    worker.submit(lambda ticket: 1 / 0)
    assert worker.wait(TIMEOUT)
    assert message_of(worker.take_error()) == "fault of the program: ZeroDivisionError: division by zero"
    assert "Traceback" in capsys.readouterr().err
    worker.submit(lambda ticket: ticket.publish("alive"))
    assert worker.wait(TIMEOUT)
    assert worker.collect() == ["alive"]


def test_an_error_of_a_cancelled_job_is_nobodys(worker):
    started, go_on = threading.Event(), threading.Event()

    def failing(ticket):
        started.set()
        go_on.wait(TIMEOUT)
        raise SceneError("of yesterday")

    worker.submit(failing)
    assert started.wait(TIMEOUT)
    worker.submit(lambda ticket: None)
    go_on.set()
    assert worker.wait(TIMEOUT)
    assert worker.take_error() is None


def test_a_new_job_clears_the_error_of_the_last(worker):
    def job(ticket):
        raise SceneError("x")

    worker.submit(job)
    assert worker.wait(TIMEOUT)
    worker.submit(lambda ticket: None)
    assert worker.wait(TIMEOUT)
    assert worker.take_error() is None


def test_closing_ends_the_running_job_and_the_thread():
    worker = Worker("closing")
    started = threading.Event()
    worker.submit(endless(started))
    assert started.wait(TIMEOUT)
    worker.close()
    assert worker.collect() == ["started"]
    assert not worker.busy
    assert all(thread.name != "closing" for thread in threading.enumerate())
    with pytest.raises(RuntimeError, match="closed"):
        worker.submit(lambda ticket: None)


def test_a_cancelled_ticket_stops_what_reports_its_progress(worker):
    started, seen = threading.Event(), []

    def job(ticket):
        started.set()
        try:
            while True:
                ticket.check(0.5)
        except JobCancelledError as error:
            seen.append(error)
            raise

    worker.submit(job)
    assert started.wait(TIMEOUT)
    worker.cancel()
    assert worker.wait(TIMEOUT)
    assert len(seen) == 1


def test_a_pause_ends_when_the_job_is_cancelled(worker):
    started = threading.Event()

    def job(ticket):
        started.set()
        ticket.pause(10 * TIMEOUT)

    worker.submit(job)
    assert started.wait(TIMEOUT)
    worker.cancel()
    assert worker.wait(TIMEOUT)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux alone")
def test_the_window_comes_first(worker):
    worker.submit(lambda ticket: ticket.publish(os.getpriority(os.PRIO_PROCESS, threading.get_native_id())))
    assert worker.wait(TIMEOUT)
    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    assert worker.collect()[0] > own or own >= 10
