"""The scenes that a viewer goes through: random ones of a dataset or that of a file, each observed anew at will."""

from __future__ import annotations

from pathlib import Path

from cnsr.rendering import PathTracer
from cnsr.scenes import description
from cnsr.scenes.description import load_scene
from cnsr.viewers.walk_scenes import SceneSupply, WalkScene

FirstScene = tuple[description.Scene, str]
"""A scene to begin with, and what to call it."""


class Tour:
    """Goes from scene to scene, counting them.

    Args:
        supply: where scenes and the places of observations come from.
        first: to begin with, instead of a random one.
    """

    def __init__(self, supply: SceneSupply, first: FirstScene | None = None) -> None:
        self._supply = supply
        self._numbers = 0  # scenes so far
        self._index = -1  # of the dataset's scene
        self._draws = 0  # of observations of this scene
        self._scene: WalkScene
        if first is None:
            self.go_on()
        else:
            self.enter(supply.of_file(*first, number=self._numbers))

    @property
    def scene(self) -> WalkScene:
        """The scene that it is at."""
        return self._scene

    @property
    def next_number(self) -> int:
        """The number that the next scene must have."""
        return self._numbers

    def go_on(self) -> None:
        """Go to the next random scene of the dataset."""
        self._index += 1
        self.enter(self._supply.random_scene(self._index, self._numbers))

    def enter(self, scene: WalkScene) -> None:
        """Go to a scene whose number is `next_number`."""
        self._scene = scene
        self._numbers += 1
        self._draws = 0

    def observe_anew(self) -> None:
        """Observe the scene from other places."""
        self._draws += 1
        self._scene = self._supply.with_new_observations(self._scene, self._draws)


def first_scene(scene_file: Path | None, tracer: PathTracer) -> FirstScene | None:
    """Return the scene of a file, if one is named, after making sure that it can be rendered.

    Raises:
        SceneError: there is no such file, it is damaged, or a mesh is missing.
    """
    if scene_file is None:
        return None
    scene = load_scene(scene_file), scene_file.name
    tracer.load_scene(scene_file)  # a mesh that is missing is told with the name of the file
    return scene
