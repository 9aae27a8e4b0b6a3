"""What rendered views become on their way to a batch, whether it is written to a file or trained on at once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cnsr.datasets.stored import StoredBatch


class RenderedView(Protocol):
    """What a tracer returns for a view (``cnsr.rendering.View``)."""

    @property
    def buffers(self) -> Mapping[str, NDArray[Any]]:
        """{pass: [H, W, C]}, float32 or float16."""

    @property
    def pose(self) -> NDArray[np.float64]:
        """The world-to-camera matrix column by column, [16]."""

    @property
    def dropped(self) -> int:
        """How many samples were left out because they were not finite."""

    @property
    def samples(self) -> int:
        """Samples per pixel."""


def view_seed(seed: int, batch: str, scene: int, view: int) -> int:
    """Return the renderer's seed of a view, in [0, 2^31): a hash of its scene's `seed` and its place in the tree."""
    digest = hashlib.sha256(f"{seed}/{batch}/{scene}/{view}".encode()).digest()
    return int.from_bytes(digest[:4], "little") >> 1


def stored_batch(views: Sequence[RenderedView], scenes: int, factor: int | None, name: str) -> StoredBatch:
    """Return rendered `views`, which come scene by scene, as one batch of `scenes` scenes."""
    grid = (scenes, len(views) // scenes)
    passes: dict[str, NDArray[Any]] = {}
    for buffer in views[0].buffers:
        pixels = np.stack([view.buffers[buffer] for view in views])  # [S*V, H, W, C]
        channels_first = np.moveaxis(pixels, -1, 1)
        passes[buffer] = channels_first.reshape(*grid, *channels_first.shape[1:])
    poses = np.stack([np.asarray(view.pose, np.float32) for view in views]).reshape(*grid, 16)
    return StoredBatch(passes, poses, factor, name)
