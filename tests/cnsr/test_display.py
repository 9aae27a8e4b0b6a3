"""Buffers as colors: every value is that of a formula written out here, or a property that a viewer relies on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.color import deltaE_ciede2000, rgb2lab

from cnsr.buffers import BUFFERS, Display
from cnsr.display import displayed, quantized, srgb
from cnsr.scenes.room import MATERIAL_IDS
from cnsr.training.metrics import display_referred

RADIANCE = [name for name, buffer in BUFFERS.items() if buffer.display is Display.RADIANCE]


def pixel(*values):
    """Return an image of one pixel."""
    return np.array(values, np.float32).reshape(1, 1, -1)


# linear value and byte: both branches of the curve of IEC 61966-2-1, where they meet, and what lies beyond a screen
@pytest.mark.parametrize(
    ("linear", "byte"),
    [(0, 0), (0.001, 3), (0.0031308, 10), (0.004, 13), (0.18, 118), (0.05, 63), (0.5, 188), (1, 255)],
)
@pytest.mark.parametrize("name", [*RADIANCE, "albedo"])
def test_radiance_and_colors_get_the_srgb_curve(name, linear, byte):
    np.testing.assert_array_equal(displayed(name, pixel(linear, 0, 0))[0, 0], [byte, 0, 0])


@pytest.mark.parametrize("name", [*RADIANCE, "albedo"])
def test_what_a_screen_cannot_show_is_clamped(name):
    np.testing.assert_array_equal(displayed(name, pixel(-1, 1.01, 50))[0, 0], [0, 255, 255])


def test_the_curve_is_that_of_the_metrics():
    values = np.linspace(-0.5, 1.5, 4001, dtype=np.float32)
    np.testing.assert_allclose(srgb(values), display_referred(torch.from_numpy(values)).numpy(), atol=2e-7)


@pytest.mark.parametrize("name", BUFFERS)
def test_exposure_doubles_radiance_with_each_stop_and_changes_nothing_else(name):
    image = np.random.default_rng(1).uniform(0, 0.25, (3, 3, BUFFERS[name].channels)).astype(np.float32)
    exposed = displayed(name, image, exposure=2)
    np.testing.assert_array_equal(exposed, displayed(name, 4 * image if name in RADIANCE else image))
    if name in RADIANCE:
        np.testing.assert_array_equal(displayed(name, image, exposure=-1.5), displayed(name, image * 2**-1.5))


@pytest.mark.parametrize("name", ["normal", "mirror", "mirror_normal"])
def test_directions_fill_the_cube_of_colors(name):
    np.testing.assert_array_equal(displayed(name, pixel(-1, 0, 1))[0, 0], [0, 128, 255])


@pytest.mark.parametrize("name", ["roughness", "shadows", "ao"])
def test_shares_are_grey(name):
    np.testing.assert_array_equal(displayed(name, pixel(0.4))[0, 0], [102, 102, 102])


@pytest.mark.parametrize("name", ["position", "mirror_hit"])
def test_positions_are_scaled_to_the_room_axis_by_axis(name):
    room = (-3, -0.5, -3), (3, 2.5, 3)
    np.testing.assert_array_equal(displayed(name, pixel(3, -0.5, 0), extent=room)[0, 0], [255, 0, 128])


def test_positions_without_a_room_are_scaled_to_what_is_seen():
    image = np.array([[[1, 0, -4], [2, 5, -4], [1.5, 20, -4]]], np.float32)
    np.testing.assert_array_equal(displayed("position", image)[0], [[0, 0, 0], [255, 64, 0], [128, 255, 0]])


def test_distances_are_scaled_to_the_largest_or_to_the_diagonal_of_the_room():
    image = np.array([[[1], [2]]], np.float32)
    np.testing.assert_array_equal(displayed("depth", image)[0, :, 0], [128, 255])
    np.testing.assert_array_equal(displayed("depth", image, extent=((0, 0, 0), (4, 2, 4)))[0, :, 0], [42, 85])


def test_predictions_are_shown_on_the_scale_of_the_reference():
    reference = np.array([0.0, 2.0, 4.0, 8.0], np.float32).reshape(2, 2, 1)
    assert displayed("depth", reference / 2, like=reference).max() == 128
    assert displayed("position", np.repeat(reference / 2, 3, -1), like=np.repeat(reference, 3, -1)).max() == 128


@pytest.mark.parametrize("name", BUFFERS)
def test_each_image_of_a_stack_is_shown_as_it_is_alone(name):
    images = np.random.default_rng(2).normal(size=(2, 3, 4, 5, BUFFERS[name].channels)).astype(np.float32)
    shown = displayed(name, images)
    assert (shown.shape, shown.dtype) == ((2, 3, 4, 5, 3), np.uint8)
    assert shown.flags.c_contiguous
    assert shown.flags.writeable
    np.testing.assert_array_equal(shown[1, 2], displayed(name, images[1, 2]))
    assert shown.std() > 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", BUFFERS)
@pytest.mark.filterwarnings("error")
def test_what_is_not_finite_spoils_no_other_pixel(name, bad):
    image = np.random.default_rng(3).uniform(0.1, 1, (4, 4, BUFFERS[name].channels)).astype(np.float32)
    image[0, 0], image[1, 1] = 0.05, 1.1  # least and largest: they decide the scale of positions and distances
    clean = displayed(name, image)
    image[2, 3] = bad
    shown = displayed(name, image)
    rest = np.ones((4, 4), bool)
    rest[2, 3] = False
    np.testing.assert_array_equal(shown[rest], clean[rest])
    if np.isnan(bad):
        assert not shown[2, 3].any()


@pytest.mark.parametrize("name", BUFFERS)
@pytest.mark.filterwarnings("error")
def test_an_image_of_nothing_finite_is_shown(name):
    assert not displayed(name, np.full((2, 2, BUFFERS[name].channels), np.nan)).any()


@pytest.mark.parametrize("name", ["position", "depth"])
@pytest.mark.filterwarnings("error")
def test_an_image_of_one_value_is_shown(name):
    assert not displayed(name, np.zeros((2, 2, BUFFERS[name].channels))).any()


def least_difference(count):
    """Return how well people tell the two most similar of `count` labels apart; 2.3 is said to be just noticeable."""
    labels = (np.arange(count) / count).astype(np.float32).reshape(1, count, 1)
    lab = rgb2lab(displayed("id", labels))[0]
    return deltaE_ciede2000(lab[:, None], lab[None])[np.triu_indices(count, 1)].min()


@pytest.mark.parametrize("count", [len(MATERIAL_IDS), 18])  # PrimitiveRoom, ArchViz
def test_labels_of_a_dataset_have_distinct_colors(count):
    assert least_difference(count) > 16


@pytest.mark.parametrize("count", range(2, 25))
def test_labels_of_other_scenes_have_distinct_colors(count):
    assert least_difference(count) > 7.5


def test_labels_survive_half_precision():
    labels = (np.arange(18) / 18).reshape(1, 18, 1)
    shown, rounded = (displayed("id", labels.astype(kind)).astype(int) for kind in (np.float32, np.float16))
    assert np.abs(shown - rounded).max() <= 3


def test_bytes_are_rounded_to_the_nearest():
    np.testing.assert_array_equal(quantized(np.array([-1, 0.4 / 255, 0.6 / 255, 2, np.nan])), [0, 0, 1, 255, 0])


def test_an_image_that_is_not_that_buffer_is_refused():
    with pytest.raises(ValueError, match=r"depth is \[..., H, W, 1\], not \[2, 2, 3\]"):
        displayed("depth", np.zeros((2, 2, 3)))
    with pytest.raises(KeyError):
        displayed("beaty", np.zeros((2, 2, 3)))
