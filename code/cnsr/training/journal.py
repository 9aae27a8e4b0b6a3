"""What a run leaves to look at: ``<job_name>.stats.jsonl`` beside the checkpoints, and TensorBoard files."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cnsr.errors import StorageError
from cnsr.files import make_folder, storage_error, write_text
from cnsr.training.event_file import EventFile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Journal:
    """Numbers, pictures and texts of a run, by iteration.

    Every line of the stats file is a JSON object: ``iteration`` and the numbers of that iteration under the names
    that TensorBoard shows. A journal that continues at iteration n first drops all that was noted after n (by a run
    that was killed after its last checkpoint), in both places, so that the history stays one consistent story.

    TensorBoard files are for looking at only: when they cannot be written any more, a warning says so, and the run
    goes on with the stats file alone.
    """

    def __init__(self, stats_file: Path, start: int, tensorboard_folder: Path | None) -> None:
        """Open the journal.

        Args:
            stats_file: the JSON-lines file, created when missing.
            start: iteration from which the run goes on, 0 for a new one.
            tensorboard_folder: where TensorBoard files go; ``None`` for none.

        Raises:
            StorageError: one of the places cannot be written.
        """
        self._path = stats_file
        _truncate(stats_file, start)
        try:
            self._file = stats_file.open("a", encoding="utf-8", newline="\n")
        except OSError as error:
            raise storage_error(stats_file, error) from error
        self._board: EventFile | None = None
        if tensorboard_folder is not None:
            make_folder(tensorboard_folder)
            try:
                self._board = EventFile(tensorboard_folder, start + 1 if start else 0)
            except OSError as error:
                raise storage_error(tensorboard_folder, error) from error

    def numbers(self, iteration: int, values: Mapping[str, float]) -> None:
        """Note `values` of `iteration`. Raises ``StorageError``."""
        line = json.dumps({"iteration": iteration, **values})
        try:
            self._file.write(line + "\n")
            self._file.flush()
        except OSError as error:
            raise storage_error(self._path, error) from error
        with self._board_given_up_on_failure():
            if self._board is not None:
                self._board.numbers(iteration, values)

    def pictures(self, iteration: int, pictures: Mapping[str, NDArray[np.uint8]]) -> None:
        """Show `pictures` ([H, W, 3], display-referred) in TensorBoard."""
        with self._board_given_up_on_failure():
            if self._board is not None:
                self._board.pictures(iteration, pictures)

    def text(self, iteration: int, name: str, content: str) -> None:
        """Show `content` (Markdown) in TensorBoard."""
        with self._board_given_up_on_failure():
            if self._board is not None:
                self._board.text(iteration, name, content)

    def close(self) -> None:
        """Finish the files. Raises ``StorageError``."""
        self._close_board()
        try:
            self._file.close()
        except OSError as error:
            raise storage_error(self._path, error) from error

    def _close_board(self) -> None:
        if self._board is not None:
            with suppress(OSError):  # all that could be written was flushed before
                self._board.close()
            self._board = None

    @contextmanager
    def _board_given_up_on_failure(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._close_board()
            warnings.warn(
                f"TensorBoard shows nothing from here on, since its files cannot be written ({error.strerror}); "
                f"training goes on, and its numbers stand in {self._path}",
                stacklevel=4,
            )

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _truncate(path: Path, start: int) -> None:
    """Keep the lines up to iteration `start`; a half line at the end, left by a power cut, goes too."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    kept = [line for line in lines if _iteration(line) <= start]
    if kept != lines:
        write_text(path, "".join(kept))


def _iteration(line: str) -> float:
    """Return the iteration that a line of the stats file speaks of; infinity where it is damaged."""
    try:
        value = json.loads(line)["iteration"] if line.endswith("\n") else None
    except (ValueError, KeyError, TypeError):
        value = None
    return value if isinstance(value, int) else float("inf")
