"""Small scene files, and the arguments of generate-dataset.py to render them."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cnsr.config import load_config
from cnsr.scenes.tree import write_tree

CODE = Path(__file__).parents[2] / "code"
CONFIG: dict[str, Any] = {
    "seed": 5,
    "dataset": "room",
    "batch_size": 2,
    "test_batch_size": 2,
    "views_per_scene": 2,
    "samples_per_pixel": 2,
    "latent_separation": True,
    "model": {
        "representations": [{"type": "Pool", "observation_passes": ["beauty", "normal"], "render_size": 8}],
        "generators": [{"type": "PixelCNN", "query_passes": ["position", "indirect"], "render_size": 8}],
    },
}


@dataclass
class Rendering:
    """Batches of scene files in ``folder/json/train``, and runs of generate-dataset.py over them.

    Output folders are relative to ``folder``. ``expected``: hashes of the files of an undisturbed run, where known.
    """

    folder: Path
    expected: dict[str, str] = field(default_factory=dict)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def scenes(self) -> Path:
        return self.folder / "json" / "train"

    def set_samples(self, samples: int) -> None:
        (self.folder / "config.json").write_text(json.dumps({**CONFIG, "samples_per_pixel": samples}))

    def start(self, out: Path | str, *options: str) -> subprocess.Popen[str]:
        """Start a run that writes into `out`."""
        command = [sys.executable, str(CODE / "generate-dataset.py"), "--config", str(self.folder / "config.json")]
        command += ["--in_folder", str(self.scenes), "--out_folder", str(self.folder / out), "--threads", "1"]
        # A group of its own: what a test sends to it must not reach the test.
        self.started.append(
            subprocess.Popen(
                [*command, *options],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={"PYTHONPATH": str(CODE)},
                start_new_session=True,
            )
        )
        return self.started[-1]

    def run(self, out: Path | str, *options: str) -> tuple[int, str, str]:
        """Return status, standard output and standard error of a run that writes into `out`."""
        process = self.start(out, *options)
        output, errors = process.communicate(timeout=120)
        return process.returncode, output, errors

    def hashes(self, out: Path | str) -> dict[str, str]:
        """Return a hash of each file in `out`, hidden ones as well."""
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (self.folder / out).iterdir()}

    def claims(self, out: Path | str) -> dict[str, int]:
        """Return which batches are claimed in `out`, and the process that holds each."""
        found = {}
        for path in (self.folder / out).glob(".batch*.claim.*"):
            owner = path.read_text().split(".") if path.exists() else []
            if len(owner) == 5:
                found[path.name.split(".")[1]] = int(owner[1])
        return found

    def wait_for_claim(self, out: Path | str, among: Callable[[int], bool] = lambda _: True) -> int:
        """Return the process that has begun a batch in `out`, once there is one of those."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            for process in self.claims(out).values():
                if among(process):
                    return process
            time.sleep(0.005)
        raise AssertionError("nobody begins a batch")

    def end(self) -> None:
        """Kill what still runs."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()


def _describe(folder: Path, batches: int, samples: int) -> Rendering:
    made = Rendering(folder)
    made.set_samples(samples)
    write_tree(load_config(folder / "config.json"), folder / "json", {"train": batches})
    return made


@pytest.fixture
def rendering(tmp_path: Path) -> Iterator[Callable[..., Rendering]]:
    """Return a function that describes batches; runs over them do not outlive the test."""
    made = []

    def make(batches: int, samples: int = 2) -> Rendering:
        made.append(_describe(tmp_path, batches, samples))
        return made[-1]

    yield make
    for each in made:
        each.end()


@pytest.fixture(scope="session")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rendering]:
    """Twelve batches of some tenths of a second each, which all tests share that do not change them."""
    made = _describe(tmp_path_factory.mktemp("room"), batches=12, samples=256)
    status, _, errors = made.run("alone")
    assert (status, errors) == (0, "")
    made.expected = made.hashes("alone")
    yield made
    made.end()
