"""Who renders which batch, in a folder that any number of runs on any number of machines share.

A run has a file of its own, ``.run.NAME``, which holds its name, and touches it every few seconds. It claims a batch
by giving that file a second name, ``.BATCH.claim.0``. Of several that do so at once, one succeeds: network file systems
keep this promise, while locks are unknown to some and end at the machine's edge on others.

A claim is dead when its run is: its file is gone, or its process is (where this machine can see that), or the file
has not been touched for as long as a lease, by the watch of whoever looks, since clocks of machines differ. Nobody
removes a dead claim to put another in its place: two who did so at once would remove each other's. It gets a
successor, ``.BATCH.claim.1``, and so on, and it counts only while all before it are there and dead.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from cnsr.datasets.process_identity import ProcessIdentity
from cnsr.errors import DatasetError, StorageError
from cnsr.files import storage_error, write_text

HEARTBEAT = 15.0
"""Seconds between two touches of a run's file."""

LEASE = 120.0
"""Seconds without a touch after which a run on another machine is dead: longer than caches of NFS keep a time."""

_CLAIM = re.compile(r"\.(batch\d+)\.claim\.(\d+)")
_RUN = re.compile(r"\.(run|overwrite)\.(.+)")
_TEMPORARY = re.compile(r"\..+\.tmp\.[^.]+")
_VANISHED = (errno.ENOENT, errno.ESTALE)
_NOBODY = "nobody"
_PAUSE = 0.05


class _Life(Enum):
    GONE = auto()
    RUNNING = auto()
    UNKNOWN = auto()  # it may take a lease to tell


class Claims:
    """One run's part in a shared folder; a context, which ends with all claims released.

    Args:
        folder: an existing one that can be written.
        lease: see ``LEASE``.
        heartbeat: see ``HEARTBEAT``.

    Raises:
        StorageError: on entering, if files cannot be made in `folder`.
    """

    def __init__(self, folder: Path, lease: float = LEASE, heartbeat: float = HEARTBEAT) -> None:
        self._folder = folder
        self._here = ProcessIdentity.own()
        self._name = f"{self._here}.{secrets.token_hex(6)}"
        self._kind = "run"
        self._watch = _Watch(self._here, lease)
        self._heartbeat = heartbeat
        self._ended = threading.Event()
        self._touching: threading.Thread | None = None
        self._held: dict[str, int] = {}

    @property
    def file(self) -> Path:
        """This run's own file, which is in the folder as long as the run is."""
        return self._folder / f".{self._kind}.{self._name}"

    def __enter__(self) -> Claims:
        if not _create(self.file, self._name):
            raise RuntimeError(f"{self.file} is there already")  # 48 random bits
        try:
            self._touching = threading.Thread(target=self._touch, name="touch", daemon=True)
            self._touching.start()
            while self._others("overwrite"):
                time.sleep(_PAUSE)  # it deletes what is there, or sees this run and gives up
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            for batch in list(self._held):
                self.release(batch)
        finally:  # a claim that could not be released is dead without the run's file
            self._ended.set()
            if self._touching is not None:
                self._touching.join()
            with suppress(OSError, StorageError):
                self.file.unlink()
                self._others("run")  # removes files of runs that have died meanwhile

    def take(self, batch: str) -> bool:
        """Claim `batch`. Return whether that succeeded: ``False`` where another run holds it. Raises ``StorageError``.

        What a dead run has left of the batch is removed.
        """
        while (taken := self._try(batch)) is None:
            time.sleep(_PAUSE / 10)
        return taken

    def _try(self, batch: str) -> bool | None:
        """Do what `take` does; ``None`` where others were changing what is there at the same moment."""
        dead: list[str] = []
        while not _claim(path := self._path(batch, len(dead)), self.file, self._name):
            owner = _read(path)
            if owner is None:
                return None
            if owner == self._name and batch not in self._held:
                break  # it succeeded, and a network file system lost the answer
            if self._life(owner, path) is not _Life.GONE:
                return False
            dead.append(owner)
        if [_read(self._path(batch, generation)) for generation in range(len(dead))] != dead:
            _remove([path])  # its predecessors were released meanwhile
            return None
        self._held[batch] = len(dead)
        if dead:
            _remove(self._folder.glob(f".{batch}.*.tmp.*"))
        return True

    def release(self, batch: str) -> None:
        """Give a claimed batch free, finished or not."""
        generation = self._held.pop(batch)
        if _read(self._path(batch, generation)) != self._name:
            return  # taken for dead, as below, by a run that has finished the batch since then
        above = _read(path := self._path(batch, generation + 1))
        if above is not None and self._life(above, path) is not _Life.GONE:
            # Another run took this one for dead (its machine may have slept), and its claim stands on this one.
            write_text(self._path(batch, generation), _NOBODY)
            return
        # The lowest first: this claim must hold as long as there is a dead one to which it is the successor.
        _remove(self._path(batch, each) for each in range(generation + 1))

    def is_free(self, batch: str) -> bool:
        """Return whether `batch` can be claimed, as far as can be told now."""
        generation = 0
        while (owner := _read(path := self._path(batch, generation))) is not None:
            if self._life(owner, path) is not _Life.GONE:
                return False
            generation += 1
        return True

    def sweep(self) -> None:
        """Remove what dead runs have left. To be called before this run writes anything."""
        # Listed first: of the temporary files in this list, none is of a run that starts only now.
        left = _hidden(self._folder)
        claims = [match for match in map(_CLAIM.fullmatch, left) if match]
        for batch in {claim[1] for claim in claims}:
            if not self.take(batch):
                continue
            # A run that dies while it finds out that its claim does not count leaves one with gaps below.
            for claim in claims:
                path = self._folder / claim[0]
                if claim[1] == batch and int(claim[2]) > self._held[batch]:
                    if (owner := _read(path)) is not None and self._life(owner, path) is _Life.GONE:
                        _remove([path])
            self.release(batch)
        if not self._others("run"):
            _remove(self._folder / name for name in left if _TEMPORARY.fullmatch(name))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Have the folder for this run alone: others that start wait until the context ends. No batch may be claimed.

        Raises:
            DatasetError: others are running. It takes some seconds to tell that of other machines, and a lease to
                tell that they are not.
        """
        self._rename("overwrite")
        try:
            while others := self._others("run") + self._others("overwrite"):
                for other in others:
                    if other.life is _Life.RUNNING:
                        raise DatasetError(
                            f"{self._folder}: another run is writing there ({other.place}); wait for it, or choose "
                            "another folder: --overwrite needs one for itself"
                        )
                time.sleep(_PAUSE * 10)
            yield
        finally:
            self._rename("run")

    def _rename(self, kind: str) -> None:
        former, self._kind = self.file, kind
        former.replace(self.file)

    def _touch(self) -> None:
        while not self._ended.wait(self._heartbeat):
            try:
                os.utime(self.file)
            except FileNotFoundError:
                with suppress(StorageError):  # taken for dead, while its machine slept, and it is not
                    _create(self.file, self._name)
            except OSError:
                pass  # a server that is away for a while

    def _path(self, batch: str, generation: int) -> Path:
        return self._folder / f".{batch}.claim.{generation}"

    def _life(self, owner: str, claim: Path) -> _Life:
        """Return whether the run that wrote a `claim` still lives; an unfinished claim does as long as a lease."""
        return self._watch.life(self._folder / f".run.{owner}" if owner else claim)

    def _others(self, kind: str) -> list[_Other]:
        """Return the other runs of a kind that are not known to be dead; remove the files of those that are."""
        others = []
        for path in self._folder.iterdir():
            match = _RUN.fullmatch(path.name)
            if match is None or match[1] != kind or match[2] == self._name:
                continue
            life = self._watch.life(path)
            if life is _Life.GONE:
                _remove([path])
            else:
                others.append(_Other(life, _place(path)))
        return others


@dataclass(frozen=True)
class _Other:
    """Another run, which is not known to be dead."""

    life: _Life
    place: str


class _Watch:
    """Tells whether runs live, and remembers for that when their files were last seen to change."""

    def __init__(self, here: ProcessIdentity, lease: float) -> None:
        self._here = here
        self._lease = lease
        self._seen: dict[Path, tuple[int, float, _Life]] = {}

    def life(self, path: Path) -> _Life:
        """Return that of the run whose file is at `path`."""
        stamp = _stamp(path)
        if stamp is None:
            return _Life.GONE
        process = _process(path)
        exists = process.exists(self._here) if process else None
        if exists is not None:
            return _Life.RUNNING if exists else _Life.GONE
        former, since, life = self._seen.get(path, (stamp, time.monotonic(), _Life.UNKNOWN))
        if stamp != former:
            since, life = time.monotonic(), _Life.RUNNING
        elif time.monotonic() - since > self._lease:
            return _Life.GONE
        self._seen[path] = stamp, since, life
        return life


def _process(path: Path) -> ProcessIdentity | None:
    """Return whose file that is, ``None`` where its name does not tell."""
    match = _RUN.fullmatch(path.name)
    return ProcessIdentity.parse(match[2].rpartition(".")[0]) if match else None


def _place(path: Path) -> str:
    process = _process(path)
    return f"process {process.pid} on {process.host}" if process else path.name


def _stamp(path: Path) -> int | None:
    """Return when a file was touched, ``None`` where there is none. Raises ``OSError``."""
    try:
        # Opening makes a network file system ask its server, where stat would answer from a cache.
        with path.open("rb") as file:
            return os.fstat(file.fileno()).st_mtime_ns
    except OSError as error:
        if error.errno in _VANISHED:
            return None
        raise storage_error(path, error) from error


def _hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def _create(path: Path, text: str) -> bool:
    """Write a small file unless one of that name is there; return whether it was not. Raises ``StorageError``."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return False
    except OSError as error:
        raise storage_error(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
        with suppress(OSError):
            path.chmod(0o644)  # runs of other users must be able to read it
    except OSError as error:
        path.unlink(missing_ok=True)
        raise storage_error(path, error) from error
    return True


def _claim(path: Path, file: Path, name: str) -> bool:
    """Give a run's `file`, which holds its `name`, a second name unless that is taken; return whether it was not."""
    try:
        path.hardlink_to(file)
    except FileExistsError:
        return False
    except OSError:  # file systems of memory cards have no links; a claim may be there unsigned for a moment then
        return _create(path, name)
    return True


def _read(path: Path) -> str | None:
    """Return what a claim says, ``None`` where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        if error.errno in _VANISHED:
            return None
        raise storage_error(path, error) from error


def _remove(paths: Iterable[Path]) -> None:
    """Remove files. What cannot be removed is of no use to anybody, and harms nobody."""
    for path in paths:
        with suppress(OSError):
            path.unlink()
