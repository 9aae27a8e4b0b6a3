"""Helping processes: stop signals pass them by, and they end with their parent."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cnsr.child_processes import sheltered_start

CODE = Path(__file__).resolve().parents[2] / "code"

# Starts a helper, says its process id, and waits; {kind} is how the helper is started.
PARENT = """
import multiprocessing, sys, time
from cnsr.child_processes import depend_on_parent, sheltered_start
def work():
    depend_on_parent()
    print("ready", flush=True)
    time.sleep(600)
if __name__ == "__main__":
    with sheltered_start():
        process = multiprocessing.get_context("{kind}").Process(target=work)
        process.start()
    try:
        print(process.pid, flush=True)
        time.sleep(600)
    except KeyboardInterrupt:
        print("alive" if process.is_alive() else "dead", flush=True)
        process.terminate()
        process.join()
"""


@pytest.fixture(params=["spawn", "forkserver"])
def parent(request, tmp_path):
    """Return a running parent and the process id of its helper, which may still be starting."""
    (tmp_path / "parent.py").write_text(PARENT.format(kind=request.param))
    process = subprocess.Popen(
        [sys.executable, tmp_path / "parent.py"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(CODE)},
    )
    yield process, int(process.stdout.readline())
    if process.poll() is None:
        process.kill()
    process.communicate()


def is_running(number):
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{number}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_ctrl_c_passes_by_a_helper_that_is_just_starting(parent):
    process, _ = parent
    os.killpg(process.pid, signal.SIGINT)
    told, _ = process.communicate(timeout=60)
    assert "alive" in told
    assert process.returncode == 0


def test_helpers_of_a_killed_parent_end(parent):
    process, helper = parent
    assert process.stdout.readline() == "ready\n"
    process.kill()
    process.wait()
    end = time.monotonic() + 30
    while is_running(helper) and time.monotonic() < end:
        time.sleep(0.02)
    assert not is_running(helper)


def test_a_signal_in_between_arrives_afterwards():
    arrived = []
    former = signal.signal(signal.SIGTERM, lambda *_: arrived.append(True))
    try:
        with sheltered_start():
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
            assert arrived == []
        assert arrived == [True]
    finally:
        signal.signal(signal.SIGTERM, former)


def test_an_interrupt_in_between_comes_afterwards_though_other_threads_take_it():
    done, waiting = [], threading.Event()
    bystander = threading.Thread(target=waiting.wait)
    bystander.start()
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), sheltered_start():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
            done.append("all of it")
        assert done == ["all of it"]
    finally:
        signal.signal(signal.SIGINT, former)
        waiting.set()
        bystander.join()
