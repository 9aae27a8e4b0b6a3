"""Files that TensorBoard shows.

``torch.utils.tensorboard.SummaryWriter`` writes in a thread of its own, where a full disk ends in a traceback that
nobody can catch. A training run writes a few events a second at most, so here they are written at once.
"""

from __future__ import annotations

import itertools
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class EventFile:
    """One file of events in a folder. Each method raises ``OSError`` where the system refuses."""

    def __init__(self, folder: Path, first_step: int) -> None:
        """Create a file in the existing `folder`; TensorBoard then hides what older ones hold from `first_step` on."""
        # Imported here since it takes a second, which only those who log should pay.
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter
        from torch.utils.tensorboard import summary

        self._event: Any = Event
        self._summary: Any = summary
        self._file = _new_file(folder)
        self._records: Any = RecordWriter(self._file)
        for content in ({"file_version": "brain.Event:2"}, {"session_log": SessionLog(status=SessionLog.START)}):
            self._records.write(Event(wall_time=time.time(), step=first_step, **content).SerializeToString())
        self._file.flush()

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point to each of the named curves."""
        self._write(step, *(self._summary.scalar(name, value) for name, value in values.items()))

    def pictures(self, step: int, pictures: Mapping[str, NDArray[np.uint8]]) -> None:
        """Add pictures [H, W, 3], display-referred."""
        self._write(step, *(self._summary.image(name, image, dataformats="HWC") for name, image in pictures.items()))

    def text(self, step: int, name: str, content: str) -> None:
        """Add a text (Markdown)."""
        self._write(step, self._summary.text(name, content))

    def close(self) -> None:
        """Finish the file."""
        self._file.close()

    def _write(self, step: int, *summaries: Any) -> None:
        for summary in summaries:
            self._records.write(self._event(wall_time=time.time(), step=step, summary=summary).SerializeToString())
        self._file.flush()


def _new_file(folder: Path) -> IO[bytes]:
    """Open a file that was not there, named as TensorBoard wants it: it reads files in the order of their names."""
    stem = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}"
    unused = (path for number in itertools.count() if not (path := folder / f"{stem}.{number}").exists())
    return next(unused).open("xb")
