"""Random scenes from three independent factors: lighting, geometry and materials.

A dataset's randomizer draws each factor and each camera from a generator of its own, which depends on nothing but
(dataset seed, split, batch, scene, stream). So every scene is a pure function of its place in the dataset, and one
factor can be drawn anew while the others stay the same to the last bit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from typing import Literal

import numpy as np

from cnsr.scenes.description import Camera, Scene, compact_json, parse_scene
from cnsr.scenes.elements import Json

Split = Literal["train", "test"]


class Factor(IntEnum):
    """What may differ between the scenes of a partitioned batch; the numbers are those of ``factor.txt``."""

    LIGHTING = 0
    GEOMETRY = 1
    MATERIAL = 2


class _Stream(IntEnum):
    """What else has random numbers of its own, numbered after the factors."""

    VIEWS = 3
    VARIED_FACTOR = 4


@dataclass(frozen=True)
class Contents:
    """What one factor puts into a scene, or several together: JSON values as in a scene file."""

    materials: dict[str, Json] = field(default_factory=dict)
    lights: list[Json] = field(default_factory=list)
    geometry: list[Json] = field(default_factory=list)

    def __add__(self, other: Contents) -> Contents:
        return Contents(self.materials | other.materials, self.lights + other.lights, self.geometry + other.geometry)


class Randomizer(ABC):
    """Draws scenes of one dataset. Stateless: all chance comes from the generators that are passed in."""

    bounces: int
    hide_lights: bool

    @abstractmethod
    def surroundings(self) -> Contents:
        """Return what is the same in all scenes."""

    @abstractmethod
    def lighting(self, rng: np.random.Generator) -> Contents:
        """Draw the lights."""

    @abstractmethod
    def geometry(self, rng: np.random.Generator) -> Contents:
        """Draw which objects there are, and where."""

    @abstractmethod
    def materials(self, rng: np.random.Generator) -> Contents:
        """Draw what everything but the lights is made of."""

    @abstractmethod
    def view(self, rng: np.random.Generator, contents: Contents) -> Camera:
        """Draw a camera that sees the scene from a free place."""

    @abstractmethod
    def animate_view(self, t: float) -> Camera:
        """Return the camera at `t` in [0, 1] of a closed path for videos."""

    def draw(self, factor: Factor, rng: np.random.Generator) -> Contents:
        """Draw one factor."""
        drawers = {Factor.LIGHTING: self.lighting, Factor.GEOMETRY: self.geometry, Factor.MATERIAL: self.materials}
        return drawers[factor](rng)


@dataclass(frozen=True)
class DrawnScene:
    """One random scene with its views.

    Attributes:
        bounces, hide_lights, contents: as in a scene file.
        cameras: one a view.
        seeds: of the samples of each view's rendering.
    """

    bounces: int
    hide_lights: bool
    contents: Contents
    cameras: tuple[Camera, ...]
    seeds: tuple[int, ...]

    @cached_property
    def scenes(self) -> tuple[Scene, ...]:
        """The checked scene of every view."""
        return tuple(parse_scene(self._head(view) | self._body()) for view in range(len(self.cameras)))

    def json(self, view: int) -> str:
        """Return the scene file of a view: what ``description.scene_json`` says, but faster."""
        # All views have the same body, which is most of the text.
        return f"{compact_json(self._head(view))[:-2]},{self._body_text}"

    @cached_property
    def _body_text(self) -> str:
        return compact_json(self._body())[1:]

    def _head(self, view: int) -> Json:
        return {
            "seed": self.seeds[view],
            "bounces": self.bounces,
            "hide_lights": self.hide_lights,
            "camera": self.cameras[view].model_dump(),
        }

    def _body(self) -> Json:
        contents = self.contents
        return {"materials": contents.materials, "lights": contents.lights, "geometry": contents.geometry}


@dataclass(frozen=True)
class DrawnBatch:
    """Scenes that are trained on together.

    Attributes:
        factor: the only one in which the scenes differ (apart from their views), or None if all differ.
        scenes: the scenes.
    """

    factor: Factor | None
    scenes: tuple[DrawnScene, ...]


@dataclass(frozen=True)
class BatchPlace:
    """Where a batch stands: all that its scenes depend on, besides the randomizer and its size."""

    seed: int
    split: Split
    index: int

    def generator(self, stream: Factor | _Stream, scene: int | None = None) -> np.random.Generator:
        """Return the generator of one stream of random numbers, of a scene or (None) of the batch as a whole."""
        owner = 0 if scene is None else 1 + scene
        key = (0 if self.split == "train" else 1, self.index, owner, int(stream))
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(self.seed, spawn_key=key)))


def draw_batch(
    randomizer: Randomizer,
    seed: int,
    split: Split,
    index: int,
    size: int,
    views: int,
    partitioned: bool,
) -> DrawnBatch:
    """Draw a batch of scenes.

    Args:
        randomizer: of the dataset.
        seed: of the dataset, not negative.
        split: scenes of "train" and "test" have nothing in common.
        index: of the batch in its split.
        size: number of scenes; a larger batch begins with the scenes of a smaller one.
        views: number of cameras of each scene; likewise.
        partitioned: whether the scenes share all but one factor, which is drawn for the batch.
    """
    place = BatchPlace(seed, split, index)
    shared: dict[Factor, Contents] = {}
    varied = None
    if partitioned:
        varied = Factor(int(place.generator(_Stream.VARIED_FACTOR).integers(len(Factor))))
        shared = {one: randomizer.draw(one, place.generator(one)) for one in Factor if one is not varied}
    surroundings = randomizer.surroundings()
    scenes = (_draw_scene(randomizer, place, scene, views, surroundings, shared) for scene in range(size))
    return DrawnBatch(varied, tuple(scenes))


def _draw_scene(
    randomizer: Randomizer,
    place: BatchPlace,
    scene: int,
    views: int,
    surroundings: Contents,
    shared: dict[Factor, Contents],
) -> DrawnScene:
    contents = surroundings
    for factor in Factor:
        drawn = shared.get(factor)
        contents += randomizer.draw(factor, place.generator(factor, scene)) if drawn is None else drawn
    rng = place.generator(_Stream.VIEWS, scene)
    cameras, seeds = [], []
    for _ in range(views):
        seeds.append(int(rng.integers(2**31)))
        cameras.append(randomizer.view(rng, contents))
    return DrawnScene(randomizer.bounces, randomizer.hide_lights, contents, tuple(cameras), tuple(seeds))


def uniform(rng: np.random.Generator, ranges: Sequence[tuple[float, float]]) -> list[float]:
    """Draw a point that is uniform in a box, given as (low, high) of each axis."""
    return [low + (high - low) * u for (low, high), u in zip(ranges, rng.random(len(ranges)).tolist(), strict=True)]
