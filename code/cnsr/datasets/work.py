"""What a run of generation has to do, and whom it tells how far it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cnsr.datasets.batch_jobs import SampleCounts
from cnsr.datasets.claims import Claims
from cnsr.datasets.manifest import RenderSettings
from cnsr.datasets.scene_files import BatchFiles


class Reporter(Protocol):
    """Is told how far generation is."""

    def checked(self, batches: Sequence[Path]) -> Iterable[Path]:
        """Return `batches` as they are; what is there of each is looked at when it is taken, which may take a while."""

    def begin(self, views: int) -> None:
        """`views` are to be rendered."""

    def finished(self, views: int) -> None:
        """`views` more are on disk, or will never be."""

    def fault(self, message: str) -> None:
        """A batch is left out, and why."""

    def note(self, message: str) -> None:
        """Something that explains why nothing seems to happen."""


@dataclass
class Summary:
    """What a run did.

    Attributes:
        written: batches.
        present: batches that were finished before.
        elsewhere: batches that other runs have finished meanwhile.
        broken: batches that were left out because of their scene files.
        lost: batches that were left out because workers died of them.
        views: those in the written batches.
        dropped: samples that were not finite.
        samples: per pixel, summed over views; only counted with a target error.
        limited: views that took as many samples as the target error's limit allows.
    """

    written: int = 0
    present: int = 0
    elsewhere: int = 0
    broken: int = 0
    lost: int = 0
    views: int = 0
    dropped: int = 0
    samples: int = 0
    limited: int = 0

    def complete(self) -> bool:
        """Return whether all batches are finished."""
        return not self.broken and not self.lost

    def line(self, seconds: float) -> str:
        """Return what to tell at the end of a run that took `seconds`."""
        text = f"{self.views} views rendered in {seconds:.1f} s ({self.views / max(seconds, 1e-9):.1f} views/s): "
        text += f"{self.written} batches written, {self.present} already there"
        if self.elsewhere:
            text += f", {self.elsewhere} by other runs"
        if self.samples:
            text += f"; {self.samples / max(self.views, 1):.0f} samples a pixel on average"
        if self.limited:
            text += f"; {self.limited} views went to the limit of samples"
        if self.dropped:
            text += f"; {self.dropped} samples were not finite and dropped"
        if self.broken:
            text += f"; {self.broken} left out, since their scene files are broken"
        if self.lost:
            text += f"; {self.lost} left out, since workers died of them"
        return text


@dataclass(frozen=True)
class Work:
    """What is to be rendered.

    Attributes:
        pending: batches that were not finished when the run started. Other runs may be at them.
        out_folder: where their files go.
        settings: of the pixels.
        claims: this run's part in `out_folder`.
        reporter: to be told.
        summary: to be kept.
    """

    pending: Sequence[BatchFiles]
    out_folder: Path
    settings: RenderSettings
    claims: Claims
    reporter: Reporter
    summary: Summary

    def written(self, views: int, counts: SampleCounts) -> None:
        """Count a batch that is on disk now."""
        self.summary.written += 1
        self.summary.views += views
        self.summary.dropped += counts.dropped
        self.summary.samples += counts.taken
        self.summary.limited += counts.limited
        self.reporter.finished(views)

    def found(self, files: BatchFiles) -> None:
        """Count a batch that another run has finished."""
        self.summary.elsewhere += 1
        self.reporter.finished(files.view_count)

    def broken(self, files: BatchFiles, message: str) -> None:
        """Count and report a batch whose scene files are broken."""
        self.reporter.fault(message)
        self.reporter.finished(files.view_count)
        self.summary.broken += 1

    def lost(self, files: BatchFiles, last_worker: str) -> None:
        """Count and report a batch at which several workers died, the last one at that address."""
        self.reporter.fault(
            f"{files.folder}: workers died while they rendered it, the last one {last_worker}; their logs may say why, "
            "such as a lack of memory"
        )
        self.reporter.finished(files.view_count)
        self.summary.lost += 1

    def waits(self, batches: int) -> None:
        """Report that other runs are at all that is left."""
        noun = "a batch" if batches == 1 else f"{batches} batches"
        self.reporter.note(f"waiting for {noun} that other runs are rendering")


class Engine(Protocol):
    """Renders batches: in this process (``cnsr.datasets.pipeline``) or in others (``cnsr.datasets.cluster``)."""

    def render(self, work: Work) -> None:
        """Return when every pending batch is on disk or known to be broken, whoever rendered it."""
