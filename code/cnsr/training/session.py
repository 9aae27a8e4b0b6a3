"""A whole training run: everything checked first, then trained to the end or to the next interruption."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import torch

from cnsr.config import Config
from cnsr.datasets.batch import Batch
from cnsr.datasets.loader import test_loader, train_loader
from cnsr.datasets.source import Source, open_source
from cnsr.errors import TrainingError, UserError
from cnsr.files import check_folder, make_folder
from cnsr.models.model import SceneModel
from cnsr.training.devices import choose_device, put_on
from cnsr.training.distributed import ALONE, Ranks, command_for_all_gpus
from cnsr.training.history import Start, find_start, set_aside, stats_path
from cnsr.training.journal import Journal
from cnsr.training.loop import Outcome, Trainer
from cnsr.training.progress import Progress
from cnsr.training.signals import StopRequest

TEST_BATCHES = 4
"""Held-out batches that every test looks at, always the same first ones: curves are then smooth and comparable."""

_ECHO = 5.0
"""Seconds within which a second stop signal to one of several processes is taken for the launcher's copy of the first.
"""


def train(
    config: Config,
    folder: Path,
    *,
    device: str | None = None,
    checkpoint: Path | None = None,
    fresh: bool = False,
    log_folder: Path = Path("runs"),
    progress: Progress | None = None,
    ranks: Ranks = ALONE,
    command: Sequence[str] = (),
) -> Outcome:
    """Train the networks of `config`, from the newest checkpoint in `folder` if there is one.

    Args:
        config: all settings.
        folder: where checkpoints and ``<job_name>.stats.jsonl`` go.
        device: ``cpu``, ``cuda`` or ``cuda:N``; by default a GPU if there is one.
        checkpoint: start from this one instead.
        fresh: start at the beginning; what is in `folder` of this job moves to ``folder/old``.
        log_folder: TensorBoard files go to a folder of the job's name in it.
        progress: what the user sees. Of several processes, only the first one shows anything.
        ranks: the processes that train together, within `distributed.joined`; all of them call this alike.
        command: script and options of this run, for a note on how to use more GPUs; none, no such note.

    Raises:
        UserError: something is wrong with the device, the data, the checkpoint or a folder (everything that is, is
            named), or training cannot go on.
        SystemExit: in processes other than the first one, where an error concerns all; the first one tells it.
    """
    progress = (progress or Progress()) if ranks.first else Progress.silent()
    with _warnings_shown(progress):
        ready = _prepare(_Request(config, folder, log_folder, device, checkpoint, fresh, ranks))
        for note in ready.start.notes:
            progress.note(note)
        if ready.start.path is not None and ready.start.iteration >= config.iterations:
            progress.note(
                f"{ready.start.path} has {ready.start.iteration} iterations, the config asks for {config.iterations}: "
                "nothing to do; raise iterations to train on, or start over with --fresh"
            )
            return Outcome(ready.start.iteration, ready.start.path)
        with _current(ready.device):
            trainer = _trainer(config, folder, ready, progress, ranks)
            _announce(config, ready, ranks, progress)
            if command and config.multi_gpu and device in (None, "cuda") and ranks.count == 1:
                _tell_of_more_gpus(config, command, progress)
            data = ready.data
            del ready  # the tensors of the checkpoint are in use no more
            with StopRequest(quiet=not ranks.first, echo=_ECHO if ranks.count > 1 else 0.0) as stop:
                outcome = _run(trainer, data, folder, log_folder, progress, stop, ranks)
        progress.note(f"{'stopped' if outcome.signal else 'done'}: {outcome.checkpoint}")
        return outcome


@dataclass(frozen=True)
class _Request:
    """What `train` was asked for."""

    config: Config
    folder: Path
    log_folder: Path
    device: str | None
    checkpoint: Path | None
    fresh: bool
    ranks: Ranks


@dataclass(frozen=True)
class _Data:
    """Where batches come from, and in which order; `tests` is ``None`` in processes that do not test."""

    seed: int
    source: Source
    tests: Source | None


@dataclass(frozen=True)
class _Ready:
    """What a run needs, found to be in order."""

    device: torch.device
    start: Start
    data: _Data
    model: SceneModel


def _prepare(request: _Request) -> _Ready:
    """Check everything; no file is changed yet. Raises ``UserError`` that names all that is wrong."""
    config, ranks = request.config, request.ranks
    faults: list[UserError] = []
    device = start = source = tests = model = None
    seed = 0
    with _collected(faults):
        ranks.check(config)
    with _collected(faults):
        device = choose_device(request.device, ranks)
    if ranks.first:
        with _collected(faults):
            check_folder(request.folder)
        if config.logging:
            with _collected(faults):
                check_folder(_board_folder(config, request.log_folder))
        with _collected(faults):
            start = _start(request)
        seed = _seed(config, start)
    start, seed = ranks.from_first((start, seed))
    with _collected(faults):
        source = open_source(config, "train", seed, ranks.share)
    if ranks.first:
        with _collected(faults):
            tests = open_source(config, "test", seed)
    with _collected(faults):
        torch.manual_seed(seed)
        model = SceneModel(config)
    ranks.agree(faults)
    if device is None or start is None or source is None or model is None:
        raise AssertionError("something is missing, and no fault says why")
    return _Ready(device, start, _Data(seed, source, tests), model)


def _start(request: _Request) -> Start:
    if request.fresh and request.checkpoint is not None:
        raise TrainingError("--fresh starts at the beginning, --checkpoint at a checkpoint: give one of them")
    return find_start(request.config, request.folder, request.checkpoint, request.fresh)


def _trainer(config: Config, folder: Path, ready: _Ready, progress: Progress, ranks: Ranks) -> Trainer:
    """Return the trainer in the state to start from, its `folder` free of what this run does not continue."""
    start = ready.start
    with ranks.agreed():
        trainer = Trainer(config, put_on(ready.device, ready.model), ready.data.seed, folder, ranks)
        if start.checkpoint is not None and start.path is not None:
            trainer.restore(start.checkpoint, start.path)
    with ranks.agreed():
        if ranks.first:
            make_folder(folder)
            moved = set_aside(folder, config.job_name, start)
            if moved is not None:
                progress.note(f"files of an earlier attempt moved to {moved}")
    return trainer


def _run(
    trainer: Trainer,
    data: _Data,
    folder: Path,
    log_folder: Path,
    progress: Progress,
    stop: StopRequest,
    ranks: Ranks,
) -> Outcome:
    config, first = trainer.config, trainer.iteration
    held_out: list[Batch] = []
    if data.tests is not None:
        with test_loader(config, data.seed, limit=TEST_BATCHES, source=data.tests) as tests:
            held_out = list(tests)
    board = _board_folder(config, log_folder) if config.logging else None
    pinned = trainer.device.type == "cuda"
    with (
        Journal(stats_path(folder, config.job_name), first, board) if ranks.first else nullcontext() as journal,
        train_loader(config, data.seed, first, pin_memory=pinned, source=data.source) as batches,
        progress.over(config.iterations, first),
        ranks.errors_told_once(),
    ):
        return trainer.run(batches, held_out, journal, progress, stop)


def _board_folder(config: Config, log_folder: Path) -> Path:
    return log_folder / config.job_name


def _announce(config: Config, ready: _Ready, ranks: Ranks, progress: Progress) -> None:
    start, place = ready.start, str(ready.device)
    origin = f"on from {start.path}, at iteration {start.iteration}" if start.path is not None else "from the start"
    if ranks.count > 1:
        share = config.batch_size // ranks.count
        place = f"{ranks.count} processes ({ready.device.type}, {share} scene{'s' * (share > 1)} of each batch)"
    progress.note(f"training {config.job_name} {origin}, on {place}, seed {ready.data.seed}")


def _tell_of_more_gpus(config: Config, command: Sequence[str], progress: Progress) -> None:
    text = command_for_all_gpus(config, command)
    if text is not None:
        progress.note(f"note: one of {torch.cuda.device_count()} GPUs is used; to use more of them: {text}")


def _seed(config: Config, start: Start | None) -> int:
    """Return the seed of the run: the config's; with -1 the checkpoint's, else a drawn one."""
    if config.seed >= 0:
        return config.seed
    if start is not None and start.checkpoint is not None and start.checkpoint.seed is not None:
        return start.checkpoint.seed
    return secrets.randbits(31)


def _current(device: torch.device) -> AbstractContextManager[None]:
    """Make a GPU the current one: page-locked memory would wake up the first one otherwise."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


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
