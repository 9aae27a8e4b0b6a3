"""What the command-line scripts share: error lines, exit status, stop signals."""

from __future__ import annotations

import errno
import os
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TextIO

from cnsr.errors import UserError

# What the system refuses for reasons that a user can mend, wherever it turns up.
_MENDABLE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT})
INTERRUPTED = 130  # the shell's convention for a process ended by SIGINT


def run(main: Callable[[], int | None]) -> None:
    """Run a script's `main` and exit with its status (``None`` is success).

    A ``UserError`` becomes one line on standard error and status 1, and so does what the system refuses for want of
    permission or space; Ctrl-C becomes status 130. Any other exception is a fault of the program and keeps its
    traceback.
    """
    _replace_closed_streams()
    warnings.showwarning = _show_warning
    # Dying quietly when the reader of a pipe goes away is what every Unix tool does.
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        status = main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        if error.errno not in _MENDABLE:
            raise
        place = f"{error.filename}: " if error.filename is not None else ""
        print(f"error: {place}{os.strerror(error.errno).lower()}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    sys.exit(status or 0)


def leave_on_termination() -> None:
    """Let SIGTERM, which ends jobs whose time is up, clean up as Ctrl-C does; the status stays that of the signal."""

    def leave(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)  # the next one does not wait
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, leave)


def _replace_closed_streams() -> None:
    """Let output go nowhere whose stream the caller has closed (``2>&-``); Python leaves ``None`` there."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open to the end


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning of ours as one line for people, and any other one as Python does."""
    if category is UserWarning:
        print(f"warning: {message}", file=file or sys.stderr)
    else:
        print(warnings.formatwarning(message, category, filename, lineno, line), end="", file=file or sys.stderr)
