"""Names of processes that tell whether they still exist, as far as that can be seen from here."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TEXT = re.compile(r"([\w-]+)\.(\d+)\.(\d+)\.([0-9a-f]*)", re.ASCII)
_ENDED = ("Z", "X", "x")  # states of processes that are dead but not yet forgotten


@dataclass(frozen=True)
class ProcessIdentity:
    """A process among all of a cluster.

    Attributes:
        host: name of its machine, for people; letters, digits, hyphens and underscores.
        pid: its number.
        space: hash of where that number means this process: the machine's start and the process namespace
            (containers have their own); empty where the system tells neither.
        started: when it started, in the kernel's clock ticks, since numbers are used again; 0 where unknown.
    """

    host: str
    pid: int
    space: str
    started: int

    @classmethod
    def own(cls) -> ProcessIdentity:
        """Return that of this process."""
        node, space = platform.node(), ""
        with suppress(OSError):
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
            where = f"{node} {boot} {Path('/proc/self/ns/pid').readlink()}"
            space = hashlib.sha256(where.encode()).hexdigest()[:12]
        found = _state(os.getpid()) if space else None
        host = re.sub(r"[^\w-]", "_", node, flags=re.ASCII)[:64] or "unknown"
        return cls(host, os.getpid(), space, found[1] if found else 0)

    @classmethod
    def parse(cls, text: str) -> ProcessIdentity | None:
        """Return what `str` made a text of, ``None`` where it is none."""
        match = _TEXT.fullmatch(text)
        return cls(match[1], int(match[2]), match[4], int(match[3])) if match else None

    def __str__(self) -> str:
        return f"{self.host}.{self.pid}.{self.started}.{self.space}"

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
