"""Batches rendered by the workers of a Dask cluster (https://distributed.dask.org).

Workers read the scene files and write the batches themselves, in folders that they share with this process; only
names and numbers travel. These travel as bytes, and a worker unpacks them by this module: so that one that lacks the
package can say so, instead of dying of a message that it cannot read.

Dask gives what a dead worker was at to another. The claims that it held die with it (``cnsr.datasets.claims``).
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import pickle
import platform
import queue
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnsr.datasets.batch_jobs import BatchJob, OtherOriginError, SampleCounts, Tracer, is_finished, target_path
from cnsr.datasets.claims import Claims
from cnsr.datasets.exr import write_batch
from cnsr.datasets.manifest import RenderSettings
from cnsr.datasets.rendered import RenderedView
from cnsr.datasets.scene_files import BatchFiles, batch_files
from cnsr.datasets.work import Work
from cnsr.errors import ClusterError, DatasetError, SceneError, UserError

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_SECONDS = 30.0
"""How long a scheduler may take to appear."""

_POLL_SECONDS = 0.5
_CLOSE_SECONDS = 5.0


@dataclass(frozen=True)
class Order:
    """What a worker is asked for.

    Attributes:
        batch: folder of scene files.
        out_folder: where the file goes.
        settings: of the pixels.
        device: of the renderer.
        threads: of the renderer.
        witness: a file that is in `out_folder`, seen from wherever it is shared.
    """

    batch: Path
    out_folder: Path
    settings: RenderSettings
    device: str
    threads: int
    witness: Path


@dataclass(frozen=True)
class Outcome:
    """What became of an order: written, or found finished (no views), or another run is at it, or a fault or error.

    Attributes:
        views: rendered and written.
        counts: of their samples.
        held: whether another run is at the batch.
        fault: what is wrong with the scene files.
        error: what is wrong with the worker or the folder, so that going on makes no sense.
    """

    views: int = 0
    counts: SampleCounts = field(default_factory=SampleCounts)
    held: bool = False
    fault: str | None = None
    error: UserError | None = None


class Cluster:
    """An ``Engine`` that renders on a Dask cluster; a context, which ends with the connection closed.

    Args:
        address: of the scheduler, such as tcp://host:8786, or the file that ``dask scheduler --scheduler-file`` writes.
        device: of the workers' renderers.
        threads: of the renderer, for each of a worker's threads; 0 is one, for a worker has as many threads as it is
            meant to use cores.
        seconds: how long the scheduler may take to appear.

    Raises:
        ClusterError: Dask is not installed, or there is no scheduler.
    """

    def __init__(self, address: str, device: str = "cpu", threads: int = 0, seconds: float = CONNECT_SECONDS) -> None:
        self._device = device
        self._threads = threads or 1
        self.address, self._client = _connect(address, seconds)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError, asyncio.TimeoutError):
            self._client.close(timeout=_CLOSE_SECONDS)

    def render(self, work: Work) -> None:
        """Render what is pending, and wait for what other runs are rendering.

        Batches that workers are at when this ends early, by Ctrl-C or an error, are still finished by them.

        Raises:
            ClusterError: the scheduler is gone, or a worker lacks the package or does not see the folders.
            UserError: what a worker could not do and cannot be blamed on scene files; see ``Pipeline.render``.
        """
        rendering = _Rendering(self._client, self.address, work, self._device, self._threads)
        try:
            rendering.run()
        finally:
            rendering.cancel()


class _Rendering:
    """The orders of one call of ``Cluster.render``."""

    def __init__(self, client: Client, address: str, work: Work, device: str, threads: int) -> None:
        self._client = client
        self._address = address
        self._work = work
        self._device = device
        self._threads = threads
        self._task = _task()
        self._sent: dict[str, tuple[Future[Any], BatchFiles]] = {}
        self._held: list[BatchFiles] = []
        self._done: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()

    def run(self) -> None:
        """Send all orders and wait until each is done."""
        for files in self._work.pending:
            self._send(files)
        told, workers = False, True
        while self._sent or self._held:
            try:
                self._receive(self._done.get(timeout=_POLL_SECONDS))
                continue
            except queue.Empty:
                workers = self._has_workers(workers)
            free = [files for files in self._held if self._work.claims.is_free(files.name)]
            self._held = [files for files in self._held if files not in free]
            for files in free:
                self._send(files)
            if self._held and not self._sent and not told:
                self._work.waits(len(self._held))
                told = True

    def cancel(self) -> None:
        """Take back what no worker has begun."""
        with suppress(OSError, asyncio.TimeoutError, RuntimeError, asyncio.CancelledError):
            if self._sent:
                self._client.cancel([future for future, _ in self._sent.values()])

    def _send(self, files: BatchFiles) -> None:
        order = Order(
            files.folder,
            self._work.out_folder,
            self._work.settings,
            self._device,
            self._threads,
            self._work.claims.file,
        )
        key = f"{files.name}-{secrets.token_hex(8)}"  # a name of its own: Dask must not answer from what it remembers
        future = self._client.submit(self._task, pickle.dumps(order), key=key, pure=False)
        self._sent[key] = future, files
        future.add_done_callback(self._done.put)

    def _receive(self, future: Future[Any]) -> None:
        _, files = self._sent.pop(str(future.key))
        outcome = self._outcome(future, files)
        if outcome is None:
            self._work.lost(files, _last_worker(future))
        elif outcome.error is not None:
            raise outcome.error
        elif outcome.held:
            self._held.append(files)
        elif outcome.fault is not None:
            self._work.broken(files, outcome.fault)
        elif outcome.views:
            self._work.written(outcome.views, outcome.counts)
        else:
            self._work.found(files)

    def _outcome(self, future: Future[Any], files: BatchFiles) -> Outcome | None:
        """Return what became of an order; ``None`` if several workers died of it. Raises ``ClusterError``."""
        from distributed import KilledWorker

        if future.status == "cancelled" or future.status == "lost":
            raise ClusterError(
                f"the connection to the Dask scheduler {self._address} is lost; finished batches are on disk, and the "
                "same command goes on"
            )
        try:
            answer = future.result()
        except KilledWorker:
            return None
        if isinstance(answer, str):
            raise ClusterError(answer)
        outcome = pickle.loads(answer)
        assert isinstance(outcome, Outcome), files
        return outcome

    def _has_workers(self, had: bool) -> bool:
        """Return whether there are any; say so when there are none any more."""
        with suppress(OSError, asyncio.TimeoutError):
            has = bool(self._client.nthreads())
            if had and not has:
                self._work.reporter.note(f"no Dask workers yet: `dask worker {self._address}` starts one")
            return has
        return had


def _connect(address: str, seconds: float) -> tuple[str, Client]:
    try:
        from distributed import Client, Security
        from distributed.comm import connect
    except ImportError as error:
        raise ClusterError(
            f"--scheduler needs Dask, which is not installed ({error}): pip install 'distributed>=2024.8'"
        ) from None
    # Its loggers tell of lost connections with tracebacks; what matters becomes an error of ours.
    for name in ("distributed", "distributed.client", "distributed.comm", "distributed.core", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    end = time.monotonic() + seconds
    place = _scheduler_of_file(address, end) if _is_file_name(address) else address

    async def probe() -> None:
        security = Security().get_connection_args("client")
        comm = await connect(place, timeout=max(end - time.monotonic(), 0.1), **security)
        await comm.close()

    try:
        asyncio.run(probe())  # a client that finds no scheduler leaves threads behind that complain
        return place, Client(place, timeout=seconds, set_as_default=False)
    except (OSError, asyncio.TimeoutError) as error:
        raise ClusterError(
            f"--scheduler {address}: no Dask scheduler answers there within {seconds:g} s ({error}); "
            "`dask scheduler` starts one and says its address"
        ) from None
    except ValueError as error:
        raise ClusterError(
            f"--scheduler {address}: {error}; expected an address such as tcp://host:8786, or the file that "
            "`dask scheduler --scheduler-file FILE` writes"
        ) from None


def _is_file_name(address: str) -> bool:
    return "://" not in address and ("/" in address or address.endswith(".json"))


def _scheduler_of_file(name: str, end: float) -> str:
    """Return the address in a scheduler's file, which may not be there yet."""
    while True:
        try:
            return str(json.loads(Path(name).read_text(encoding="utf-8"))["address"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            if time.monotonic() > end:
                raise ClusterError(
                    f"--scheduler {name}: there is no such file of a Dask scheduler "
                    f"({error.strerror if isinstance(error, OSError) else error}); "
                    "`dask scheduler --scheduler-file FILE` writes one"
                ) from None
        time.sleep(0.1)


def _last_worker(future: Future[Any]) -> str:
    error = future.exception()
    return str(getattr(getattr(error, "last_worker", None), "address", "unknown"))


def _task() -> Callable[[bytes], bytes | str]:
    """Return the function that workers call. One that is made in a function travels as code, not as a name."""

    def render_batch(order: bytes) -> bytes | str:
        try:
            from cnsr.datasets import cluster
        except ImportError as error:
            from distributed import get_worker

            return (
                f"worker {get_worker().address} cannot import the package ({error}): start `dask worker` in the "
                "project's Python environment, with PYTHONPATH=.../code"
            )
        return cluster.render_order(order)

    return render_batch


def render_order(packed: bytes) -> bytes:
    """Do an ``Order`` in a worker; both it and the ``Outcome`` that is returned are pickled."""
    order = pickle.loads(packed)
    try:
        outcome = _render(order)
    except (OtherOriginError, ClusterError) as error:
        outcome = Outcome(error=error)
    except (SceneError, DatasetError) as error:
        outcome = Outcome(fault=str(error))
    except UserError as error:
        outcome = Outcome(error=type(error)(f"{_this_worker()}: {error}"))
    return pickle.dumps(outcome)


def _render(order: Order) -> Outcome:
    for path in (order.batch, order.witness):
        if not path.exists():
            raise ClusterError(
                f"{_this_worker()} does not see {path.parent} as it is here; the folders of scene files and of the "
                "data set must lie where all workers see them, under the same paths"
            )
    files = batch_files(order.batch)
    with Claims(order.out_folder) as claims:
        if not claims.take(files.name):
            return Outcome(held=True)
        if is_finished(files, order.out_folder, order.settings):
            return Outcome()
        tracer = _tracer(order.device, order.threads)
        rendered = BatchJob.load(files, tracer).render(order.settings, tracer)
        target = target_path(order.out_folder, files)
        write_batch(target, rendered.batch, rendered.origin, order.settings.precision)
        return Outcome(files.view_count, rendered.counts)


class _SharedTracer:
    """A tracer that several threads use, which share its meshes: one at a time loads, all of them render."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._loading = threading.Lock()

    def load_scene(self, scene: Path, like: Any = None) -> Any:
        with self._loading:
            return self._tracer.load_scene(scene, like)

    def render_views(self, scenes: Sequence[Any], **options: Any) -> Sequence[RenderedView]:
        return self._tracer.render_views(scenes, **options)


@functools.lru_cache(1)
def _tracer(device: str, threads: int) -> Tracer:
    """Return the worker's renderer; it keeps its meshes from batch to batch."""
    from cnsr.rendering import PathTracer

    return _SharedTracer(PathTracer(device, threads))


def _this_worker() -> str:
    from distributed import get_worker

    return f"worker {get_worker().address} on {platform.node()}"
