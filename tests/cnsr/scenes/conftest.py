import sys
from pathlib import Path

import pytest

from cnsr.scenes.datasets import randomizer
from cnsr.scenes.description import Scene
from cnsr.scenes.randomizer import draw_batch

sys.path.insert(0, str(Path(__file__).parents[2] / "reference"))


@pytest.fixture
def scene_data():
    """Return a fresh PrimitiveRoom scene as decoded JSON: lists, not tuples, with meshes, a sphere and a light."""
    drawn = draw_batch(randomizer("room"), seed=0, split="train", index=0, size=8, views=1, partitioned=False)
    scene = max((one.scenes[0] for one in drawn.scenes), key=lambda scene: len(scene.geometry))
    return as_lists(scene)


def as_lists(value):
    if isinstance(value, Scene):
        value = value.model_dump()
    if isinstance(value, dict):
        return {key: as_lists(item) for key, item in value.items()}
    return [as_lists(item) for item in value] if isinstance(value, list | tuple) else value
