"""Which process wrote a file, and whether it still exists, as far as that can be told from here."""

from __future__ import annotations

import json
import os
import platform
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

_ENDED = ("Z", "X", "x")  # states of processes that are dead but not yet forgotten


@dataclass(frozen=True)
class ProcessIdentity:
    """A process among all of a cluster.

    Attributes:
        host: name of its machine, for people.
        pid: its number.
        space: where that number means this process: the machine's start and the process namespace (containers have
            their own); empty where the system tells neither.
        started: when it started, in the kernel's clock ticks, since numbers are used again; 0 where unknown.
    """

    host: str
    pid: int
    space: str
    started: int

    @classmethod
    def own(cls) -> ProcessIdentity:
        """Return that of this process."""
        host, space = platform.node(), ""
        with suppress(OSError):
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
            space = f"{host} {boot} {Path('/proc/self/ns/pid').readlink()}"
        found = _state(os.getpid()) if space else None
        return cls(host, os.getpid(), space, found[1] if found else 0)

    @classmethod
    def from_json(cls, text: str) -> ProcessIdentity | None:
        """Return what `to_json` wrote, or ``None`` where it is not (or not yet) whole."""
        try:
            values = json.loads(text)
            return cls(str(values["host"]), int(values["pid"]), str(values["space"]), int(values["started"]))
        except (ValueError, TypeError, KeyError):
            return None

    def to_json(self) -> str:
        """Return a line of JSON."""
        return json.dumps(asdict(self)) + "\n"

    def exists(self, here: ProcessIdentity) -> bool | None:
        """Return whether the process still runs, seen from the process `here`; ``None`` where it cannot be seen."""
        if not self.space or self.space != here.space or not self.started:
            return None
        try:
            found = _state(self.pid)
        except OSError:
            return None
        if found is not None:
            state, started = found
            return started == self.started and state not in _ENDED
        # Systems may hide the processes of other users, but not that the number is taken.
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return None


def _state(pid: int) -> tuple[str, int] | None:
    """Return state and start of the process `pid`, ``None`` if there is none (proc(5), /proc/pid/stat)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()  # the name before it may hold anything
    return fields[0], int(fields[19])
