"""Finding, reading and caching meshes and textures."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import imageio.v3 as imageio
import numpy as np
import OpenEXR
import pytest

from cnsr.errors import SceneError
from cnsr.scenes.assets import ASSETS, AssetCache, load_mesh, load_texture, resolve_asset

TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"


def write_exr(path, channels):
    with OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}, channels) as file:
        file.write(str(path))


def test_files_beside_the_scene_come_before_the_projects_own(tmp_path):
    assert resolve_asset("meshes/cube.obj", tmp_path) == ASSETS / "meshes" / "cube.obj"
    assert resolve_asset("meshes/cube.obj", None) == ASSETS / "meshes" / "cube.obj"
    own = tmp_path / "meshes" / "cube.obj"
    own.parent.mkdir()
    own.write_text(TRIANGLE)
    assert resolve_asset("meshes/cube.obj", tmp_path) == own
    assert resolve_asset(str(own), None) == own


@pytest.mark.parametrize("name", ["meshes/pyramid.obj", "meshes", "", "a\0b", "x" * 5000])
def test_a_name_that_is_nowhere_is_refused_with_the_places(tmp_path, name):
    with pytest.raises(SceneError) as caught:
        resolve_asset(name, tmp_path)
    assert str(caught.value).startswith(f"there is no file {name!r}"[:4000])
    assert f"; looked for {tmp_path}" in str(caught.value)
    assert str(ASSETS) in str(caught.value)
    with pytest.raises(SceneError, match=r"looked for /nowhere/x\.obj$"):
        resolve_asset("/nowhere/x.obj", tmp_path)


def test_broken_meshes_are_named_with_file_and_line(tmp_path):
    path = tmp_path / "half.obj"
    path.write_text(TRIANGLE + "f 1 2 4\n")
    with pytest.raises(SceneError, match=r"half\.obj: not a usable OBJ mesh: line 5: there is no position 4"):
        load_mesh(path)
    with pytest.raises(SceneError, match=r"none\.obj: this mesh cannot be read: No such file or directory"):
        load_mesh(tmp_path / "none.obj")
    path.write_bytes(bytes(range(256)))
    with pytest.raises(SceneError, match="expected an OBJ statement"):
        load_mesh(path)


def test_bytes_and_sixteen_bits_are_decoded_from_srgb(tmp_path):
    gray = np.array([[0, 10, 128, 255]], dtype=np.uint8)
    expected = [0, 10 / 255 / 12.92, ((128 / 255 + 0.055) / 1.055) ** 2.4, 1]
    color = np.stack([gray, gray // 2, gray * 0], axis=-1)
    images = {
        "gray.png": gray,
        "deep.png": gray.astype(np.uint16) * 257,
        "alpha.png": np.concatenate([np.repeat(gray[..., None], 3, axis=-1), 255 - gray[..., None]], axis=-1),
        "gray alpha.png": np.stack([gray, 255 - gray], axis=-1),
    }
    for name, image in images.items():
        imageio.imwrite(tmp_path / name, image)
        texture = load_texture(tmp_path / name)
        assert texture.pixels.shape == (1, 4, 3)
        assert texture.pixels.dtype == np.float32
        np.testing.assert_allclose(texture.pixels, np.repeat(np.array(expected)[None, :, None], 3, axis=-1), rtol=1e-5)
    imageio.imwrite(tmp_path / "color.png", color)
    pixels = load_texture(tmp_path / "color.png").pixels
    np.testing.assert_allclose(pixels[0, 3], (1, ((127 / 255 + 0.055) / 1.055) ** 2.4, 0), rtol=1e-5)


def test_row_0_is_the_top_and_black_and_white_and_jpeg_are_read(tmp_path):
    image = np.zeros((16, 16), dtype=bool)
    image[:8] = True
    imageio.imwrite(tmp_path / "bits.png", image)
    np.testing.assert_array_equal(load_texture(tmp_path / "bits.png").pixels[:, 0, 0], [1] * 8 + [0] * 8)
    imageio.imwrite(tmp_path / "photo.JPG", image.astype(np.uint8) * 255)
    pixels = load_texture(tmp_path / "photo.JPG").pixels
    assert pixels[:8].min() > 0.9
    assert pixels[8:].max() < 0.1


def test_exr_is_linear_already(tmp_path):
    color = np.random.default_rng(0).random((5, 7, 3), dtype=np.float32) * 10
    write_exr(tmp_path / "rgb.exr", {"RGB": color})
    np.testing.assert_array_equal(load_texture(tmp_path / "rgb.exr").pixels, color)
    write_exr(tmp_path / "y.exr", {"Y": color[..., 0].astype(np.float16)})
    pixels = load_texture(tmp_path / "y.exr").pixels
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels, np.repeat(color[..., :1].astype(np.float16), 3, axis=-1))


def test_unusable_textures_are_named(tmp_path):
    color = np.ones((5, 7, 3), dtype=np.float32)
    write_exr(tmp_path / "nan.exr", {"RGB": np.where(color > 0, np.nan, color)})
    write_exr(tmp_path / "negative.exr", {"RGB": -color})
    write_exr(tmp_path / "depth.exr", {"Z": color[..., 0].copy()})
    whole = tmp_path / "whole.exr"
    write_exr(whole, {"RGB": color})
    (tmp_path / "cut.exr").write_bytes(whole.read_bytes()[:-60])
    imageio.imwrite(tmp_path / "whole.png", np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:2000])
    (tmp_path / "text.png").write_text("hello")
    shutil.copy(whole, tmp_path / "exr.jpg")
    (tmp_path / "a.hdr").write_text("")
    for name, expected in {
        "nan.exr": "values that are negative or not finite",
        "negative.exr": "values that are negative or not finite",
        "depth.exr": "expected a texture with channels R, G, B or Y, found Z",
        "cut.exr": "damaged or no EXR image",
        "cut.png": "damaged or of another type than its name says",
        "text.png": "damaged or of another type than its name says",
        "exr.jpg": "damaged or of another type than its name says",
        "a.hdr": r"expected a texture of type .exr, .png, .jpg, .jpeg, found '.hdr'",
        "none.png": "this texture cannot be read: No such file or directory",
    }.items():
        with pytest.raises(SceneError, match=expected) as caught:
            load_texture(tmp_path / name)
        assert str(caught.value).startswith(str(tmp_path / name))
        assert "\n" not in str(caught.value)


def test_equal_content_is_read_once(tmp_path):
    for name in ("a.obj", "b.obj"):
        (tmp_path / name).write_text(TRIANGLE)
    cache = AssetCache()
    mesh = cache.mesh(tmp_path / "a.obj")
    assert cache.mesh(tmp_path / "a.obj") is mesh
    assert cache.mesh(tmp_path / "b.obj") is mesh
    assert mesh.key == load_mesh(tmp_path / "a.obj").key


def test_a_file_that_changed_is_read_anew(tmp_path):
    path = tmp_path / "a.obj"
    path.write_text(TRIANGLE)
    cache = AssetCache()
    before = cache.mesh(path)
    path.write_text(TRIANGLE + "f 3 2 1\n")
    after = cache.mesh(path)
    assert (len(before.triangles), len(after.triangles)) == (1, 2)
    assert before.key != after.key
    path.write_text(TRIANGLE.replace("1 0 0", "2 0 0"))
    os.utime(path, ns=(0, 0))
    assert cache.mesh(path).positions.max() == 2
    path.unlink()
    with pytest.raises(SceneError, match=r"a\.obj: this mesh cannot be read"):
        cache.mesh(path)


def test_the_cache_forgets_what_was_not_used_for_longest(tmp_path):
    paths = [tmp_path / f"{number}.obj" for number in range(3)]
    for number, path in enumerate(paths):
        path.write_text(TRIANGLE.replace("1 0 0", f"{number + 1} 0 0"))
    size = load_mesh(paths[0]).nbytes
    cache = AssetCache(capacity=2 * size)
    first, second = cache.mesh(paths[0]), cache.mesh(paths[1])
    assert cache.mesh(paths[0]) is first
    cache.mesh(paths[2])
    assert cache.mesh(paths[0]) is first
    assert cache.mesh(paths[1]) is not second


def test_a_cache_smaller_than_one_asset_still_works(tmp_path):
    (tmp_path / "a.obj").write_text(TRIANGLE)
    cache = AssetCache(capacity=1)
    assert cache.mesh(tmp_path / "a.obj") is cache.mesh(tmp_path / "a.obj")


def test_textures_are_cached_and_apart_from_meshes(tmp_path):
    imageio.imwrite(tmp_path / "a.png", np.zeros((2, 2), dtype=np.uint8))
    cache = AssetCache()
    assert cache.texture(tmp_path / "a.png") is cache.texture(tmp_path / "a.png")
    shutil.copy(tmp_path / "a.png", tmp_path / "a.obj")
    with pytest.raises(SceneError, match="not a usable OBJ mesh"):
        cache.mesh(tmp_path / "a.obj")


def test_threads_share_one_copy():
    cache = AssetCache()
    with ThreadPoolExecutor(4) as pool:
        meshes = list(pool.map(lambda _: cache.mesh(ASSETS / "meshes" / "cylinder.obj"), range(16)))
    assert all(mesh is meshes[0] for mesh in meshes)


@pytest.mark.parametrize("name", ["a\nb.obj", "\u2028.obj", "\ud800.obj", "9" * 10**6, "\0"])
def test_names_that_no_file_has_are_told_in_one_line_of_some_length(tmp_path, name):
    with pytest.raises(SceneError, match="there is no file") as caught:
        resolve_asset(name, tmp_path)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 15_000
    assert str(caught.value).isprintable()
