"""How the C library handles the memory of large arrays."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of glibc's malloc.h
_NEVER = -1


def keep_freed_memory() -> bool:
    """Let this process keep the memory of freed arrays for its next ones, and return whether it now does.

    By default glibc returns every large block to the system, which hands out zeroed pages, one fault each, when the
    next array is made. A training step frees and makes gigabytes: on the CPU this took a quarter of its time. Only
    glibc has this switch; elsewhere nothing happens. The process stays as large as it once was.
    """
    try:
        adjust = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(adjust(_M_MMAP_MAX, 0)) and bool(adjust(_M_TRIM_THRESHOLD, _NEVER))
