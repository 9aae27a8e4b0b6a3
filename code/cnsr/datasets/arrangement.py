"""Which batch comes when, which of its views are seen and which one is asked for.

All choices are pure functions of (seed, iteration): a resumed run goes on with the stream of an unbroken one, and the
number of worker processes makes no difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from cnsr.datasets.batch import Batch
from cnsr.datasets.stored import StoredBatch

# Independent random streams of one seed.
_EPOCH, _REPLACEMENT, _VIEWS = range(3)


def batch_candidates(seed: int, iteration: int, count: int | None) -> Iterator[int]:
    """Yield the index of the batch of `iteration`, then those that stand in for it should it be unusable.

    Args:
        seed: of the order, at least 0.
        iteration: from 0; every epoch of `count` iterations visits each batch once, in an order of its own.
        count: how many batches there are; ``None`` where they never end (batch i then is that of iteration i).
    """
    if count is None:
        yield iteration
        return
    epoch, position = divmod(iteration, count)
    first = int(_generator(seed, _EPOCH, epoch).permutation(count)[position])
    yield first
    for index in _generator(seed, _REPLACEMENT, iteration).permutation(count):
        if index != first:
            yield int(index)


def view_order(seed: int, iteration: int, stored_views: int, views: int, random_num_views: bool) -> list[int]:
    """Draw which views are observed and, as the last one, the query.

    Args:
        seed: of the order, at least 0.
        iteration: from 0.
        stored_views: how many views each scene has.
        views: how many of them take part: observations and one query (`views_per_scene`).
        random_num_views: whether the number of observations is drawn from [1, views - 1].
    """
    generator = _generator(seed, _VIEWS, iteration)
    order = generator.permutation(stored_views)[:views].tolist()
    observed = int(generator.integers(1, views)) if random_num_views else views - 1
    return [*order[:observed], order[-1]]


@dataclass(frozen=True)
class PackedBatch:
    """A batch whose tensors lie in one block, so that it passes between processes (and gets pinned) at once.

    Attributes:
        block: float32 [elements].
        observations: {pass: [B, N, C, H, W]}, shapes in the order in which they lie in the block.
        queries: {pass: [B, C, H, W]}, shapes of what follows; the poses come last.
        scenes: B.
        views: N.
        factor: as ``Batch.factor``.
        name: as ``Batch.name``.
    """

    block: Tensor
    observations: dict[str, tuple[int, ...]]
    queries: dict[str, tuple[int, ...]]
    scenes: int
    views: int
    factor: int | None
    name: str

    def unpacked(self) -> Batch:
        """Return the batch; its tensors are views of the block."""
        pieces = iter(_split(self.block, self._shapes()))
        return Batch(
            observations={name: next(pieces) for name in self.observations},
            queries={name: next(pieces) for name in self.queries},
            observation_poses=next(pieces),
            query_poses=next(pieces),
            factor=self.factor,
            name=self.name,
        )

    def pin_memory(self) -> PackedBatch:
        """Return it in page-locked memory."""
        return replace(self, block=self.block.pin_memory())

    def _shapes(self) -> list[tuple[int, ...]]:
        poses = [(self.scenes, self.views, 16), (self.scenes, 16)]
        return [*self.observations.values(), *self.queries.values(), *poses]


def arrange(
    stored: StoredBatch,
    order: Sequence[int],
    observation_passes: Sequence[str],
    query_passes: Sequence[str],
    allocate: Callable[[int], Tensor] = torch.empty,
) -> PackedBatch:
    """Return the scenes of `stored` as a batch of the views `order`, the last of which is the query.

    Args:
        stored: B scenes, with the passes below.
        order: indices of views.
        observation_passes: of the observed views.
        query_passes: of the query.
        allocate: makes the block, float32 [elements].
    """
    *observed, query = order
    scenes = len(stored.poses)
    observations = {name: (scenes, len(observed), *stored.passes[name].shape[2:]) for name in observation_passes}
    queries = {name: (scenes, *stored.passes[name].shape[2:]) for name in query_passes}
    packed = PackedBatch(torch.empty(0), observations, queries, scenes, len(observed), stored.factor, stored.name)
    packed = replace(packed, block=allocate(sum(map(math.prod, packed._shapes()))))
    batch = packed.unpacked()
    for name, target in batch.observations.items():
        # View by view: indexing with a list would copy the half floats before it converts them.
        for position, view in enumerate(observed):
            target.numpy()[:, position] = stored.passes[name][:, view]
    for name, target in batch.queries.items():
        target.numpy()[:] = stored.passes[name][:, query]
    batch.observation_poses.numpy()[:] = stored.poses[:, observed]
    batch.query_poses.numpy()[:] = stored.poses[:, query]
    return packed


def _split(block: Tensor, shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    pieces = torch.split(block, [math.prod(shape) for shape in shapes])
    return [piece.view(shape) for piece, shape in zip(pieces, shapes, strict=True)]


def _generator(*key: int) -> np.random.Generator:
    return np.random.default_rng(key)
