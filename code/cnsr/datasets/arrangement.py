"""Which batch comes when, which of its views are seen and which one is asked for.

All choices are pure functions of (seed, iteration): a resumed run goes on with the stream of an unbroken one, and the
number of worker processes makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
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


def arrange(
    stored: StoredBatch,
    order: Sequence[int],
    scenes: int,
    observation_passes: Sequence[str],
    query_passes: Sequence[str],
) -> Batch:
    """Return the first `scenes` scenes of `stored` as a batch of the views `order`, the last of which is the query."""
    *observed, query = order
    poses = torch.from_numpy(np.array(stored.poses[:scenes], np.float32))  # [B, V, 16]
    return Batch(
        observations={name: _views(stored.passes[name], scenes, observed) for name in observation_passes},
        observation_poses=poses[:, observed],
        queries={name: _views(stored.passes[name], scenes, [query])[:, 0] for name in query_passes},
        query_poses=poses[:, query],
        factor=stored.factor,
        name=stored.name,
    )


def _views(pixels: NDArray[np.floating], scenes: int, views: Sequence[int]) -> Tensor:
    """Return [B, len(views), C, H, W] float32. View by view: indexing with a list would copy the half floats first."""
    selected = np.empty((scenes, len(views), *pixels.shape[2:]), np.float32)
    for position, view in enumerate(views):
        selected[:, position] = pixels[:scenes, view]
    return torch.from_numpy(selected)


def _generator(*key: int) -> np.random.Generator:
    return np.random.default_rng(key)
