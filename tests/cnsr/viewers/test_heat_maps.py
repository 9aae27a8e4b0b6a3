import numpy as np
import pytest
from skimage.color import rgb2lab

from cnsr.viewers import heat_maps
from cnsr.viewers.heat_maps import SCALES


def lightness(colors):
    return rgb2lab(colors[None] / 255)[0, :, 0]


def without_red_green(colors):
    """Colors as people without red cones see them (Viénot, Brettel, Mollon 1999), up to a factor: CIE b* stays."""
    return rgb2lab(colors[None] / 255)[0][:, [0, 2]]


def test_the_default_scale_is_even_in_lightness():
    steps = np.diff(lightness(heat_maps.scale_colors("cividis", 33)))
    assert SCALES[0] == "cividis"
    assert (steps > 0).all()
    assert steps.max() < 2 * np.median(steps)


def test_the_default_scale_needs_no_red_and_green():
    seen = without_red_green(heat_maps.scale_colors("cividis", 17))
    assert (np.linalg.norm(np.diff(seen, axis=0), axis=1) > 3).all()


def test_the_published_scale_goes_from_blue_to_red():
    colors = heat_maps.scale_colors("blue to red", 3)
    assert colors.tolist() == [[0, 0, 255], [128, 0, 128], [255, 0, 0]]


def test_shares_lie_between_the_ends():
    values = np.array([[-1.0, 1.0, 1.5], [2.0, 3.0, 9.0]])
    assert heat_maps.shares(values, 1.0, 3.0).tolist() == [[0, 0, 0.25], [0.5, 1, 1]]
    assert heat_maps.shares(np.zeros((1, 2)), 0.0, 0.0).tolist() == [[0, 0]]
    assert heat_maps.shares(np.array([[1.0, 2.0]]), 1.0, 1.0).tolist() == [[0, 1]]  # a step


@pytest.mark.parametrize("scale", SCALES)
def test_opacity_blends_colors_with_the_grey_image(scale):
    image = np.array([[[200, 200, 200], [0, 0, 0]]], np.uint8)
    share = np.array([[0.0, 1.0]], np.float32)
    opaque = heat_maps.heat(share, scale, image, 1.0)
    assert opaque[0].tolist() == heat_maps.scale_colors(scale, 2).tolist()
    assert heat_maps.heat(share, scale, image, 0.0).tolist() == image.tolist()
    half = heat_maps.heat(share, scale, image, 0.5).astype(float)
    assert np.abs(half - (opaque.astype(float) + image) / 2).max() <= 0.5


def test_multiplied_images_fade_to_black():
    image = np.full((1, 3, 3), 100, np.uint8)
    shown = heat_maps.multiplied(np.array([[0.0, 0.5, 1.0]], np.float32), image)
    assert shown[0, :, 0].tolist() == [0, 50, 100]
