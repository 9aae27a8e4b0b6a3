"""The project's own textures: reflectances, seams, and that the shipped files are the painted ones."""

import itertools

import numpy as np
import pytest

from cnsr.scenes.archviz_materials import WALLPAPERS
from cnsr.scenes.assets import load_texture, resolve_asset
from cnsr.scenes.textures import FOLDER, TEXTURES, filename, paint, write_textures
from cnsr.scenes.textures.painting import blend, centered, inside, periodic_noise, pixel_centers, soft_step

MURALS = [name for name, repeat in WALLPAPERS.items() if repeat is None]
PAINTED = {name: paint(name).astype(float) for name in TEXTURES}


def shipped(name):
    return load_texture(resolve_asset(filename(name), None)).pixels


@pytest.mark.parametrize("name", TEXTURES)
def test_shipped_files_are_the_painted_ones(name):
    pixels = shipped(name)
    assert (pixels[..., 0] == pixels[..., 1]).all()
    # Libraries differ in the last bits of a Fourier transform, which can turn the rounding of a pixel.
    np.testing.assert_allclose(pixels[..., 0], PAINTED[name], atol=1 / 64 + 1e-3)
    assert np.mean(pixels[..., 0] != PAINTED[name]) < 1e-3


@pytest.mark.parametrize("name", TEXTURES)
def test_reflectances_are_those_of_real_surfaces(name):
    pixels = shipped(name)
    assert pixels.min() >= 0.05
    assert pixels.max() <= 1.0
    assert 0.2 < pixels.mean() < 0.9
    assert pixels.std() > 0.02, "there is something to see"


def test_all_files_together_are_small():
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 1_000_000
    assert {file.stem for file in FOLDER.iterdir()} == set(TEXTURES)


def test_the_command_writes_the_same_bytes_each_time(tmp_path):
    write_textures(tmp_path / "one")
    write_textures(tmp_path / "two")
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def seam_shows(image, axis):
    """Whether neighbors across the edge differ more than any neighbors inside do on average."""
    image = np.moveaxis(image, axis, 0)
    inner = np.abs(np.diff(image, axis=0)).mean(axis=1)
    return np.abs(image[0] - image[-1]).mean() > inner.max()


@pytest.mark.parametrize("name", TEXTURES)
def test_nothing_shows_where_the_texture_repeats(name):
    for axis in (1,) if name in MURALS else (0, 1):
        assert not seam_shows(PAINTED[name], axis)


@pytest.mark.parametrize("name", ["damask", "hills", "wood"])
def test_it_would_show_if_the_texture_had_another_size(name):
    assert seam_shows(np.delete(PAINTED[name], range(40), axis=1), axis=1)


def test_two_wallpapers_repeat_and_two_fill_a_wall():
    assert len(WALLPAPERS) == 4
    assert len(MURALS) == 2
    for name in MURALS:
        rows, columns = PAINTED[name].shape
        assert columns / rows == pytest.approx(7.0 / 2.6, rel=0.01), "as wide as the longer walls"
    for one, other in itertools.combinations(WALLPAPERS, 2):
        a, b = PAINTED[one], PAINTED[other]
        if a.shape == b.shape:
            assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.5


def test_only_known_textures_have_names():
    assert filename("damask") == "textures/damask.exr"
    with pytest.raises(KeyError):
        filename("damascus")


def test_noise_is_normal_repeats_and_follows_its_slope():
    rng = np.random.default_rng(4)
    for slope in (0.0, 1.0, 2.0):
        noise = periodic_noise(rng, 64, 128, slope)
        assert noise.shape == (64, 128)
        assert noise.mean() == pytest.approx(0, abs=1e-9)
        assert noise.std() == pytest.approx(1)
        for axis in (0, 1):
            assert not seam_shows(noise, axis)
    rough, smooth = (np.abs(np.diff(periodic_noise(rng, 64, 64, slope))).mean() for slope in (0.5, 1.5))
    assert smooth < 0.5 * rough
    long = periodic_noise(rng, 128, 128, 1.0, (8.0, 1.0))
    assert np.abs(np.diff(long, axis=1)).mean() < 0.5 * np.abs(np.diff(long, axis=0)).mean()


def test_pixel_centers_are_square_and_rise_to_the_top():
    x, y = pixel_centers(4, 8)
    np.testing.assert_allclose(x[0], (np.arange(8) + 0.5) / 4)
    np.testing.assert_allclose(y[:, 0], [0.875, 0.625, 0.375, 0.125])


def test_edges_are_soft():
    values = np.array([-1.0, 0.0, 0.5, 1.0, 2.0])
    np.testing.assert_allclose(soft_step(0.0, 1.0, values), [0, 0, 0.5, 1, 1])
    np.testing.assert_allclose(soft_step(1.0, 0.0, values), [1, 1, 0.5, 0, 0])
    np.testing.assert_allclose(inside(np.array([-0.1, 0.0, 0.1]), 0.1), [1, 0.5, 0])
    np.testing.assert_allclose(blend(np.array([0.0, 0.5, 1.0]), 2.0, 4.0), [2, 3, 4])
    np.testing.assert_allclose(centered(np.array([0.2, 0.5, 0.9, -1.3])), [0.2, -0.5, -0.1, -0.3])
