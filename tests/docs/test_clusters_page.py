"""The examples of the page about clusters do what they say."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from cnsr.config import load_config
from cnsr.scenes.tree import write_tree

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "clusters.md").read_text(encoding="utf-8")
ARRAY, DASK, DASK_ON_SLURM = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SRUN = '#!/bin/sh\n# Without a cluster: the command itself.\nexec "$@"\n'
CONFIG = {
    "seed": 5,
    "dataset": "room",
    "batch_size": 2,
    "views_per_scene": 2,
    "samples_per_pixel": 16,
    "latent_separation": True,
    "model": {
        "representations": [{"type": "Pool", "observation_passes": ["beauty"], "render_size": 8}],
        "generators": [{"type": "PixelCNN", "query_passes": ["normal"], "render_size": 8}],
    },
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project folder as the examples expect it, with 20 small batches to be rendered."""
    (tmp_path / "code").symlink_to(ROOT / "code")
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "save_room.json").write_text(json.dumps(CONFIG))
    binaries = tmp_path / ".venv" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "activate").write_text(f'PATH="{binaries}:$PATH"\n')
    programs = {
        "python": f'#!/bin/sh\nexec {sys.executable} "$@"\n',
        "dask": f'#!/bin/sh\nexec {sys.executable} -m dask "$@"\n',
        "srun": SRUN,
    }
    for name, text in programs.items():
        (binaries / name).write_text(text)
        (binaries / name).chmod(0o755)
    write_tree(load_config(tmp_path / "configs" / "save_room.json"), tmp_path / "datasets" / "room_json", {"train": 20})
    return tmp_path


@pytest.fixture
def expected(project: Path) -> dict[str, str]:
    """Hashes of what one run makes."""
    command = [sys.executable, str(ROOT / "code" / "generate-dataset.py"), "--config"]
    command += [str(project / "configs" / "save_room.json"), "--in_folder", str(project / "datasets/room_json/train")]
    subprocess.run([*command, "--out_folder", str(project / "one")], check=True)
    return _hashes(project / "one")


@pytest.fixture
def shell(project: Path) -> Callable[..., str]:
    """Return a function that runs an example in the project and returns what it printed."""

    def run(script: str, **variables: str) -> str:
        with (project / "output.txt").open("w+") as output:
            process = subprocess.Popen(
                ["sh", "-c", script],
                cwd=project,
                env={**os.environ, "SLURM_SUBMIT_DIR": str(project), "SLURM_CPUS_PER_TASK": "1", **variables},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                status = process.wait(timeout=120)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # what it has started in the background
                process.wait()
            output.seek(0)
            text = output.read()
        assert status == 0, text
        return text

    return run


def _hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_the_page_is_linked() -> None:
    assert "docs/clusters.md" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_examples_are_shell_scripts() -> None:
    for script in (ARRAY, DASK, DASK_ON_SLURM):
        assert subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0


@pytest.mark.slow
def test_the_tasks_of_the_array_make_the_bytes_of_one_run(
    project: Path, expected: dict[str, str], shell: Callable[..., str]
) -> None:
    first, last = map(int, re.search(r"--array=(\d+)-(\d+)", ARRAY).groups())
    for task in range(last, first - 1, -1):
        shell(ARRAY, SLURM_ARRAY_TASK_ID=str(task))
    assert _hashes(project / "datasets" / "room" / "train") == expected


@pytest.mark.slow
@pytest.mark.parametrize("script", [DASK, DASK_ON_SLURM])
def test_the_examples_with_dask_make_the_bytes_of_one_run(
    project: Path, expected: dict[str, str], shell: Callable[..., str], script: str
) -> None:
    pytest.importorskip("distributed")
    shutil.rmtree(project / "datasets" / "room", ignore_errors=True)
    output = shell(script, SLURM_JOB_ID="7")
    assert "20 batches written, 0 already there" in output
    assert _hashes(project / "datasets" / "room" / "train") == expected
