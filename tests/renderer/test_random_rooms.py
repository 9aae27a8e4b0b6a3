"""Whole scenes of the datasets: nothing is lost, nothing is infinite, parts add up, both estimators agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cnsr.buffers import BUFFERS
from cnsr.scenes.datasets import RANDOMIZERS
from cnsr.scenes.description import Scene
from cnsr.scenes.randomizer import draw_batch

DATASETS = sorted(RANDOMIZERS)
EXTENTS = {True: ((-3.5, 0.0, -3.25), (3.5, 2.6, 3.25)), False: ((-3.0, -0.5, -3.0), (3.0, 2.5, 3.0))}
"""Corners of a room, furnished or not."""


def rooms(dataset: str, count: int, seed: int = 3) -> list[Scene]:
    batch = draw_batch(RANDOMIZERS[dataset], seed, "test", 0, count, 1, partitioned=False)
    return [drawn.scenes[0] for drawn in batch.scenes]


def is_furnished(dataset: str) -> bool:
    return dataset.startswith("archviz")


def check_views(tracer: Any, dataset: str, scenes: list[Scene], size: int, samples: int) -> None:
    lowest, highest = np.array(EXTENTS[is_furnished(dataset)])
    views = tracer.render_views(scenes, size, samples, list(range(len(scenes))), tuple(BUFFERS))
    for scene, view in zip(scenes, views, strict=True):
        buffers = view.buffers
        assert view.dropped == 0
        for name, image in buffers.items():
            assert np.isfinite(image).all(), name
        assert np.array_equal(buffers["direct"] + buffers["indirect"], buffers["beauty"])
        assert np.array_equal(buffers["diffuse"] + buffers["specular"], buffers["beauty"])
        for name in ("beauty", "direct", "indirect", "diffuse", "specular", "depth"):
            assert buffers[name].min() >= 0, name
        # Rooms are closed: every ray hits something, not farther than the room's diagonal.
        assert buffers["depth"].min() > 0
        assert buffers["depth"].max() < 12
        low, high = buffers["position"].min((0, 1)), buffers["position"].max((0, 1))
        assert (low > lowest - 1e-3).all()
        assert (high < highest + 1e-3).all()
        labels = {material.id for material in scene.materials.values()}
        assert buffers["id"].max() <= max(labels) / (max(labels) + 1) + 1e-6


@pytest.mark.parametrize("dataset", DATASETS)
def test_rooms_render_soundly(tracer: Any, dataset: str) -> None:
    check_views(tracer, dataset, rooms(dataset, 4), 16, 4)


@pytest.mark.slow
@pytest.mark.parametrize("dataset", DATASETS)
def test_many_rooms_render_soundly(tracer: Any, dataset: str) -> None:
    check_views(tracer, dataset, rooms(dataset, 100, seed=8), 32, 16)


def compare_estimators(tracer: Any, scene: Scene, samples: int, precision: float) -> None:
    """Compare the mean image with and without light sampling, with lights made larger so that rays find them."""
    lights = [light.model_copy(update={"radius": 0.5}) for light in scene.lights]
    # A matt room: whether small lights are met by way of mirrors would be noise without end.
    materials = {name: m.model_copy(update={"roughness": max(m.roughness, 0.4)}) for name, m in scene.materials.items()}
    brighter = scene.model_copy(update={"lights": tuple(lights), "materials": materials})
    means = []
    for choice in (True, False):
        images = [
            tracer.render(brighter, 8, samples, seed, clamp=None, next_event_estimation=choice).buffers["beauty"]
            for seed in range(12)
        ]
        means.append(np.array([image.mean((0, 1)) for image in images], np.float64))
    error = np.hypot(means[0].std(0, ddof=1), means[1].std(0, ddof=1)) / np.sqrt(12)
    assert (error <= precision * means[1].mean(0) + 1e-9).all()
    assert (np.abs(means[0].mean(0) - means[1].mean(0)) <= 5.5 * error + 1e-9).all()


def test_both_estimators_agree_in_a_room_of_meshes_and_many_lights(tracer: Any) -> None:
    for scene in rooms("manymanyroom", 2, seed=5):
        compare_estimators(tracer, scene, 128, 0.02)


@pytest.mark.slow
# The lamp of a furnished room shines out of a shade, where rays hardly ever find it by chance.
@pytest.mark.parametrize("dataset", [name for name in DATASETS if not is_furnished(name)])
def test_both_estimators_agree_in_many_rooms(tracer: Any, dataset: str) -> None:
    for scene in rooms(dataset, 4, seed=21):
        compare_estimators(tracer, scene, 512, 0.02)
