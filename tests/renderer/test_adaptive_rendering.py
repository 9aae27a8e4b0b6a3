"""Rendering to a target error: the same bits as a fixed number of samples, and an honest estimate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scene_building as build

from cnsr import rendering
from cnsr.buffers import BUFFERS
from cnsr.errors import RenderError
from cnsr.scenes.datasets import randomizer
from cnsr.scenes.randomizer import draw_batch

ALL = tuple(BUFFERS)
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


def luminance(view: Any) -> np.ndarray:
    return view.buffers["beauty"].astype(np.float64) @ LUMINANCE


def black_room() -> dict:
    scene = build.small_room()
    scene["lights"] = []
    return scene


def drawn(dataset: str) -> Any:
    """A scene as data sets hold them."""
    return draw_batch(randomizer(dataset), 5, "train", 0, 1, 2, partitioned=False).scenes[0].scenes[0]


def smooth() -> dict:
    """A matt floor under a ball light: stratification does better here than independent samples by far."""
    materials = {"floor": build.material(0.8), "light": build.material(0, 10.0)}
    floor = build.grid([0, 0, 0], [0, 1, 0], [40, 0, 40], "floor")
    view = build.camera([1, 2, 2], [0, 0, 0], 30.0)
    return build.scene(view, materials, [build.sphere([0.6, 1.5, 0], 0.2, "light")], [floor], 2)


def assert_same(first: Any, second: Any) -> None:
    for name in second.buffers:
        assert np.array_equal(first.buffers[name], second.buffers[name]), name
    assert (first.samples, first.dropped) == (second.samples, second.dropped)


@pytest.mark.parametrize(("samples", "target"), [(1, 2.0), (4, 0.3), (5, 0.3), (8, 10.0)])
def test_what_comes_out_is_what_that_many_samples_give(tracer: Any, samples: int, target: float) -> None:
    scene = build.small_room()
    view = tracer.render(scene, 13, samples, seed=3, buffers=ALL, target_error=target)
    assert view.error <= target
    assert view.samples % samples == 0
    doublings = view.samples // samples
    assert doublings & (doublings - 1) == 0
    assert doublings > 1 or target == 10.0
    assert_same(view, tracer.render(scene, 13, view.samples, seed=3, buffers=ALL))


def test_threads_and_neighbors_do_not_change_a_bit(tracer: Any) -> None:
    scenes = [build.small_room(roughness=0.2 * n, bounces=2 + n % 3) for n in range(5)] + [black_room()]
    seeds = list(range(6))
    alone = [
        tracer.render(scene, 11, 4, seed=seed, target_error=0.12) for scene, seed in zip(scenes, seeds, strict=True)
    ]
    assert len({view.samples for view in alone}) >= 3
    for threads in (1, 2, 7):
        several = rendering.PathTracer(threads=threads)
        for order in (seeds, seeds[::-1]):
            views = several.render_views([scenes[n] for n in order], 11, 4, order, target_error=0.12)
            for number, view in zip(order, views, strict=True):
                assert_same(view, alone[number])
                assert view.error == alone[number].error


@pytest.mark.parametrize(
    ("samples", "limit", "taken"), [(4, 4, 4), (4, 5, 5), (4, 31, 31), (4, 32, 32), (1, 1, 1), (3, 100, 100)]
)
def test_the_limit_is_reached_exactly(tracer: Any, samples: int, limit: int, taken: int) -> None:
    scene = build.small_room()
    view = tracer.render(scene, 5, samples, target_error=1e-9, max_samples=limit)
    assert view.samples == taken
    assert view.error > 1e-9
    assert (view.error == np.inf) == (taken == 1)
    assert_same(view, tracer.render(scene, 5, taken))


def test_black_scenes_end_at_once(tracer: Any) -> None:
    view = tracer.render(black_room(), 8, 4, target_error=1e-6)
    assert (view.samples, view.error) == (4, 0.0)
    single = tracer.render(black_room(), 8, 1, target_error=1e-6)
    assert (single.samples, single.error) == (2, 0.0)


def test_a_lower_target_takes_more_samples_and_views_without_one_have_no_error(tracer: Any) -> None:
    scene = build.small_room()
    taken = [tracer.render(scene, 12, 4, target_error=target).samples for target in (1.0, 0.2, 0.05)]
    assert taken == sorted(set(taken))
    assert tracer.render(scene, 4, 2).error is None


def test_progress_rises_to_one(tracer: Any) -> None:
    shares: list[float] = []
    scenes = [build.small_room(roughness=0.1 * n) for n in range(4)]
    tracer.render_views(scenes, 24, 8, target_error=0.15, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert all(0 <= share <= 1 for share in shares)


def test_interrupting_stops(tracer: Any) -> None:
    def stop(share: float) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        rendering.PathTracer(threads=3).render(build.small_room(), 64, 2**20, target_error=1e-9, progress=stop)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target_error": 0}, "target_error: expected a number larger than 0, found 0"),
        ({"target_error": -0.1}, "target_error: expected a number larger than 0, found -0.1"),
        ({"target_error": float("nan")}, "target_error: expected a number larger than 0, found nan"),
        ({"target_error": float("inf")}, "target_error: expected a number larger than 0, found inf"),
        ({"target_error": "small"}, "target_error: expected a number larger than 0, found 'small'"),
        ({"target_error": 0.1, "max_samples": 7}, "max_samples: expected a whole number from 8 to 2147483647, found 7"),
        ({"target_error": 0.1, "max_samples": 2**31}, "max_samples: expected a whole number from 8 to"),
        ({"max_samples": 16}, "max_samples: is only of use together with target_error"),
        ({"target_error": 0.1, "buffers": ("direct",)}, "target_error: is the error of beauty, which is not among"),
    ],
)
def test_requests_that_make_no_sense_are_errors(tracer: Any, arguments: dict, message: str) -> None:
    with pytest.raises(RenderError) as caught:
        tracer.render(build.small_room(), 8, 8, **arguments)
    assert str(caught.value).startswith(message)


# Estimated over true error, both as root mean squares over the seeds; measured with 8 seeds at 2 to 256 samples: 0.99
# to 1.29 in rooms as data sets hold them. On smooth scenes the estimate is an upper bound (measured: up to 2.1).
HONEST = {"room": (0.85, 1.45), "manylightroom": (0.85, 1.45), "smooth": (0.9, 2.5)}


def error_ratio(tracer: Any, name: str, samples: int, seeds: int, size: int, reference: int) -> float:
    """Return the estimated error over the true one."""
    scene = tracer.load_scene(smooth() if name == "smooth" else drawn(name))
    truth = luminance(tracer.render(scene, size, reference, seed=999))
    views = tracer.render_views(
        [scene] * seeds, size, samples, list(range(seeds)), target_error=1e-9, max_samples=samples
    )
    true = np.mean([((luminance(view) - truth) ** 2).mean() for view in views]) ** 0.5 / truth.mean()
    estimated = np.mean([view.error**2 for view in views]) ** 0.5
    return float(estimated / true)


@pytest.mark.parametrize("samples", [4, 32])
@pytest.mark.parametrize("name", HONEST)
def test_the_estimate_agrees_with_the_true_error(tracer: Any, name: str, samples: int) -> None:
    low, high = HONEST[name]
    assert low < error_ratio(tracer, name, samples, seeds=4, size=16, reference=2048) < high


@pytest.mark.slow
@pytest.mark.parametrize("samples", [2, 8, 64, 256])
@pytest.mark.parametrize("name", HONEST)
def test_the_estimate_agrees_with_a_converged_image(tracer: Any, name: str, samples: int) -> None:
    low, high = HONEST[name]
    assert low < error_ratio(tracer, name, samples, seeds=8, size=20, reference=16384) < high


@pytest.mark.slow
def test_stopping_by_the_data_biases_rooms_by_less_than_a_thousandth() -> None:
    # Views that happen to look calm stop early, which makes their mean a little too dark. Measured with 600 views of
    # this room: 0.0001 +- 0.0003 of the mean.
    tracer, count = rendering.PathTracer(threads=2), 600
    scene = tracer.load_scene(drawn("room"))
    adaptive = tracer.render_views([scene] * count, 16, 4, list(range(count)), target_error=0.08)
    taken = [view.samples for view in adaptive]
    assert len(set(taken)) > 1
    fixed = tracer.render_views([scene] * count, 16, int(np.median(taken)), list(range(10_000, 10_000 + count)))
    means = [np.array([luminance(view).mean() for view in views]) for views in (adaptive, fixed)]
    bias = means[0].mean() / means[1].mean() - 1
    noise = np.hypot(*(mean.std() / mean.mean() for mean in means)) / count**0.5
    assert noise < 5e-4
    assert abs(bias) < 1e-3 + 3 * noise
