"""Whatever an OBJ file or a texture holds: a typed error with file and line, or finite images."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fuzzing
import imageio.v3
import numpy as np
import OpenEXR
import pytest
import scene_building as build
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnsr.errors import SceneError
from cnsr.rendering import PathTracer
from cnsr.scenes.assets import ASSETS, load_mesh, load_texture

QUICK = settings(max_examples=fuzzing.DEFAULT_EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
LONG = settings(QUICK, max_examples=fuzzing.SLOW_EXAMPLES)
# The few faults of a mesh that are not in any one line.
WHOLE_FILE = ("has no faces",)

NUMERALS = ["0", "1", "-1", "2", "-0", "0.5", "1e38", "-3.4e38", "3.5e38", "1e-45", "1e-300", "nan", "inf", "-nan"]
NUMERALS += ["1e999", "0x10", "1_0", "+1", "1.", "."]
ODD = ["9" * 30, "-" + "9" * 30, "", "\u00b2", "\u00e9", "\x00", "\t"]
WORDS = st.sampled_from(NUMERALS + ODD) | st.floats(-4, 4).map(str)
NUMBERS = st.sampled_from(["0", "1", "-1", "0.25", "2", "-3"]) | st.floats(-4, 4).map(str)
COUNTS = (6, 2, 3)  # of positions, texture coordinates and normals in BEGINNING
INDICES = [st.integers(1, count).map(str) | st.integers(-count, -1).map(str) for count in COUNTS]
FORMS = [["{0}"], ["{0}//{2}"], ["{0}/{1}"], ["{0}/{1}/{2}", "{0}/{1}/", "{0}/", "{0}//"], ["//{2}", "{0}/{1}/{2}/{0}"]]
ENDS = st.sampled_from(["\n"] * 40 + ["\r\n", "\r", " \\\n", " \\\r\n", "\n\n", " # comment\n", "", "\u2028"])


@st.composite
def statements(draw: Callable[..., Any]) -> str:
    """One line that is mostly right."""
    keyword = draw(st.sampled_from(["v", "vt", "vn", "o", "s", "#", "l", "usemtl", "curv2"] * 2 + ["f"] * 9 + ["F"]))
    word = draw(st.sampled_from([NUMBERS] * 19 + [WORDS]))
    if keyword in ("v", "vt", "vn"):
        count = {"v": 3, "vt": 2, "vn": 3}[keyword] + draw(st.sampled_from([0] * 19 + [-1, 1]))
        return " ".join([keyword, *(draw(word) for _ in range(count))])
    if keyword == "f":
        words = draw(st.sampled_from([INDICES] * 19 + [[WORDS] * 3]))
        form = draw(st.sampled_from(draw(st.sampled_from(FORMS[:4] * 5 + FORMS[4:]))))
        count = draw(st.sampled_from([3, 3, 3, 4, 4, 5, 7] * 4 + [0, 1, 2]))
        return " ".join(["f", *(form.format(*(draw(index) for index in words)) for _ in range(count))])
    return f"{keyword} {draw(WORDS)}"


BEGINNING = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0.5\nv 0.5 0.5 1\nv -1 0.5 0\n"
BEGINNING += "vt 0 0\nvt 1 2\nvn 0 0 1\nvn 0 1 0\nvn 0 0 0\n"


@st.composite
def obj_texts(draw: Callable[..., Any]) -> bytes:
    lines = draw(st.lists(st.tuples(statements(), ENDS), min_size=1, max_size=12))
    text = draw(st.sampled_from(["", "\ufeff"])) + draw(st.sampled_from([BEGINNING] * 9 + [""]))
    return (text + "".join(line + end for line, end in lines)).encode()


@st.composite
def damaged_objs(draw: Callable[..., Any]) -> bytes:
    """A mesh file with some bytes overwritten, cut off or repeated."""
    content = bytearray((ASSETS / "meshes" / "cube.obj").read_bytes())
    for _ in range(draw(st.integers(1, 4))):
        start, length = draw(st.integers(0, len(content))), draw(st.integers(0, 40))
        copied = bytes(content[start : start + length])
        content[start : start + length] = draw(st.binary(max_size=8) | st.just(copied * draw(st.integers(0, 50))))
    return bytes(content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzzed")


def check_mesh(tracer: PathTracer, folder: Path, content: bytes, transform: Any = None) -> bool:
    path = folder / "mesh.obj"
    path.write_bytes(content)
    try:
        mesh = load_mesh(path)
    except SceneError as error:
        fuzzing.assert_one_line(error, str(path))
        assert re.search(r": line \d+: ", str(error)) or any(text in str(error) for text in WHOLE_FILE), error
    else:
        assert mesh.triangles.max() < len(mesh.positions)
        arrays = [array for array in (mesh.positions, mesh.normals, mesh.uvs) if array is not None]
        assert all(np.isfinite(array).all() for array in arrays)
    scene = build.small_room()
    scene["geometry"].append(build.mesh(str(path), "glossy", transform))
    return fuzzing.check(tracer, scene, "geometry[8]")


def property_of(strategy: st.SearchStrategy[Any], check: Callable[[PathTracer, Path, Any], object]) -> Any:
    """Two tests of one property: one for every day, one of thousands of cases."""

    def test(tracer: Any, folder: Path, case: Any) -> None:
        check(tracer, folder, case)

    return QUICK(given(case=strategy)(test)), pytest.mark.slow(LONG(given(case=strategy)(test)))


test_any_obj, test_any_obj_long = property_of(obj_texts(), check_mesh)
test_damaged_objs, test_damaged_objs_long = property_of(damaged_objs(), check_mesh)
test_meshes_in_any_place, test_meshes_in_any_place_long = property_of(
    st.tuples(obj_texts(), fuzzing.transforms()), lambda tracer, folder, case: check_mesh(tracer, folder, *case)
)


def test_many_meshes_of_either_fate(tracer: Any, folder: Path) -> None:
    rendered = []

    @settings(QUICK, max_examples=50)
    @given(content=obj_texts())
    def run(content: bytes) -> None:
        rendered.append(check_mesh(tracer, folder, content))

    run()
    assert 0.05 < np.mean(rendered) < 0.95


# --- textures ---


def texture_room(name: str, frequency: list[float]) -> dict[str, Any]:
    scene = build.small_room()
    for material in ("white", "red", "glossy"):
        scene["materials"][material] |= {"texture": name, "texture_frequency": frequency}
    return scene


@st.composite
def texels(draw: Callable[..., Any]) -> np.ndarray:
    shape = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    values = st.floats(0, 1) | st.sampled_from([0.0, -0.0, 1e-45, 65504.0, 3.4e38, -1.0, float("nan"), float("inf")])
    usual = draw(st.sampled_from([st.floats(0, 1), values]))
    numbers = draw(st.lists(usual, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
    with np.errstate(over="ignore"):
        return np.array(numbers).astype(draw(st.sampled_from([np.float32, np.float16]))).reshape(shape)


def check_texture_file(tracer: PathTracer, path: Path, frequency: list[float]) -> bool:
    try:
        texture = load_texture(path)
    except SceneError as error:
        fuzzing.assert_one_line(error, str(path))
    else:
        assert np.isfinite(texture.pixels).all()
        assert texture.pixels.min() >= 0
    return fuzzing.check(tracer, texture_room(str(path), frequency), "materials", "texture", str(path))


def check_texels(tracer: PathTracer, folder: Path, case: Any) -> None:
    pixels, names, frequency = case
    path = folder / "texture.exr"
    channels = {name: OpenEXR.Channel(name, pixels) for name in names}
    OpenEXR.File({"type": OpenEXR.scanlineimage}, channels).write(str(path))
    check_texture_file(tracer, path, frequency)


FREQUENCIES = st.lists(fuzzing.USUAL | fuzzing.NUMBERS, min_size=2, max_size=2)
test_any_texels, test_any_texels_long = property_of(
    st.tuples(texels(), st.sampled_from(["RGB", "Y", "RGBA", "XY", "RG", "Z"]), FREQUENCIES), check_texels
)


@st.composite
def damaged_images(draw: Callable[..., Any]) -> tuple[str, bytes]:
    """An image file with some bytes overwritten or cut off."""
    kind = draw(st.sampled_from([".png", ".jpg", ".exr"]))
    content = bytearray(IMAGES[kind])
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(content) - 1))
        replacement = draw(st.binary(min_size=1, max_size=4))
        content[start : start + len(replacement)] = replacement
    return kind, bytes(content[: draw(st.integers(1, len(content)))] if draw(st.booleans()) else content)


def _images() -> dict[str, bytes]:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    return {kind: imageio.v3.imwrite("<bytes>", pixels, extension=kind) for kind in (".png", ".jpg")} | {
        ".exr": _exr_bytes(pixels[..., 0].astype(np.float16))
    }


def _exr_bytes(pixels: np.ndarray) -> bytes:
    with tempfile.NamedTemporaryFile(suffix=".exr") as file:
        OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Y": OpenEXR.Channel("Y", pixels)}).write(file.name)
        return Path(file.name).read_bytes()


IMAGES = _images()


def check_image(tracer: PathTracer, folder: Path, case: tuple[str, bytes]) -> None:
    kind, content = case
    path = folder / f"image{kind}"
    path.write_bytes(content)
    check_texture_file(tracer, path, [1.0, 2.0])


test_damaged_images, test_damaged_images_long = property_of(damaged_images(), check_image)
