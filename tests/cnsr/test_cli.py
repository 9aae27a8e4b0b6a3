"""Exit statuses and error lines of the scripts."""

import errno
import os
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


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (PermissionError(errno.EACCES, "", "some/folder"), "error: some/folder: permission denied\n"),
        (OSError(errno.ENOSPC, ""), "error: no space left on device\n"),
    ],
)
def test_what_the_system_refuses_a_user_is_one_line(capsys, error, line):
    assert status_of(lambda: fail(error)) == 1
    assert capsys.readouterr().err == line


def test_other_refusals_are_faults_of_the_program():
    with pytest.raises(FileNotFoundError):
        cli.run(lambda: fail(FileNotFoundError(errno.ENOENT, "", "gone")))


def test_closed_streams_stop_nothing(tmp_path):
    program = (
        "import sys; from pathlib import Path; from cnsr import cli\n"
        "def main():\n    print('a'); print('b', file=sys.stderr); Path('done').touch()\n"
        "cli.run(main)"
    )

    def close():
        os.close(1)
        os.close(2)

    assert subprocess.run([sys.executable, "-c", program], cwd=tmp_path, preexec_fn=close).returncode == 0
    assert (tmp_path / "done").exists()
