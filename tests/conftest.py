"""What all tests share."""

import os
from pathlib import Path

CODE = Path(__file__).resolve().parents[1] / "code"


def pytest_configure():
    # Programs that tests start find the package as the tests themselves do, installed or not.
    os.environ["PYTHONPATH"] = str(CODE)
