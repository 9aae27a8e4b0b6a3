"""What all tests share."""

import os
from pathlib import Path

from hypothesis import settings

# The same examples in every run: whether a change passes must not depend on luck. To look for others:
# sh run_tests.sh --hypothesis-profile=search
settings.register_profile("repeatable", derandomize=True)
settings.register_profile("search", derandomize=False)
settings.load_profile("repeatable")

CODE = Path(__file__).resolve().parents[1] / "code"


def pytest_configure():
    # Programs that tests start find the package as the tests themselves do, installed or not.
    os.environ["PYTHONPATH"] = str(CODE)
