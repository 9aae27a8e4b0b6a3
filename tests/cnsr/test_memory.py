import platform
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="concerns glibc's malloc")


def freed_and_returned(policy):
    """MiB of the arrays that a new process frees while it keeps the newest one, and those that it then lacks."""
    code = f"""
        from pathlib import Path

        def resident():
            (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")]
            return int(line.split()[1]) / 1024

        import torch
        from cnsr.memory import keep_freed_memory, return_large_blocks
        assert {policy}
        for _ in range(2):  # by what is freed first, glibc learns which sizes to keep
            arrays = [torch.ones(6, 2**20) for _ in range(5)]
            full = resident()
            del arrays[:4]
        print(full - resident())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    return 96, float(done.stdout)


def test_by_default_gaps_stay():
    """Else there would be nothing to mend."""
    freed, returned = freed_and_returned("True")
    assert returned < freed / 2


def test_freed_memory_can_be_kept():
    freed, returned = freed_and_returned("keep_freed_memory()")
    assert returned < freed / 10


def test_large_blocks_can_go_back():
    freed, returned = freed_and_returned("return_large_blocks()")
    assert returned > 0.9 * freed
