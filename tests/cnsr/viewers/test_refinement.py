"""Passes add up to the image that as many samples give, whatever the way there."""

import numpy as np
import pytest

from cnsr.rendering import Camera
from cnsr.scenes.randomizer import draw_batch
from cnsr.scenes.room import PrimitiveRoom, any_surface, one_light
from cnsr.viewers.refinement import LARGEST_PASS, Refinement

ROOM = PrimitiveRoom(one_light, any_surface, any_surface)
CAMERAS = (Camera((2.0, 1.0, 2.0), (0.0, 0.0, 0.0)), Camera((-2.0, 1.0, 2.0), (0.0, 0.0, 0.0)))
SEEDS = (5, 6)


@pytest.fixture(scope="module")
def scene(tracer):
    return tracer.load_scene(draw_batch(ROOM, 0, "test", 0, 1, 1, partitioned=False).scenes[0].scenes[0])


@pytest.fixture
def refinement(tracer, scene):
    return Refinement(tracer, scene, CAMERAS, SEEDS, 8, ("beauty", "normal"))


def refined(refinement, *targets):
    for target in targets:
        while refinement.samples != target:
            refinement.refine(target)
    return [view.images for view in refinement.views]


def same(one, other):
    return all(np.array_equal(a[name], b[name]) for a, b in zip(one, other, strict=True) for name in a)


def test_passes_double_what_there_is_up_to_a_limit_and_end_at_the_target(refinement):
    seen = []
    while refinement.samples != 200:
        refinement.refine(200)
        seen.append(refinement.samples)
    assert seen == [1, 2, 4, 8, 16, 32, 64, 128, 192, 200]
    assert max(np.diff([0, *seen])) == LARGEST_PASS


def test_the_image_is_the_mean_of_the_passes_weighted_by_their_samples(refinement, tracer, scene):
    images = refined(refinement, 7)
    for index, (camera, seed) in enumerate(zip(CAMERAS, SEEDS, strict=True)):
        total = 0.0
        for number, samples in enumerate((1, 1, 2, 3)):
            view = tracer.render(scene, size=8, samples=samples, seed=seed, view=number, camera=camera)
            total = total + samples * view.buffers["beauty"].astype(np.float64)
        np.testing.assert_allclose(images[index]["beauty"], total / 7, rtol=1e-6)


@pytest.mark.parametrize("way", [(266, 256), (256, 266), (100, 300, 16), (1, 2, 3, 4, 5), (70, 5), (266, 1)])
def test_it_depends_on_the_number_of_samples_alone(tracer, scene, refinement, way):
    by_detours = refined(refinement, *way)
    direct = refined(Refinement(tracer, scene, CAMERAS, SEEDS, 8, ("beauty", "normal")), way[-1])
    assert same(by_detours, direct)


def test_what_stops_a_pass_leaves_everything_as_it_was(refinement):
    refined(refinement, 5)
    views = refinement.views

    def stop(share):
        raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        refinement.refine(100, progress=stop)
    assert refinement.samples == 5
    assert refinement.views is views
    assert same(refined(refinement, 100), refined(refinement, 100))


def test_more_samples_are_less_noise(tracer):
    scene = tracer.load_scene(draw_batch(ROOM, 0, "test", 1, 1, 1, partitioned=False).scenes[0].scenes[0])
    truth = tracer.render(scene, size=8, samples=8192, seed=99, camera=CAMERAS[0]).buffers["beauty"]
    refinement = Refinement(tracer, scene, CAMERAS[:1], SEEDS[:1], 8, ("beauty",))
    errors = [np.sqrt(np.mean((refined(refinement, n)[0]["beauty"] - truth) ** 2)) for n in (1, 16, 256)]
    # Independent samples would lower it by 4 each time.
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


def test_the_views_are_the_same_object_until_they_change(refinement):
    refinement.refine(2)
    views = refinement.views
    assert refinement.views is views
    refinement.refine(2)
    assert refinement.views is not views
    assert [view.pose.shape for view in refinement.views] == [(16,), (16,)]
