"""How the C library handles the memory of large arrays.

Only glibc has these switches; elsewhere nothing happens. What is set holds for the whole process until its end, so
that it is for scripts, and not for what they call.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -3, -4  # of glibc's malloc.h
_NEVER = -1
_LARGE = 24_000_000  # bytes; glibc's own threshold grows to 32 MiB while a program runs


def keep_freed_memory() -> bool:
    """Let this process keep the memory of freed arrays for its next ones, and return whether it now does.

    By default glibc returns every large block to the system, which hands out zeroed pages, one fault each, when the
    next array is made. A training step of the pixel generator frees and makes gigabytes: on the CPU this took a quarter
    of its time. The process stays as large as it once was, and blocks of many sizes leave gaps.
    """
    adjust = _mallopt()
    return adjust is not None and bool(adjust(_M_MMAP_MAX, 0)) and bool(adjust(_M_TRIM_THRESHOLD, _NEVER))


def return_large_blocks() -> bool:
    """Let arrays of 24 MB and more come from the system and go back to it, and return whether they now do.

    A heap that serves them with all others is left with gaps, which made a step of the U-Net need a fifth more. Pages
    are huge, where the system has such, so that few have to be asked for. PyTorch reads that wish when it makes its
    first array: call this before.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    adjust = _mallopt()
    return adjust is not None and bool(adjust(_M_MMAP_THRESHOLD, _LARGE))


def _mallopt() -> Callable[[int, int], int] | None:
    try:
        adjust: Callable[[int, int], int] = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return None
    return adjust
