"""Phases of the quickstart: times that survive, scripts that fail."""

import json

import pytest

from cnsr.quickstart import phases
from cnsr.quickstart.phases import PhaseError, Timings, run_script


def test_work_is_timed_and_summed_over_runs(tmp_path, capsys):
    path = tmp_path / "timings.json"
    with Timings(path).phase("rendering", lambda: True) as work:
        assert work
    first = json.loads(path.read_text())["rendering"]
    Timings(path).add("rendering", 10)
    with Timings(path).phase("rendering", lambda: False) as work:
        assert not work
    assert json.loads(path.read_text()) == {"rendering": pytest.approx(first + 10)}
    assert capsys.readouterr().out == "== rendering\n== rendering: already there\n"


def test_time_of_an_interrupted_phase_counts(tmp_path):
    path = tmp_path / "timings.json"
    with pytest.raises(KeyboardInterrupt), Timings(path).phase("training", lambda: True):
        raise KeyboardInterrupt
    assert set(json.loads(path.read_text())) == {"training"}


@pytest.mark.parametrize(
    ("program", "error"), [("raise SystemExit(3)", PhaseError), ("raise SystemExit(130)", KeyboardInterrupt)]
)
def test_a_script_that_fails_ends_the_quickstart(tmp_path, monkeypatch, program, error):
    monkeypatch.setattr(phases, "SCRIPTS", tmp_path)
    (tmp_path / "fails.py").write_text(program)
    with pytest.raises(error):
        run_script("fails.py")


def test_a_script_gets_its_arguments_and_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(phases, "SCRIPTS", tmp_path)
    (tmp_path / "works.py").write_text("import sys, pathlib; pathlib.Path('said').write_text(' '.join(sys.argv[1:]))")
    (tmp_path / "there").mkdir()
    run_script("works.py", "--a", "1", folder=tmp_path / "there")
    assert (tmp_path / "there" / "said").read_text() == "--a 1"
