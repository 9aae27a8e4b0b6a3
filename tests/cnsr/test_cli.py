"""Exit statuses and error lines of the scripts."""

import subprocess
import sys

import pytest

from cnsr import cli
from cnsr.errors import ConfigError


def status_of(main):
    with pytest.raises(SystemExit) as caught:
        cli.run(main)
    return caught.value.code


def fail(error):
    raise error


def test_success_and_own_statuses():
    assert status_of(lambda: None) == 0
    assert status_of(lambda: 3) == 3


def test_a_users_error_is_one_line_on_standard_error(capsys):
    assert status_of(lambda: fail(ConfigError("a.json: seed: wrong"))) == 1
    assert capsys.readouterr() == ("", "error: a.json: seed: wrong\n")


def test_an_interrupt_has_the_shells_status(capsys):
    assert status_of(lambda: fail(KeyboardInterrupt())) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_fault_of_the_program_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        cli.run(lambda: fail(ZeroDivisionError()))


def test_warnings_to_the_user_are_one_line():
    program = (
        "import warnings; from cnsr import cli;"
        "cli.run(lambda: (warnings.warn('mind the gap'), warnings.warn('old', FutureWarning)) and None)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[0] == "warning: mind the gap"
    assert "FutureWarning: old" in done.stderr
