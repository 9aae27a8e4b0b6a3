"""Where a walk's scenes and cameras come from: a dataset's randomizer, or a scene file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cnsr.config import Config
from cnsr.rendering import Camera
from cnsr.scenes import description
from cnsr.scenes.datasets import randomizer
from cnsr.scenes.randomizer import Contents, draw_batch

# Tells the random numbers of new observations from those of the dataset's batches (cnsr.scenes.randomizer).
_OBSERVATIONS = 7


@dataclass(frozen=True, eq=False)
class WalkScene:
    """A scene to walk through. Two of them are equal only if they are the same object.

    Attributes:
        number: of the scene in this walk; no two scenes share one.
        title: what the window calls it.
        description: what to render; its camera is where the walk begins.
        observations: where the network's observations are taken from.
        seeds: of the renderer's samples: of the walk's own view, and of each observation.
    """

    number: int
    title: str
    description: description.Scene
    observations: tuple[Camera, ...]
    seeds: tuple[int, ...]


class SceneSupply:
    """Draws scenes of a dataset that no network was trained on, and places for observations.

    The n-th scene is that of the dataset's n-th test batch with that seed, so a walk can be repeated.

    Args:
        config: names the dataset and the number of views.
        seed: of the dataset.

    Raises:
        ConfigError: there is no such dataset.
    """

    def __init__(self, config: Config, seed: int = 0) -> None:
        self._randomizer = randomizer(config.dataset)
        self._dataset = config.dataset
        self._views = config.views_per_scene
        self._seed = seed

    def random_scene(self, index: int, number: int) -> WalkScene:
        """Return the scene with that index in the dataset, as scene `number` of the walk."""
        batch = draw_batch(self._randomizer, self._seed, "test", index, 1, self._views, partitioned=False)
        drawn = batch.scenes[0]
        cameras = tuple(_for_rendering(camera) for camera in drawn.cameras[1:])
        return WalkScene(number, f"{self._dataset} {index}", drawn.scenes[0], cameras, drawn.seeds)

    def of_file(self, scene: description.Scene, title: str, number: int) -> WalkScene:
        """Return a scene that was read from a file; its observations are drawn as in the dataset's scenes."""
        cameras, seeds = self._draw(scene, number, 0)
        return WalkScene(number, title, scene, cameras, (scene.seed % 2**63, *seeds))

    def with_new_observations(self, scene: WalkScene, draw: int) -> WalkScene:
        """Return `scene` with observations from other places; each `draw` from 1 on gives others."""
        cameras, seeds = self._draw(scene.description, scene.number, draw)
        return WalkScene(scene.number, scene.title, scene.description, cameras, (scene.seeds[0], *seeds))

    def _draw(self, scene: description.Scene, number: int, draw: int) -> tuple[tuple[Camera, ...], tuple[int, ...]]:
        key = (_OBSERVATIONS, number, draw)
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(self._seed, spawn_key=key)))
        contents = _contents(scene)
        cameras, seeds = [], []
        for _ in range(self._views - 1):
            seeds.append(int(rng.integers(2**31)))
            cameras.append(_for_rendering(self._randomizer.view(rng, contents)))
        return tuple(cameras), tuple(seeds)


def _contents(scene: description.Scene) -> Contents:
    """Return what stands in the way of a camera.

    Randomizers keep cameras out of spherical lights. Lights of other kinds are no part of their scenes, and one that
    the scene's own camera is inside of is its surroundings, not an obstacle.
    """
    own = scene.camera.position
    lights = [
        light.model_dump()
        for light in scene.lights
        if isinstance(light, description.Sphere) and math.dist(own, light.position) > light.radius
    ]
    shapes = [shape.model_dump() for shape in scene.geometry]
    materials = {name: material.model_dump() for name, material in scene.materials.items()}
    return Contents(materials=materials, lights=lights, geometry=shapes)


def _for_rendering(camera: description.Camera) -> Camera:
    return Camera(_point(camera.position), _point(camera.lookat))


def _point(point: Sequence[float]) -> tuple[float, float, float]:
    x, y, z = point
    return x, y, z
