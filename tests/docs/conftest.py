"""What pages about scripts are compared with."""

import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

CODE = Path(__file__).resolve().parents[2] / "code"


@pytest.fixture(scope="session")
def options_of():
    """Return a function: the options of a script, in the order in which its help lists them."""

    @functools.cache
    def options_of(script):
        help_of = subprocess.run(
            [sys.executable, str(CODE / script), "--help"], check=True, capture_output=True, text=True, timeout=60
        ).stdout
        return re.findall(r"^  (--\w+)", help_of, re.MULTILINE)

    return options_of
