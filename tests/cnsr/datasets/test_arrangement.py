from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from cnsr.datasets.arrangement import arrange, batch_candidates, view_order
from cnsr.datasets.stored import StoredBatch

Build = Callable[..., StoredBatch]
SEEDS = st.integers(0, 2**63 - 1)


def _first(seed: int, iteration: int, count: int | None) -> int:
    return next(batch_candidates(seed, iteration, count))


@given(seed=SEEDS, count=st.integers(1, 40), epoch=st.integers(0, 5))
def test_every_epoch_visits_every_batch_once(seed: int, count: int, epoch: int) -> None:
    visited = [_first(seed, epoch * count + position, count) for position in range(count)]
    assert sorted(visited) == list(range(count))


@given(seed=SEEDS, count=st.integers(1, 20), iteration=st.integers(0, 10**9))
def test_replacements_are_all_the_others(seed: int, count: int, iteration: int) -> None:
    candidates = list(batch_candidates(seed, iteration, count))
    assert sorted(candidates) == list(range(count))
    assert candidates == list(batch_candidates(seed, iteration, count))


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    orders = {
        (seed, epoch): tuple(_first(seed, epoch * 50 + position, 50) for position in range(50))
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(set(orders.values())) == 9
    followers = {tuple(itertools.islice(batch_candidates(0, iteration, 50), 1, 4)) for iteration in range(20)}
    assert len(followers) > 15  # a damaged file is not always replaced by the same one


def test_an_endless_source_is_read_in_order() -> None:
    assert [list(batch_candidates(5, iteration, None)) for iteration in (0, 7)] == [[0], [7]]


@given(seed=SEEDS, iteration=st.integers(0, 10**9), stored=st.integers(2, 9), data=st.data(), drawn=st.booleans())
def test_views_differ_and_the_number_is_as_asked(
    seed: int, iteration: int, stored: int, data: st.DataObject, drawn: bool
) -> None:
    views = data.draw(st.integers(2, stored))
    order = view_order(seed, iteration, stored, views, drawn)
    assert len(set(order)) == len(order)
    assert set(order) <= set(range(stored))
    assert 2 <= len(order) <= views
    if not drawn:
        assert len(order) == views


def test_the_number_of_observations_does_not_change_query_or_order() -> None:
    for iteration in range(50):
        full = view_order(1, iteration, 6, 5, False)
        fewer = view_order(1, iteration, 6, 5, True)
        assert fewer[-1] == full[-1]
        assert fewer[:-1] == full[: len(fewer) - 1]


def test_every_number_and_every_query_comes_up_equally_often() -> None:
    orders = [view_order(3, iteration, 5, 5, True) for iteration in range(4000)]
    counts = np.bincount([len(order) - 1 for order in orders], minlength=5)
    queries = np.bincount([order[-1] for order in orders], minlength=5)
    # five standard deviations of a binomial count
    assert np.all(np.abs(counts[1:] - 1000) < 5 * np.sqrt(4000 * 0.25 * 0.75))
    assert counts[0] == 0
    assert np.all(np.abs(queries - 800) < 5 * np.sqrt(4000 * 0.2 * 0.8))


@given(seed=st.integers(0, 99), order=st.permutations(range(4)), length=st.integers(2, 4), scenes=st.integers(1, 3))
def test_a_batch_holds_the_chosen_views(
    build_batch: Build, seed: int, order: list[int], length: int, scenes: int
) -> None:
    stored = build_batch(seed)
    chosen = order[:length]
    own = stored.only(range(3 - scenes, 3))
    batch = arrange(own, chosen, ("beauty", "normal"), ("depth", "beauty")).unpacked()
    assert list(batch.observations) == ["beauty", "normal"]
    assert list(batch.queries) == ["depth", "beauty"]
    for name, pixels in batch.observations.items():
        assert pixels.dtype == torch.float32
        expected = stored.passes[name][-scenes:][:, chosen[:-1]].astype(np.float32)
        np.testing.assert_array_equal(pixels.numpy(), expected)
    for name, pixels in batch.queries.items():
        np.testing.assert_array_equal(pixels.numpy(), stored.passes[name][-scenes:, chosen[-1]].astype(np.float32))
    np.testing.assert_array_equal(batch.observation_poses.numpy(), stored.poses[-scenes:][:, chosen[:-1]])
    np.testing.assert_array_equal(batch.query_poses.numpy(), stored.poses[-scenes:, chosen[-1]])
    assert (batch.factor, batch.name) == (stored.factor, stored.name)
    assert (batch.scene_count, batch.view_count) == (scenes, length - 1)
