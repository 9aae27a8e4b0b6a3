"""What was done, and how long it took, kept on disk so that a second run can reuse and still report it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cnsr.errors import UserError
from cnsr.files import write_text

SCRIPTS = Path(__file__).resolve().parents[2]
"""Folder of the command-line scripts."""


class PhaseError(UserError):
    """A script that the quickstart called has failed; it has said why itself."""


class Timings:
    """Seconds of work by phase, summed over interrupted runs and kept in a JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.seconds: dict[str, float] = {}
        if path.is_file():
            self.seconds = {name: float(value) for name, value in json.loads(path.read_text()).items()}

    def add(self, phase: str, seconds: float) -> None:
        """Count `seconds` of work for `phase`. Raises ``StorageError``."""
        self.seconds[phase] = self.seconds.get(phase, 0.0) + seconds
        write_text(self._path, json.dumps(self.seconds, indent=2) + "\n")

    @contextmanager
    def phase(self, name: str, pending: Callable[[], bool]) -> Iterator[bool]:
        """Announce a phase and time it; yields whether there is work to do.

        Args:
            name: of the phase.
            pending: tells whether some of its work is still to do. Nothing is counted where none was, so that the
                time of the run that did the work stays on record.
        """
        work = pending()
        print(f"== {name}" if work else f"== {name}: already there", flush=True)
        start = time.monotonic()
        try:
            yield work
        finally:
            if work:
                self.add(name, time.monotonic() - start)


def run_script(name: str, *arguments: str | Path, folder: Path | None = None) -> None:
    """Run one of the project's scripts with this interpreter; its output goes to the terminal as it comes.

    Args:
        name: of the script.
        arguments: its command line.
        folder: its working directory; default is this process's.

    Raises:
        PhaseError: the script failed.
        KeyboardInterrupt: it was interrupted.
    """
    command = [sys.executable, str(SCRIPTS / name), *(str(argument) for argument in arguments)]
    status = subprocess.run(command, cwd=folder, check=False).returncode
    if status in (130, -2):
        raise KeyboardInterrupt
    if status:
        raise PhaseError(f"{name} failed with exit status {status}; mend what it says and run the same command again")
