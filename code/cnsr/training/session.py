"""A whole training run: everything checked first, then trained to the end or to the next interruption."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from cnsr.config import Config
from cnsr.datasets.batch import Batch
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
        faults: list[str] = []
        place = start = source = tests = model = None
        with _collected(faults):
            place = choose_device(device)
        with _collected(faults):
            make_folder(folder)
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
            raise UserError("; ".join(faults))
        for note in start.notes:
            progress.note(note)
        if start.path is not None and start.iteration >= config.iterations:
            progress.note(
                f"{start.path} has {start.iteration} iterations, the config asks for {config.iterations}: nothing to "
                "do; raise iterations to train on, or start over with --fresh"
            )
            return Outcome(start.iteration, start.path)
        trainer = Trainer(config, model.to(place), seed, folder)
        if start.checkpoint is not None and start.path is not None:
            trainer.restore(start.checkpoint, start.path)
        moved = set_aside(folder, config.job_name, start)
        if moved is not None:
            progress.note(f"files of an earlier attempt moved to {moved}")
        _announce(config, start, trainer.device, seed, progress)
        with StopRequest() as stop:
            held_out = _held_out(config, seed, tests)
            board = log_folder / config.job_name if config.logging else None
            journal = Journal(stats_path(folder, config.job_name), start.iteration, board)
            pinned = trainer.device.type == "cuda"
            batches = train_loader(config, seed, start.iteration, pin_memory=pinned, source=source)
            progress.begin(config.iterations, start.iteration)
            try:
                outcome = trainer.run(batches, held_out, journal, progress, stop)
            finally:
                progress.end()
                batches.close()
                journal.close()
        progress.note(f"{'stopped' if outcome.signal else 'done'}: {outcome.checkpoint}")
        return outcome


def _announce(config: Config, start: Start, device: torch.device, seed: int, progress: Progress) -> None:
    origin = f"on from {start.path}, at iteration {start.iteration}" if start.path is not None else "from the start"
    progress.note(f"training {config.job_name} {origin}, on {device}, seed {seed}")
    if config.multi_gpu and device.type == "cuda" and torch.cuda.device_count() > 1:
        progress.note(f"note: this version trains on one GPU; {device} is used, of {torch.cuda.device_count()}")


def _seed(config: Config, start: Start | None) -> int:
    """Return the seed of the run: the config's; with -1 the checkpoint's, else a drawn one."""
    if config.seed >= 0:
        return config.seed
    if start is not None and start.checkpoint is not None and start.checkpoint.seed is not None:
        return start.checkpoint.seed
    return secrets.randbits(31)


def _held_out(config: Config, seed: int, source: Source) -> list[Batch]:
    with test_loader(config, seed, limit=TEST_BATCHES, source=source) as batches:
        return list(batches)


@contextmanager
def _collected(faults: list[str]) -> Iterator[None]:
    """Note a user's mistake instead of raising it, so that all can be told at once."""
    try:
        yield
    except UserError as error:
        faults.append(str(error))


@contextmanager
def _warnings_shown(progress: Progress) -> Iterator[None]:
    """Show warnings as plain lines that leave the progress bar whole."""

    def show(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: object) -> None:
        ours = category is UserWarning
        progress.note(
            f"warning: {message}" if ours else warnings.formatwarning(message, category, filename, lineno).rstrip()
        )

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
