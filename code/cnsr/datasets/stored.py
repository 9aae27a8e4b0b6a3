"""One batch as it lies in a file, whatever the file's format."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnsr.buffers import BUFFERS

FACTORS = ("lighting", "geometry", "material")
"""What may be the only thing that differs between the scenes of a batch; a batch's factor is an index of it."""

HALF_MAX = 65504.0
"""The largest finite half float."""


@dataclass(frozen=True)
class Contents:
    """What a file holds, known without decoding its pixels.

    Attributes:
        passes: names of its buffers, in table order.
        size: pixels along an edge of its square images.
        scenes: S.
        views: V, of each scene.
        factor: index into ``FACTORS`` of what differs between the scenes, or ``None``.
    """

    passes: tuple[str, ...]
    size: int
    scenes: int
    views: int
    factor: int | None


@dataclass(frozen=True)
class StoredBatch:
    """S scenes of V views each.

    Attributes:
        passes: {pass: [S, V, C, H, W]}, float16 or float32 as the file has it.
        poses: [S, V, 16] float32, the 4x4 world-to-camera matrix flattened column by column.
        factor: index into ``FACTORS`` of what differs between the scenes, or ``None``.
        name: the file or origin, for messages.
        notes: lines that a person should be told once.
    """

    passes: dict[str, NDArray[Any]]
    poses: NDArray[np.float32]
    factor: int | None
    name: str
    notes: tuple[str, ...] = ()

    @property
    def contents(self) -> Contents:
        """What is there, as ``Contents``."""
        scenes, views = self.poses.shape[:2]
        size = next(iter(self.passes.values())).shape[-1] if self.passes else 0
        return Contents(in_table_order(self.passes), size, scenes, views, self.factor)

    def only(self, scenes: range) -> StoredBatch:
        """Return the batch of these scenes alone; nothing is copied."""
        chosen = slice(scenes.start, scenes.stop)
        passes = {name: pixels[chosen] for name, pixels in self.passes.items()}
        return replace(self, passes=passes, poses=self.poses[chosen])


def in_table_order(names: Any) -> tuple[str, ...]:
    """Return those of `names` that are buffers, in the order of the buffer table."""
    return tuple(name for name in BUFFERS if name in names)


def to_half(pixels: NDArray[Any]) -> NDArray[np.float16]:
    """Round `pixels` to half floats; what a half cannot hold becomes its largest value, and NaN becomes 0."""
    if pixels.dtype == np.float16:
        return np.asarray(pixels, np.float16)
    with np.errstate(over="ignore"):
        half = pixels.astype(np.float16, order="C")
    if not _not_finite(half).any():
        return half
    finite = np.nan_to_num(pixels, nan=0.0, posinf=HALF_MAX, neginf=-HALF_MAX)
    return np.asarray(np.clip(finite, -HALF_MAX, HALF_MAX), np.float16)


def cleaned(batch: StoredBatch) -> StoredBatch:
    """Return `batch` with NaN and infinite values as 0 (and a note that says so) and `indirect` not below 0.

    Indirect light is the difference of two estimates, so that noise and rounding make it negative.
    """
    passes = dict(batch.passes)
    faults: dict[str, int] = {}
    for name, pixels in batch.passes.items():
        broken = _not_finite(pixels)
        count = int(np.count_nonzero(broken))
        if count:
            faults[name] = count
            passes[name] = np.where(broken, pixels.dtype.type(0), pixels)
    if "indirect" in passes:
        passes["indirect"] = np.maximum(passes["indirect"], passes["indirect"].dtype.type(0))
    if not faults:
        return replace(batch, passes=passes)
    parts = ", ".join(f"{count} of {name}" for name, count in faults.items())
    note = f"{batch.name}: values that are NaN or infinite were read as 0 ({parts})"
    return replace(batch, passes=passes, notes=(*batch.notes, note))


def _not_finite(pixels: NDArray[Any]) -> NDArray[np.bool_]:
    if pixels.dtype == np.float16:
        # NumPy tests halves one by one; the exponent bits of an array of integers are tested many at a time.
        exponent = np.uint16(0x7C00)
        return np.asarray((np.ascontiguousarray(pixels).view(np.uint16) & exponent) == exponent)
    return np.asarray(~np.isfinite(pixels))
