"""The checkpoints of a job in a folder: which to go on from, and what to do with those of another attempt."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from cnsr.config import Config
from cnsr.errors import CheckpointError
from cnsr.files import make_folder, storage_error
from cnsr.training.checkpoints import Checkpoint, DamagedCheckpointError, checkpoint_path, read_checkpoint
from cnsr.training.compatibility import changed_course, check_fits


@dataclass(frozen=True)
class Start:
    """Where a run starts.

    Attributes:
        checkpoint: to go on from; ``None`` for the beginning.
        path: of the checkpoint.
        notes: what the user should know about it.
    """

    checkpoint: Checkpoint | None = None
    path: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def iteration(self) -> int:
        """How many iterations are already done."""
        return self.checkpoint.iteration if self.checkpoint is not None else 0


def stats_path(folder: Path, job_name: str) -> Path:
    """Return where the numbers of a job are noted."""
    return folder / f"{job_name}.stats.jsonl"


def find_checkpoints(folder: Path, job_name: str) -> list[tuple[int, Path]]:
    """Return (iteration, path) of the job's checkpoints in `folder`, oldest first."""
    pattern = re.compile(re.escape(job_name) + r"_(\d+)\.pt")
    files = folder.iterdir() if folder.is_dir() else ()
    matches = [(pattern.fullmatch(file.name), file) for file in files]
    return sorted((int(match[1]), file) for match, file in matches if match)


def find_start(config: Config, folder: Path, path: Path | None = None, fresh: bool = False) -> Start:
    """Decide where a run of `config` with checkpoints in `folder` starts.

    With `path`, from that checkpoint; otherwise from the newest one of the job in `folder` that can be read, so that
    an interrupted run goes on when the same command is given again; with `fresh`, or without any, at the beginning.

    Raises:
        CheckpointError: the checkpoint cannot be read, or is of other networks.
    """
    if path is not None:
        return _start_from(config, read_checkpoint(path), path, _newer_than(config, folder, path))
    notes: list[str] = []
    for _, newest in [] if fresh else reversed(find_checkpoints(folder, config.job_name)):
        try:
            checkpoint = read_checkpoint(newest)
        except DamagedCheckpointError as error:
            notes.append(f"warning: {error}")
            continue
        try:
            return _start_from(config, checkpoint, newest, notes)
        except CheckpointError as error:
            raise CheckpointError(f"{error}; with --fresh training starts over, or choose another job_name") from error
    return Start(notes=tuple(notes))


def set_aside(folder: Path, job_name: str, start: Start) -> Path | None:
    """Move what earlier attempts of the job left in `folder`, and `start` does not continue, to ``folder/old``.

    Otherwise a run which starts over, is interrupted, and is resumed by the same command would go on from the wrong
    one. Nothing is deleted. The statistics stay, too, when `start` continues the job in this folder.

    Returns:
        The folder that they went to; ``None`` when there was nothing to move.

    Raises:
        StorageError: they could not be moved.
    """
    continues = start.path is not None and start.path.resolve() == (
        checkpoint_path(folder, job_name, start.iteration).resolve()
    )
    strangers = [
        path for iteration, path in find_checkpoints(folder, job_name) if not continues or iteration > start.iteration
    ]
    stats = stats_path(folder, job_name)
    if not continues and stats.is_file():
        strangers.append(stats)
    # A checkpoint that the run starts from stays where the user found it.
    strangers = [path for path in strangers if start.path is None or path.resolve() != start.path.resolve()]
    if not strangers:
        return None
    number = 1
    while (target := folder / "old" / f"{job_name}.{number}").exists():
        number += 1
    make_folder(target)
    if continues and stats.is_file():
        _copy(stats, target / stats.name)
    for path in strangers:
        try:
            path.rename(target / path.name)
        except OSError as error:
            raise storage_error(target / path.name, error) from error
    return target


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copy2(source, target)
    except OSError as error:
        raise storage_error(target, error) from error


def _newer_than(config: Config, folder: Path, path: Path) -> list[str]:
    found = find_checkpoints(folder, config.job_name)
    if found and found[-1][1].resolve() != path.resolve():
        return [f"note: {found[-1][1]} is there too; without --checkpoint, training goes on from it"]
    return []


def _start_from(config: Config, checkpoint: Checkpoint, path: Path, notes: list[str]) -> Start:
    check_fits(checkpoint, config, path)
    changed = changed_course(checkpoint, config)
    if changed:
        notes = [*notes, f"warning: training goes on with other settings than before: {'; '.join(changed)}"]
    return Start(checkpoint, path, tuple(notes))
