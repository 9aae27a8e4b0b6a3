"""Whatever a scene file, its camera or its materials hold: a typed error with a place, or finite images."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fuzzing
import numpy as np
import OpenEXR
import pytest
import scene_building as build
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnsr.rendering import PathTracer

QUICK = settings(max_examples=fuzzing.DEFAULT_EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
LONG = settings(QUICK, max_examples=fuzzing.SLOW_EXAMPLES)
FILES = ("tetrahedron.obj", "meshes/cube.obj", "big.obj")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Meshes, one of them too large to be merged into the scene, and a texture."""
    folder = tmp_path_factory.mktemp("fuzzed")
    (folder / "tetrahedron.obj").write_text(
        "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nvt 0 0\nvt 1e9 -3e38\nvn 0 0 1\n"
        "f 1/1/1 3/2/1 2/1/1\nf 1/1 2/2 4/2\nf 1 4 3\nf 2//1 3//1 4//1\n"
    )
    lines = [f"v {np.cos(n)} {np.sin(n)} {n / 300}" for n in range(302)]
    (folder / "big.obj").write_text("\n".join(lines + [f"f {n} {n + 1} {n + 2}" for n in range(1, 301)]))
    pixels = np.random.default_rng(0).random((3, 5)).astype(np.float32)
    pixels[0, 0] = 3e38
    channels = {name: OpenEXR.Channel(name, pixels) for name in "RGB"}
    OpenEXR.File({"type": OpenEXR.scanlineimage}, channels).write(str(folder / "texture.exr"))
    return folder


def check_text(tracer: Any, folder: Path, text: str) -> bool:
    path = folder / "scene.json"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    return fuzzing.check(tracer, path, str(path))


def check_scene(tracer: Any, folder: Path, scene: Any) -> bool:
    return check_text(tracer, folder, json.dumps(scene))


def everything() -> dict[str, Any]:
    """A room with something of every kind, to be spoiled."""
    scene = build.small_room()
    scene["materials"]["red"] |= {"texture": "texture.exr", "texture_frequency": [2.0, -3.5]}
    scene["geometry"] += [build.mesh(name, "glossy", build.rotation([1, 2, 3], 30, [0, 1, 0])) for name in FILES]
    scene["lights"].append(build.grid([0, 2.4, 0], [0, -1, 0], [1, 0, 1], "light"))
    return scene


def property_of(strategy: st.SearchStrategy[Any], check: Callable[[PathTracer, Path, Any], object]) -> Any:
    """Two tests of one property: one for every day, one of thousands of cases."""

    def test(tracer: Any, folder: Path, case: Any) -> None:
        check(tracer, folder, case)

    return QUICK(given(case=strategy)(test)), pytest.mark.slow(LONG(given(case=strategy)(test)))


test_scenes_of_any_numbers, test_scenes_of_any_numbers_long = property_of(
    fuzzing.scenes(FILES, "texture.exr"), check_scene
)
test_moved_numbers, test_moved_numbers_long = property_of(fuzzing.moved_numbers(everything()), check_scene)
test_spoiled_scenes, test_spoiled_scenes_long = property_of(fuzzing.mutations(everything()), check_scene)
test_any_json, test_any_json_long = property_of(fuzzing.JSON, check_scene)


@st.composite
def damaged_texts(draw: Callable[..., Any]) -> str:
    """The text of a scene file with some letters overwritten, cut off or repeated."""
    text = json.dumps(everything())
    for _ in range(draw(st.integers(1, 3))):
        start, length = draw(st.integers(0, len(text))), draw(st.integers(0, 30))
        middle = draw(st.text(max_size=6) | st.sampled_from(["NaN", "1e999", "[" * 2000, '"\\ud800"', ",", "9" * 5000]))
        text = text[:start] + middle + text[start + length :]
    return text[: draw(st.integers(0, len(text)))] if draw(st.integers(0, 4)) == 0 else text


test_damaged_texts, test_damaged_texts_long = property_of(damaged_texts(), check_text)


COORDINATES = fuzzing.NUMBERS | st.floats() | st.sampled_from([1e39, -1e300])
PLACES = st.tuples(fuzzing.vectors(COORDINATES), fuzzing.vectors(COORDINATES))


def check_camera(tracer: Any, folder: Path, place: Any) -> None:
    path = folder / "camera.json"
    if not path.exists():
        path.write_text(json.dumps(everything()))
    fuzzing.check_camera(tracer, path, place)


test_any_camera, test_any_camera_long = property_of(PLACES, check_camera)


def share_rendered(tracer: PathTracer, folder: Path, strategy: st.SearchStrategy[Any]) -> float:
    rendered = []

    @settings(QUICK, max_examples=40)
    @given(case=strategy)
    def run(case: Any) -> None:
        rendered.append(check_scene(tracer, folder, case))

    run()
    return float(np.mean(rendered))


def test_many_cases_of_either_fate(tracer: Any, folder: Path) -> None:
    # A fuzzer whose cases are all refused, or none of them, tests little.
    # (Which cases come depends on the modules that other tests have loaded: Hypothesis tries their constants, too.)
    for strategy in (fuzzing.scenes(FILES, "texture.exr"), fuzzing.moved_numbers(everything())):
        assert 0.05 < share_rendered(tracer, folder, strategy) < 0.95
    assert share_rendered(tracer, folder, fuzzing.mutations(everything())) < 0.8
