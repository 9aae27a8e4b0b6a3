"""Images that get better with every pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnsr.rendering import Camera, LoadedScene, PathTracer, Progress

LARGEST_PASS = 64
"""Samples a pixel of one pass at most, so that pictures appear often enough."""

Images = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class RefinedView:
    """A view after some passes.

    Attributes:
        images: {buffer: float32 [H, W, C]}.
        pose: float64 [16], what networks see of the camera (``cnsr.rendering.View``).
    """

    images: Images
    pose: NDArray[np.float64]


class Refinement:
    """Views of one scene, rendered in passes of 1, 1, 2, 4, ... samples a pixel and averaged.

    The passes of a view have random numbers of their own, so their average by number of samples is that of as many
    independent samples. It depends on nothing but the number of samples: the last pass, which may be a smaller one,
    is forgotten when more samples are asked for.

    Args:
        tracer: renders.
        scene: loaded by it.
        cameras: of the views.
        seeds: of the views' samples, one each.
        size: of the images in pixels.
        buffers: to render.
    """

    def __init__(
        self,
        tracer: PathTracer,
        scene: LoadedScene,
        cameras: Sequence[Camera],
        seeds: Sequence[int],
        size: int,
        buffers: Sequence[str],
    ) -> None:
        self._tracer = tracer
        self._scene = scene
        self._cameras = tuple(cameras)
        self._seeds = tuple(seeds)
        self._size = size
        self._buffers = tuple(buffers)
        self._passes = 0  # whole ones, whose sums are kept
        self._kept = 0  # their samples
        self._sums: list[dict[str, NDArray[np.float64]]] = [{} for _ in cameras]
        self._poses: list[NDArray[np.float64]] = []
        self._samples = 0
        self._views: tuple[RefinedView, ...] = ()

    @property
    def samples(self) -> int:
        """Samples a pixel of `views`."""
        return self._samples

    @property
    def views(self) -> tuple[RefinedView, ...]:
        """The views so far; the same object until a pass changes it. Empty before the first pass."""
        return self._views

    def refine(self, target: int, progress: Progress | None = None) -> None:
        """Render the next pass on the way to `target` samples a pixel, at least 1.

        `samples` is then nearer to `target`, or equal to it; there are fewer than before if that was beyond it. Does
        nothing if it is there already.

        Args:
            target: how many samples a pixel there shall be in the end.
            progress: as of ``PathTracer.render``; what it raises leaves everything as it was.
        """
        if self._samples == target:
            return
        if self._kept > target:
            self._passes, self._kept, self._sums = 0, 0, [{} for _ in self._cameras]
        whole = _pass_size(self._passes)
        size = min(whole, target - self._kept)
        sums = self._sums
        if size > 0:
            rendered = self._tracer.render_views(
                [self._scene] * len(self._cameras),
                size=self._size,
                samples=size,
                seeds=self._seeds,
                views=self._passes,
                buffers=self._buffers,
                cameras=self._cameras,
                progress=progress,
            )
            sums = [_added(before, view.buffers, size) for before, view in zip(sums, rendered, strict=True)]
            self._poses = [view.pose for view in rendered]
        if size == whole:
            self._passes, self._kept, self._sums = self._passes + 1, self._kept + size, sums
        self._samples = self._kept if size == whole else self._kept + size
        self._views = tuple(
            RefinedView({name: (total / self._samples).astype(np.float32) for name, total in each.items()}, pose)
            for each, pose in zip(sums, self._poses, strict=True)
        )


def _pass_size(index: int) -> int:
    """Return the samples of the whole pass `index`: each doubles what there is, up to `LARGEST_PASS`."""
    return min(1 << max(index - 1, 0), LARGEST_PASS)


def _added(sums: dict[str, NDArray[np.float64]], images: Images, weight: int) -> dict[str, NDArray[np.float64]]:
    return {name: weight * image.astype(np.float64) + sums.get(name, 0.0) for name, image in images.items()}
