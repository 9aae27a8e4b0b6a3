"""A whole training run: everything checked first, then trained to the end or to the next interruption."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import torch

from cnsr.config import Config
from cnsr.datasets.loader import test_loader, train_loader
from cnsr.datasets.source import Source, open_source
from cnsr.errors import TrainingError, UserError
from cnsr.files import make_folder
from cnsr.models.model import SceneModel
from cnsr.training.devices import choose_device
from cnsr.training.history import Start, find_start, set_aside, stats_path
from cnsr.training.journal import Journal
from cnsr.training.loop import Outcome, Trainer
from cnsr.training.progress import Progress
from cnsr.training.signals import StopRequest

TEST_BATCHES = 4
"""Held-out batches that every test looks at, always the same first ones: curves are then smooth and comparable."""


def train(
    config: Config,
    folder: Path,
    *,
    device: str | None = None,
    checkpoint: Path | None = None,
    fresh: bool = False,
    log_folder: Path = Path("runs"),
    progress: Progress | None = None,
) -> Outcome:
    """Train the networks of `config`, from the newest checkpoint in `folder` if there is one.

    Args:
        config: all settings.
        folder: where checkpoints and ``<job_name>.stats.jsonl`` go.
        device: ``cpu``, ``cuda`` or ``cuda:N``; by default a GPU if there is one.
        checkpoint: start from this one instead.
        fresh: start at the beginning; what is in `folder` of this job moves to ``folder/old``.
        log_folder: TensorBoard files go to a folder of the job's name in it.
        progress: what the user sees.

    Raises:
        UserError: something is wrong with the device, the data, the checkpoint or a folder (everything that is, is
            named), or training cannot go on.
    """
    progress = progress or Progress()
    with _warnings_shown(progress):
        ready = _prepare(config, folder, log_folder, device, checkpoint, fresh)
        start = ready.start
        for note in start.notes:
            progress.note(note)
        if start.path is not None and start.iteration >= config.iterations:
            progress.note(
                f"{start.path} has {start.iteration} iterations, the config asks for {config.iterations}: nothing to "
                "do; raise iterations to train on, or start over with --fresh"
            )
            return Outcome(start.iteration, start.path)
        trainer = Trainer(config, ready.model.to(ready.device), ready.seed, folder)
        if start.checkpoint is not None and start.path is not None:
            trainer.restore(start.checkpoint, start.path)
        moved = set_aside(folder, config.job_name, start)
        if moved is not None:
            progress.note(f"files of an earlier attempt moved to {moved}")
        _announce(config, ready, progress)
        with StopRequest() as stop:
            outcome = _run(config, folder, ready, trainer, log_folder, progress, stop)
        progress.note(f"{'stopped' if outcome.signal else 'done'}: {outcome.checkpoint}")
        return outcome


@dataclass(frozen=True)
class _Ready:
    """What a run needs, found to be in order."""

    device: torch.device
    start: Start
    seed: int
    source: Source
    tests: Source
    model: SceneModel


def _prepare(
    config: Config, folder: Path, log_folder: Path, device: str | None, checkpoint: Path | None, fresh: bool
) -> _Ready:
    """Check everything; no file is changed yet. Raises ``UserError`` that names all that is wrong."""
    faults: list[UserError] = []
    place = start = source = tests = model = None
    with _collected(faults):
        place = choose_device(device)
    with _collected(faults):
        make_folder(folder)
    if config.logging:
        with _collected(faults):
            make_folder(_board_folder(config, log_folder))
    with _collected(faults):
        if fresh and checkpoint is not None:
            raise TrainingError("--fresh starts at the beginning, --checkpoint at a checkpoint: give one of them")
        start = find_start(config, folder, checkpoint, fresh)
    seed = _seed(config, start)
    with _collected(faults):
        source = open_source(config, "train", seed)
    with _collected(faults):
        tests = open_source(config, "test", seed)
    with _collected(faults):
        torch.manual_seed(seed)
        model = SceneModel(config)
    if place is None or start is None or source is None or tests is None or model is None or faults:
        told = list(dict.fromkeys(map(str, faults)))  # the same one twice where it concerns both data sets
        raise faults[0] if len(told) == 1 else UserError("; ".join(told))
    return _Ready(place, start, seed, source, tests, model)


def _run(
    config: Config,
    folder: Path,
    ready: _Ready,
    trainer: Trainer,
    log_folder: Path,
    progress: Progress,
    stop: StopRequest,
) -> Outcome:
    with test_loader(config, ready.seed, limit=TEST_BATCHES, source=ready.tests) as tests:
        held_out = list(tests)
    board = _board_folder(config, log_folder) if config.logging else None
    pinned = ready.device.type == "cuda"
    with (
        Journal(stats_path(folder, config.job_name), ready.start.iteration, board) as journal,
        train_loader(config, ready.seed, ready.start.iteration, pin_memory=pinned, source=ready.source) as batches,
        progress.over(config.iterations, ready.start.iteration),
    ):
        return trainer.run(batches, held_out, journal, progress, stop)


def _board_folder(config: Config, log_folder: Path) -> Path:
    return log_folder / config.job_name


def _announce(config: Config, ready: _Ready, progress: Progress) -> None:
    start, device = ready.start, ready.device
    origin = f"on from {start.path}, at iteration {start.iteration}" if start.path is not None else "from the start"
    progress.note(f"training {config.job_name} {origin}, on {device}, seed {ready.seed}")
    if config.multi_gpu and device.type == "cuda" and torch.cuda.device_count() > 1:
        progress.note(f"note: this version trains on one GPU; {device} is used, of {torch.cuda.device_count()}")


def _seed(config: Config, start: Start | None) -> int:
    """Return the seed of the run: the config's; with -1 the checkpoint's, else a drawn one."""
    if config.seed >= 0:
        return config.seed
    if start is not None and start.checkpoint is not None and start.checkpoint.seed is not None:
        return start.checkpoint.seed
    return secrets.randbits(31)


@contextmanager
def _collected(faults: list[UserError]) -> Iterator[None]:
    """Note a user's mistake instead of raising it, so that all can be told at once."""
    try:
        yield
    except UserError as error:
        faults.append(error)


@contextmanager
def _warnings_shown(progress: Progress) -> Iterator[None]:
    """Show warnings as plain lines that leave the progress bar whole."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,  # noqa: ARG001 - progress has a stream of its own
        line: str | None = None,
    ) -> None:
        ours = category is UserWarning
        text = f"warning: {message}" if ours else warnings.formatwarning(message, category, filename, lineno, line)
        progress.note(text.rstrip())

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
