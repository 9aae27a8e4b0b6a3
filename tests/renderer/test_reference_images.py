"""Images stay what they were when they agreed with Mitsuba's: at few samples, against stored means and variances."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference_images
from image_statistics import Comparison, compare_with_reference
from scene_gallery import dimmed, gallery, write_texture

from cnsr.scenes.description import Scene

RENDERINGS = 16
FEW = 4
"""Renderings that suffice to see an error of 3 %."""


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scene]:
    folder = tmp_path_factory.mktemp("gallery")
    write_texture(folder)
    return gallery(folder)


def compare(tracer: Any, scene: Scene, name: str, count: int) -> Comparison:
    views = tracer.render_views(
        [scene] * count, reference_images.SIZE, reference_images.SAMPLES, list(range(count)), clamp=None
    )
    images = np.stack([view.buffers["beauty"] for view in views])
    return compare_with_reference(images, reference_images.load(name))


@pytest.mark.parametrize("name", reference_images.NAMES)
def test_images_are_those_of_the_references(tracer: Any, scenes: dict[str, Scene], name: str) -> None:
    comparison = compare(tracer, scenes[name], name, RENDERINGS)
    assert comparison.agree, str(comparison)


@pytest.mark.parametrize("name", reference_images.NAMES)
def test_an_error_of_three_percent_in_a_light_is_seen(tracer: Any, scenes: dict[str, Scene], name: str) -> None:
    assert not compare(tracer, dimmed(scenes[name], light=0.97), name, FEW).agree


@pytest.mark.parametrize("name", [name for name in reference_images.NAMES if not name.startswith("mirrors")])
def test_an_error_of_three_percent_in_albedo_is_seen(tracer: Any, scenes: dict[str, Scene], name: str) -> None:
    assert not compare(tracer, dimmed(scenes[name], albedo=0.97), name, FEW).agree


def test_references_are_small_and_complete() -> None:
    files = {reference_images.path(name) for name in reference_images.NAMES}
    assert set(reference_images.FOLDER.iterdir()) == files
    assert sum(file.stat().st_size for file in files) < 2**20
    for name in reference_images.NAMES:
        reference = reference_images.load(name)
        assert reference.mean.shape == (reference_images.SIZE, reference_images.SIZE, 3)
        # As a mean of so many renderings it has far less noise than what is compared with it.
        assert reference_images.RENDERINGS > 16 * RENDERINGS
        error = np.sqrt(np.median(reference.variance) / reference.count)
        assert error < 0.01 * np.median(reference.mean)
