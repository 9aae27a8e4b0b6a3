"""What a run leaves to look at: ``<job_name>.stats.jsonl`` beside the checkpoints, and TensorBoard files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnsr.errors import StorageError
from cnsr.files import make_folder, storage_error, write_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Journal:
    """Numbers, pictures and texts of a run, by iteration.

    Every line of the stats file is a JSON object: ``iteration`` and the numbers of that iteration under the names
    that TensorBoard shows. A journal that continues at iteration n first drops all that was noted after n (by a run
    that was killed after its last checkpoint), in both places, so that the history stays one consistent story.
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
        self._board: Any = None
        if tensorboard_folder is not None:
            make_folder(tensorboard_folder)
            # Imported here since it takes a second, which only those who log should pay.
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(tensorboard_folder), purge_step=start + 1 if start else 0)

    def numbers(self, iteration: int, values: Mapping[str, float]) -> None:
        """Note `values` of `iteration`. Raises ``StorageError``."""
        line = json.dumps({"iteration": iteration, **values})
        try:
            self._file.write(line + "\n")
            self._file.flush()
        except OSError as error:
            raise storage_error(self._path, error) from error
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, iteration)

    def pictures(self, iteration: int, pictures: Mapping[str, NDArray[np.uint8]]) -> None:
        """Show `pictures` ([H, W, 3], display-referred) in TensorBoard."""
        if self._board is not None:
            for name, picture in pictures.items():
                self._board.add_image(name, picture, iteration, dataformats="HWC")

    def text(self, iteration: int, name: str, content: str) -> None:
        """Show `content` (Markdown) in TensorBoard."""
        if self._board is not None:
            self._board.add_text(name, content, iteration)

    def close(self) -> None:
        """Finish the files. Raises ``StorageError``."""
        try:
            self._file.close()
            if self._board is not None:
                self._board.close()
        except OSError as error:
            raise storage_error(self._path, error) from error

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
