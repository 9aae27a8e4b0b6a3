from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from cnsr.datasets import claims as claims_module
from cnsr.datasets.claims import Claims
from cnsr.datasets.process_identity import ProcessIdentity
from cnsr.errors import DatasetError, StorageError

# Claims a batch, leaves a temporary file of it, and says so; then waits to be killed.
HOLDER = """
import sys, time
from pathlib import Path
from cnsr.datasets.claims import Claims
folder, batch = Path(sys.argv[1]), sys.argv[2]
with Claims(folder) as claims:
    assert claims.take(batch)
    (folder / f".{batch}.abc.tmp.exr").write_bytes(b"half of it")
    print("held", flush=True)
    time.sleep(60)
"""

# Claims one of three batches again and again; whoever holds one keeps a marker of its process, which must be alone.
RIVAL = """
import os, random, signal, sys, time
from pathlib import Path
from cnsr.datasets.claims import Claims
folder, chance = Path(sys.argv[1]), random.Random(int(sys.argv[2]))
end, dies_at = time.monotonic() + float(sys.argv[3]), int(sys.argv[4])
held = 0
with Claims(folder / "out") as claims:
    while time.monotonic() < end:
        batch = f"batch{chance.randrange(3):09d}"
        if not claims.take(batch):
            continue
        marker = folder / batch
        if marker.exists():
            other = int(marker.read_text() or 0)
            state = Path(f"/proc/{other}/stat")
            alive = state.exists() and state.read_text().rpartition(")")[2].split()[0] not in "ZX"
            assert not alive, f"{other} is at {batch}, too"
        marker.write_text(str(os.getpid()))
        if held == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        assert marker.read_text() == str(os.getpid())
        marker.unlink()
        claims.release(batch)
        held += 1
print(held)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Return a function that starts a process which holds a batch."""
    started = []

    def start(batch: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLDER, str(tmp_path), batch]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert started[-1].stdout.readline() == "held\n"
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


FAR = "node7.1.2.0123456789ab.ffffff"


def _far_run(folder: Path) -> Path:
    """Write the file of a run on another machine, of which nothing but that file can be seen from here."""
    path = folder / f".run.{FAR}"
    path.write_text(FAR)
    return path


def test_a_batch_is_held_by_one(tmp_path: Path) -> None:
    with Claims(tmp_path) as first, Claims(tmp_path) as second:
        assert first.take("batch0")
        assert not second.take("batch0")
        assert not first.take("batch0")
        assert not second.is_free("batch0")
        assert second.take("batch1")
        first.release("batch0")
        assert second.is_free("batch0")
        assert second.take("batch0")
        assert not first.take("batch0")
    assert _names(tmp_path) == []


def test_a_killed_process_holds_nothing(tmp_path: Path, holder: Callable[[str], subprocess.Popen[str]]) -> None:
    process = holder("batch3")
    with Claims(tmp_path) as claims:
        claims.sweep()
        assert not claims.is_free("batch3")
        assert not claims.take("batch3")
        assert (tmp_path / ".batch3.abc.tmp.exr").exists()
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and not forgotten by the system yet
        assert claims.is_free("batch3")
        assert claims.take("batch3")
        assert not (tmp_path / ".batch3.abc.tmp.exr").exists()
        claims.release("batch3")
    assert [name for name in _names(tmp_path) if not name.startswith(".run.")] == []


def test_what_dead_processes_left_is_swept_and_nothing_else(
    tmp_path: Path, holder: Callable[[str], subprocess.Popen[str]]
) -> None:
    dead, alive = holder("batch3"), holder("batch4")
    dead.kill()
    dead.wait()
    for name in ("batch3.exr", ".dataset.abc.tmp.json", ".hidden"):
        (tmp_path / name).write_bytes(b"")
    with Claims(tmp_path) as claims:
        claims.sweep()
    left = _names(tmp_path)
    # The temporary file of the description may be the living run's.
    expected = [".batch4.abc.tmp.exr", ".batch4.claim.0", ".dataset.abc.tmp.json", ".hidden"]
    assert left[:4] == expected
    assert left[4].split(".")[3] == str(alive.pid)
    assert left[5:] == ["batch3.exr"]
    alive.kill()
    alive.wait()
    with Claims(tmp_path) as claims:
        claims.sweep()
    assert _names(tmp_path) == [".hidden", "batch3.exr"]


def test_a_run_on_another_machine_lives_as_long_as_it_touches_its_file(tmp_path: Path) -> None:
    far = _far_run(tmp_path)
    (tmp_path / ".batch0.claim.0").write_text(FAR)
    with Claims(tmp_path, lease=0.3) as claims:
        end = time.monotonic() + 0.6
        while time.monotonic() < end:
            # Whatever its clock says: that the time changes is what counts.
            os.utime(far, ns=(0, random.Random(time.monotonic()).randrange(2**60)))
            assert not claims.take("batch0")
            time.sleep(0.02)
        while not claims.take("batch0"):
            assert time.monotonic() < end + 30
            time.sleep(0.02)
        assert time.monotonic() > end + 0.2
        assert _names(tmp_path)[:2] == [".batch0.claim.0", ".batch0.claim.1"]
        claims.sweep()
        assert not far.exists()


def test_a_claim_that_nobody_signed_lives_as_long_as_a_lease(tmp_path: Path) -> None:
    (tmp_path / ".batch0.claim.0").write_text("")
    with Claims(tmp_path, lease=0.2) as claims:
        assert not claims.take("batch0")
        time.sleep(0.25)
        assert claims.take("batch0")
    assert _names(tmp_path) == []


def test_file_systems_without_links_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    test_a_batch_is_held_by_one(tmp_path)


def test_an_answer_that_got_lost_does_not_lose_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = Path.hardlink_to

    def lossy(path: Path, target: Path) -> None:
        link(path, target)
        raise OSError(errno.ETIMEDOUT, "Connection timed out")

    with Claims(tmp_path) as claims, Claims(tmp_path) as other:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "hardlink_to", lossy)
            assert claims.take("batch0")
        assert not claims.take("batch0")
        assert not other.take("batch0")
    assert _names(tmp_path) == []


def test_a_run_touches_its_file(tmp_path: Path) -> None:
    with Claims(tmp_path, heartbeat=0.02) as claims:
        os.utime(claims.file, (0, 0))
        end = time.monotonic() + 30
        while claims.file.stat().st_mtime == 0:
            assert time.monotonic() < end
            time.sleep(0.01)
        claims.file.unlink()  # by one that took it for dead
        while not claims.file.exists():
            assert time.monotonic() < end
            time.sleep(0.01)
    assert _names(tmp_path) == []


def test_a_run_that_was_wrongly_taken_for_dead_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its machine slept, and another run has its batch when it wakes."""
    with Claims(tmp_path) as slept, Claims(tmp_path, lease=0.05) as second, Claims(tmp_path) as third:
        for batch in ("batch0", "batch1"):
            assert slept.take(batch)
        with monkeypatch.context() as patch:
            patch.setattr(ProcessIdentity, "exists", lambda *_: None)  # seen from afar
            assert not second.take("batch0")
            time.sleep(0.06)
            assert second.take("batch0")
            assert second.take("batch1")
        slept.release("batch0")
        assert not third.take("batch0")  # the second one's
        second.release("batch0")
        second.release("batch1")
        assert third.take("batch1")
        slept.release("batch1")
        assert not second.take("batch1")
        assert third.take("batch0")
    assert _names(tmp_path) == []


def test_a_claim_that_cannot_be_released_dies_with_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A Dask worker lives on after that. If the run's file did, too, nobody could ever take the batch.
    def unreachable(path: Path) -> None:
        raise StorageError(f"cannot read {path}: the server is away")

    with pytest.raises(StorageError, match="the server is away"), Claims(tmp_path, heartbeat=0.01) as claims:
        assert claims.take("batch000000000")
        touching = claims._touching
        monkeypatch.setattr(claims_module, "_read", unreachable)
    monkeypatch.undo()
    assert touching is not None
    assert not touching.is_alive()
    assert not claims.file.exists()
    with Claims(tmp_path) as another:
        assert another.take("batch000000000")


def test_alone(tmp_path: Path) -> None:
    entered, inside = threading.Event(), []

    def enter() -> None:
        with Claims(tmp_path):
            inside.append(time.monotonic())
            entered.set()

    with Claims(tmp_path) as claims:
        with claims.alone():
            thread = threading.Thread(target=enter)
            thread.start()
            assert not entered.wait(0.3)
        ended = time.monotonic()
        thread.join(30)
        assert inside[0] >= ended
        with Claims(tmp_path), pytest.raises(DatasetError, match=r"another run is writing there \(process \d+ on "):
            claims.alone().__enter__()
        assert claims.file.exists()


def test_alone_tells_living_and_dead_runs_of_other_machines(tmp_path: Path) -> None:
    far = _far_run(tmp_path)
    with Claims(tmp_path, lease=0.2) as claims:
        with claims.alone():
            assert not far.exists()
        _far_run(tmp_path)
        touching = threading.Timer(0.1, os.utime, (far, (1, 1)))
        touching.start()
        with pytest.raises(DatasetError, match=r"another run is writing there \(process \d+ on node7\)"):
            claims.alone().__enter__()
        touching.join()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(StorageError, match="permission denied; choose another folder"), Claims(tmp_path / "locked"):
        pass


def _rivals(folder: Path, seed: int, processes: int, seconds: float) -> tuple[int, int]:
    """Let processes fight for batches; a new one takes the place of each that kills itself. Return held and killed."""
    (folder / "out").mkdir()
    end, held, killed, running = time.monotonic() + seconds, 0, 0, []

    def start(number: int) -> subprocess.Popen[str]:
        left = max(end - time.monotonic(), 0.0)
        dies_at = random.Random(number).randrange(3, 30) if number % 2 else -1
        command = [sys.executable, "-c", RIVAL, *map(str, (folder, seed + number, left, dies_at))]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    running = [start(number) for number in range(processes)]
    while running:
        process = running.pop(0)
        output, errors = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), errors
        if process.returncode == 0:
            held += int(output)
        else:
            killed += 1
            if time.monotonic() < end:
                running.append(start(2 * killed + 101))
    with Claims(folder / "out") as claims:
        claims.sweep()
    assert _names(folder / "out") == []
    return held, killed


def test_processes_that_die_at_random_never_hold_a_batch_together(tmp_path: Path) -> None:
    held, killed = _rivals(tmp_path, 0, 4, 1.2)
    assert held > 10
    assert killed > 0


@pytest.mark.slow
def test_processes_that_die_at_random_never_hold_a_batch_together_for_long(tmp_path: Path) -> None:
    held, killed = _rivals(tmp_path, 1000, 6, 60.0)
    assert held > 300
    assert killed > 30


class Killed(BaseException):
    """A run dies here."""


class Stage:
    """A file system on which runs take turns, step by step, in an order that a seed decides; some die on the way."""

    def __init__(self, seed: int, deaths: float) -> None:
        self.files: dict[Path, str] = {}
        self.died: set[str] = set()
        self.inside: set[str] = set()
        self.held = 0
        self.faults: list[BaseException] = []
        self._chance, self._deaths = random.Random(seed), deaths
        self._turns: dict[str, threading.Semaphore] = {}
        self._handed_back = threading.Semaphore(0)
        self._left: set[str] = set()
        self._actor = threading.local()

    def play(self, folder: Path, runs: int) -> None:
        actors = [Claims(folder) for _ in range(runs)]
        self._turns = {actor.file.name: threading.Semaphore(0) for actor in actors}
        threads = [threading.Thread(target=self._act, args=(actor,)) for actor in actors]
        for thread in threads:
            thread.start()
        names = list(self._turns)
        while going := [name for name in names if name not in self._left]:
            name = self._chance.choice(going)
            if self._chance.random() < self._deaths:
                self.died.add(name)
            self._turns[name].release()
            self._handed_back.acquire()
        for thread in threads:
            thread.join()

    def _act(self, claims: Claims) -> None:
        name = self._actor.name = claims.file.name
        self._turns[name].acquire()
        try:
            for _ in range(4):
                if claims.take("batch0"):
                    self.inside.add(name)
                    assert self.inside - self.died <= {name}, "two runs hold the batch"
                    self.held += 1
                    self._step()
                    self.inside.remove(name)
                    claims.release("batch0")
        except Killed:
            pass
        except BaseException as error:
            self.faults.append(error)
        self.died.add(name)
        self._left.add(name)
        self._handed_back.release()

    def _step(self) -> None:
        name = getattr(self._actor, "name", None)
        if name is not None:
            self._handed_back.release()
            self._turns[name].acquire()
            if name in self.died:
                raise Killed

    def claim(self, path: Path, file: Path, name: str) -> bool:
        self._step()
        new = path not in self.files
        self.files.setdefault(path, name)
        return new

    def read(self, path: Path) -> str | None:
        self._step()
        return self.files.get(path)

    def remove(self, paths: Iterable[Path]) -> None:
        for path in paths:
            self._step()
            self.files.pop(path, None)

    def life(self, path: Path) -> claims_module._Life:
        return claims_module._Life.GONE if path.name in self.died else claims_module._Life.RUNNING


def _played(folder: Path, seed: int, deaths: float) -> Stage:
    stage = Stage(seed, deaths)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("claim", "read", "remove"):
            patch.setattr(claims_module, f"_{name}", getattr(stage, name))
        patch.setattr(claims_module._Watch, "life", lambda _, path: stage.life(path))
        patch.setattr(claims_module, "_PAUSE", 0.0)
        stage.play(folder, runs=3)
        assert stage.faults == []
        patch.setattr(claims_module, "_hidden", lambda _: [path.name for path in stage.files])
        Claims(folder).sweep()
    return stage


@pytest.mark.parametrize("deaths", [0.0, 0.02, 0.1])
def test_in_no_order_of_steps_do_two_runs_hold_a_batch(tmp_path: Path, deaths: float) -> None:
    stages = [_played(tmp_path, seed, deaths) for seed in range(60)]
    assert sum(stage.held for stage in stages) > 60
    assert all(not stage.files for stage in stages)


@pytest.mark.slow
@pytest.mark.parametrize("deaths", [0.0, 0.02, 0.05, 0.1])
def test_in_no_order_of_very_many_do_two_runs_hold_a_batch(tmp_path: Path, deaths: float) -> None:
    for seed in range(1000, 11000):
        assert not _played(tmp_path, seed, deaths).files
