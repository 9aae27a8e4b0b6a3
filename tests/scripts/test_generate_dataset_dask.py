"""generate-dataset.py --scheduler: Dask's workers render."""

from __future__ import annotations

import json
import os
import pickle
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cnsr.datasets import cluster
from cnsr.datasets.cluster import Cluster, Order, Outcome
from cnsr.datasets.manifest import RenderSettings
from cnsr.errors import ClusterError

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")

CODE = Path(__file__).parents[2] / "code"
Make = Callable[..., Any]


@contextmanager
def _scheduler(workers: int, **options: Any) -> Iterator[Any]:
    """A scheduler, and so many workers, in threads of this process."""
    with distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=False, protocol="tcp://", dashboard_address=":0", **options
    ) as made:
        yield made


@pytest.fixture(scope="module")
def local() -> Iterator[Any]:
    with _scheduler(1) as made:
        yield made


@contextmanager
def _workers(address: str, count: int, before: str = "pass") -> Iterator[list[subprocess.Popen[bytes]]]:
    """So many processes that are workers, with nobody who would start them again."""
    program = f"import sys; {before}; sys.argv[0] = 'dask'; from dask.__main__ import main; main()"
    command = [sys.executable, "-c", program, "worker", address, "--no-nanny", "--nthreads", "1", "--no-dashboard"]
    started = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={"PYTHONPATH": str(CODE)})
        for _ in range(count)
    ]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_a_worker_that_is_killed_in_mid_batch_costs_nothing(room: Any, tmp_path: Path) -> None:
    with _scheduler(0) as made, _workers(made.scheduler_address, 2) as workers:
        run = room.start(tmp_path, "--scheduler", made.scheduler_address)
        victim = room.wait_for_claim(tmp_path)
        assert victim in [process.pid for process in workers]
        os.kill(victim, signal.SIGKILL)
        output, errors = run.communicate(timeout=120)
        assert run.returncode == 0, errors
        assert re.fullmatch(r"(no Dask workers yet: `dask worker tcp://[0-9.:]+` starts one\n)?", errors)
        assert output.startswith("48 views rendered in ")
        assert output.endswith(": 12 batches written, 0 already there\n")
    assert room.hashes(tmp_path) == room.expected


@pytest.mark.slow
def test_a_batch_of_which_workers_die_is_left_out(rendering: Make) -> None:
    room = rendering(batches=1, samples=2**28)
    failures = {"distributed.scheduler.allowed-failures": 0}
    with dask.config.set(failures), _scheduler(0) as made, _workers(made.scheduler_address, 1) as (worker,):
        run = room.start("out", "--scheduler", made.scheduler_address)
        room.wait_for_claim("out")
        worker.kill()
        output, errors = run.communicate(timeout=120)
    assert run.returncode == 1
    last = errors.splitlines()[-1]
    assert last.startswith(f"left out: {room.scenes / 'batch000000000'}: workers died while they rendered it, the last")
    assert output.endswith(": 0 batches written, 0 already there; 1 left out, since workers died of them\n")


@pytest.mark.slow
def test_workers_without_the_package_say_so(rendering: Make) -> None:
    room = rendering(batches=1)
    with _scheduler(0) as made, _workers(made.scheduler_address, 1, "sys.modules['cnsr'] = None"):
        status, output, errors = room.run("out", "--scheduler", made.scheduler_address)
    assert (status, output) == (1, "")
    assert re.fullmatch(
        r"error: worker tcp://[0-9.:]+ cannot import the package \(No module named .*\): start "
        r"`dask worker` in the project's Python environment, with PYTHONPATH=\.\.\./code",
        errors.splitlines()[-1],
    )
    assert list(room.hashes("out")) == ["dataset.json"]


@pytest.mark.slow
def test_a_full_disk_of_a_worker_is_one_line_and_leaves_no_half_files(rendering: Make) -> None:
    """The system refuses files beyond a size as it refuses them on a full disk."""
    room = rendering(batches=2)
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); sys.dont_write_bytecode = True; "
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))"
    with _scheduler(0) as made, _workers(made.scheduler_address, 1, limit):
        status, output, errors = room.run("out", "--scheduler", made.scheduler_address)
    assert (status, output) == (1, "")
    assert re.fullmatch(
        rf"error: worker tcp://[0-9.:]+ on .*: cannot write {room.folder}/out/batch00000000[01]\.exr: .*",
        errors.splitlines()[-1],
    )
    assert list(room.hashes("out")) == ["dataset.json"]


def test_reports_are_those_of_a_run_without_dask(rendering: Make, local: Any) -> None:
    room = rendering(batches=4)
    broken = room.scenes / "batch000000001" / "scene0000" / "view001.json"
    broken.write_text('{"seed": 1,\n "bounces": }')
    (room.scenes / "batch000000003" / "factor.txt").write_text("4")
    alone = room.run("alone")
    run = room.run("out", "--scheduler", local.scheduler_address)
    assert run[0] == alone[0] == 1
    assert sorted(run[2].splitlines()) == sorted(alone[2].splitlines())
    assert len(run[2].splitlines()) == 2
    seconds = re.compile(r"rendered in .*?: ")
    assert seconds.sub("", run[1]) == seconds.sub("", alone[1])
    assert room.hashes("out") == room.hashes("alone")


@pytest.mark.slow
def test_shards_and_the_scheduler_go_together(rendering: Make, local: Any, tmp_path: Path) -> None:
    room = rendering(batches=3)
    (tmp_path / "scheduler.json").write_text(json.dumps({"address": local.scheduler_address}))
    assert room.run("out", "--shard", "2/2")[0] == 0
    status, output, _ = room.run("out", "--scheduler", str(tmp_path / "scheduler.json"))
    assert (status, output[output.index(": ") :]) == (0, ": 2 batches written, 1 already there\n")
    assert room.run("alone")[0] == 0
    assert room.hashes("out") == room.hashes("alone")


def test_an_interrupt_leaves_what_workers_finish(room: Any, local: Any, tmp_path: Path) -> None:
    run = room.start(tmp_path, "--scheduler", local.scheduler_address)
    room.wait_for_claim(tmp_path)
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=60)
    assert (run.returncode, errors) == (130, "interrupted\n")
    status, output, _ = room.run(tmp_path)  # waits for the batch that the worker is at
    assert status == 0
    written, present, elsewhere = re.search(
        r": (\d+) batches written, (\d+) already there(?:, (\d) by)?", output
    ).groups()
    assert int(written) + int(present) + int(elsewhere or 0) == 12
    assert 0 < int(written) < 12
    assert room.hashes(tmp_path) == room.expected


@pytest.mark.slow
def test_a_scheduler_that_goes_away_is_one_line(rendering: Make) -> None:
    room = rendering(batches=1, samples=2**28)
    with _scheduler(0) as made:
        run = room.start("out", "--scheduler", made.scheduler_address)
        line = run.stderr.readline()
        assert line == f"no Dask workers yet: `dask worker {made.scheduler_address}` starts one\n"
        address = made.scheduler_address
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 1
    assert errors == (
        f"error: the connection to the Dask scheduler {address} is lost; finished batches are on disk, and the same "
        "command goes on\n"
    )


def test_without_dask_one_line_says_how_to_get_it(rendering: Make) -> None:
    room = rendering(batches=1)
    program = "import runpy, sys; sys.modules['distributed'] = None; sys.argv = sys.argv[1:]; "
    program += "runpy.run_path(sys.argv[0], run_name='__main__')"
    options = {"config": "config.json", "in_folder": "json/train", "out_folder": "out"}
    done = subprocess.run(
        [sys.executable, "-c", program, str(CODE / "generate-dataset.py"), "--scheduler", "tcp://127.0.0.1:8786"]
        + [text for name, value in options.items() for text in (f"--{name}", str(room.folder / value))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(
        r"error: --scheduler needs Dask, which is not installed \(.*\): pip install '.*'\n", done.stderr
    )


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("nonsense", "--scheduler nonsense: missing port number in address 'nonsense'; expected an address such as"),
        ("foo://host:1", "--scheduler foo://host:1: unknown address scheme 'foo'"),
        ("tcp://127.0.0.1:1", "--scheduler tcp://127.0.0.1:1: no Dask scheduler answers there within 0.2 s ("),
        (
            "./none.json",
            "--scheduler ./none.json: there is no such file of a Dask scheduler (No such file or directory)",
        ),
    ],
)
def test_schedulers_that_are_not_there_are_one_line(address: str, message: str) -> None:
    with pytest.raises(ClusterError) as caught:
        Cluster(address, seconds=0.2)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_worker_that_does_not_see_the_folders_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_this_worker", lambda: "worker tcp://10.0.0.1:1 on node7")
    out = tmp_path / "out"
    out.mkdir()
    settings = RenderSettings(("beauty",), 8, 1, "half")
    order = Order(tmp_path, out, settings, "cpu", 1, witness=out / ".run.another")
    outcome: Outcome = pickle.loads(cluster.render_order(pickle.dumps(order)))
    assert isinstance(outcome.error, ClusterError)
    assert str(outcome.error) == (
        f"worker tcp://10.0.0.1:1 on node7 does not see {out} as it is here; the folders of scene files and of the "
        "data set must lie where all workers see them, under the same paths"
    )
    assert list(out.iterdir()) == []
