"""Strategies that make scenes of any kind, and the checks that whatever they make has to pass."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scene_building as build
from hypothesis import strategies as st

from cnsr.buffers import BUFFERS
from cnsr.errors import RenderError, SceneError

ALL = tuple(BUFFERS)
SIGNED = ("position", "normal", "mirror", "mirror_hit", "mirror_normal")

DEFAULT_EXAMPLES = 60
SLOW_EXAMPLES = 3000

# Numbers at the edges of formats, of our limits, and of what formulas bear.
EDGES = (0.0, -0.0, 1.0, -1.0, 0.05, 0.5, 5e-324, 1e-45, 1e-38, 1e-30, 1e-18, 1e-9, 1e-7, 1e-4, 1e4, 1e9, 1e17, 1e18)
NUMBERS = st.sampled_from([*EDGES, *(-edge for edge in EDGES)]) | st.floats(-1e18, 1e18) | st.floats(-4, 4)
NOT_NEGATIVE = st.sampled_from(EDGES).map(abs) | st.floats(0, 1e18) | st.floats(0, 4)
POSITIVE = NOT_NEGATIVE.filter(lambda value: value > 0)
EXTREMES = (math.nan, math.inf, -math.inf, 1e19, -1e19, 1e39, 1e308, 10**400, -(10**30), 2**64, True, "")
BEYOND = st.sampled_from(EXTREMES)
KEYS = st.sampled_from(
    ["type", "material", "cache", "transform", "texture", "id", "", "\n", "\u2028", "a b"]
) | st.text(max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | BEYOND | NUMBERS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)
MATERIALS = ("plain", "glossy", "textured", "light")


USUAL = st.floats(-4, 4)


@st.composite
def vectors(draw: Callable[..., Any], unusual: st.SearchStrategy[float] = NUMBERS) -> list[float]:
    """Mostly a place in a room; were all numbers extreme, no camera would ever see anything."""
    numbers = draw(st.sampled_from([USUAL, USUAL, USUAL, USUAL, unusual]))
    return draw(st.lists(numbers, min_size=3, max_size=3))


@st.composite
def lengths(draw: Callable[..., Any]) -> list[float]:
    """The same for sizes."""
    numbers = draw(st.sampled_from([st.floats(0.05, 4)] * 5 + [NOT_NEGATIVE]))
    return draw(st.lists(numbers, min_size=3, max_size=3))


def directions() -> st.SearchStrategy[list[float]]:
    usual = [[0.0, 1.0, 0.0], [0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [1.0, -2.0, 3.0]]
    return st.sampled_from(usual) | vectors()


@st.composite
def transforms(draw: Callable[..., Any]) -> list[list[float]]:
    """Matrices that a scene may hold, most of them; of spheres only those that do not stretch."""
    kind = draw(st.sampled_from(["none", "none", "none", "moved", "turned", "scaled", "any"]))
    offset = draw(vectors()) if kind != "none" else [0.0, 0.0, 0.0]
    matrix = np.eye(4)
    if kind == "turned":
        axis = draw(st.lists(st.floats(-1, 1), min_size=3, max_size=3).filter(lambda v: np.linalg.norm(v) > 0.01))
        matrix[:] = build.rotation(axis, draw(st.floats(0, 360)))
    elif kind == "scaled":
        matrix[:3, :3] *= draw(NUMBERS)
    elif kind == "any":
        matrix[:3, :3] = [draw(vectors()) for _ in range(3)]
    matrix[3, :3] = offset
    return [[float(value) for value in row] for row in matrix]


@st.composite
def shapes(draw: Callable[..., Any], materials: tuple[str, ...], files: tuple[str, ...]) -> dict[str, Any]:
    matrix, material = draw(transforms()), draw(st.sampled_from(materials))
    kind = draw(st.sampled_from(["grid", "sphere", *(["file"] if files else [])]))
    if kind == "grid":
        return build.grid(draw(vectors()), draw(directions()), draw(lengths()), material, matrix)
    if kind == "sphere":
        return build.sphere(draw(vectors()), draw(st.floats(0.1, 3) | POSITIVE), material, matrix)
    return build.mesh(draw(st.sampled_from(files)), material, matrix)


@st.composite
def surface_materials(draw: Callable[..., Any], emissive: bool, texture: str = "") -> dict[str, Any]:
    return build.material(
        draw(st.lists(st.floats(0, 1), min_size=3, max_size=3) | lengths()),
        draw(lengths()) if emissive else 0.0,
        draw(st.sampled_from([0.0, 0.05, 0.0500001, 0.3, 1.0]) | st.floats(0, 1)),
        ior=draw(st.sampled_from([1.0, 1.5, 15.0, 1e18]) | st.floats(1, 1e18)),
        texture=texture,
        texture_frequency=[draw(NUMBERS), draw(NUMBERS)],
        id=draw(st.sampled_from([0, 1, 2**24])),
    )


@st.composite
def scenes(draw: Callable[..., Any], files: tuple[str, ...] = (), texture: str = "") -> dict[str, Any]:
    """Scenes that are right by all rules of single values; some combinations are not."""
    materials = {name: draw(surface_materials(name == "light", texture * (name == "textured"))) for name in MATERIALS}
    near = draw(st.sampled_from([0.0, 1e-30, 1e-9]))
    fov = draw(st.floats(30, 120) | st.floats(1e-30, 179.999))
    view = build.camera(draw(vectors()), draw(vectors()), fov, near, draw(st.just(1e6) | POSITIVE))
    plain = MATERIALS[:3]
    scene = build.scene(
        view,
        materials,
        draw(st.lists(shapes(("light",), ()), max_size=3)),
        draw(st.lists(shapes((*plain, "light"), ()) | shapes(plain, files), min_size=1, max_size=4)),
        draw(st.sampled_from([1, 2, 3, 8])),
        draw(st.booleans()),
    )
    if draw(st.integers(0, 3)) == 0:
        scale(scene, 10.0 ** draw(st.integers(-22, 17)))
    return scene


def scale(scene: dict[str, Any], factor: float) -> None:
    """Make everything larger or smaller by the same factor, where limits allow."""
    for owner in (scene["camera"], *scene["lights"], *scene["geometry"]):
        for key in ("position", "lookat", "size"):
            if key in owner:
                owner[key] = [min(max(value * factor, -1e18), 1e18) for value in owner[key]]
        if "radius" in owner:
            owner["radius"] = min(max(owner["radius"] * factor, 1e-300), 1e18)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values within JSON-like data."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def value_at(data: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        data = data[key]
    return data


@st.composite
def moved_numbers(draw: Callable[..., Any], original: dict[str, Any]) -> dict[str, Any]:
    """`original` with some numbers changed; mostly still a scene."""
    data = copy.deepcopy(original)
    numbers = [place for place in places(data) if type(value_at(data, place)) in (int, float)]
    for path in draw(st.lists(st.sampled_from(numbers), min_size=1, max_size=4)):
        new = USUAL | NUMBERS if isinstance(value_at(original, path), float) else st.integers(-2, 2**40)
        value_at(data, path[:-1])[path[-1]] = draw(new)
    return data


@st.composite
def mutations(draw: Callable[..., Any], original: dict[str, Any], changes: int = 4) -> dict[str, Any]:
    """`original` with parts replaced, taken out, doubled or renamed, and numbers moved beyond limits."""
    data = copy.deepcopy(original)
    for _ in range(draw(st.integers(1, changes))):
        candidates = [place for place in places(data) if place]
        if not candidates:
            break
        path = draw(st.sampled_from(candidates))
        owner, old = value_at(data, path[:-1]), value_at(data, path)
        kind = draw(st.sampled_from(["number", "any", "remove", "double", "rename"]))
        if kind == "number" and isinstance(old, int | float):
            owner[path[-1]] = draw(NUMBERS | BEYOND | st.integers(-5, 5))
        elif kind == "any":
            owner[path[-1]] = draw(JSON)
        elif kind == "remove":
            del owner[path[-1]]
        elif kind == "double" and isinstance(owner, list):
            owner.insert(path[-1], copy.deepcopy(old))
        elif kind == "rename" and isinstance(owner, dict):
            owner[draw(KEYS)] = owner.pop(path[-1])
    return data


def assert_one_line(error: Exception, *names: str) -> None:
    """A message for people: one line, not endless, that names the places."""
    message = str(error)
    assert len(message.splitlines()) == 1, message
    assert len(message) < 20_000
    for name in names:
        assert name in message, message


def check(tracer: Any, scene: Path | dict[str, Any], source: str, *names: str, **options: Any) -> bool:
    """Assert that a scene is refused with one line that names its places, or rendered without a fault.

    Args:
        scene: a file or its decoded JSON.
        source: what messages call it.
        names: what else messages must hold.

    Returns:
        Whether it was rendered.
    """
    try:
        loaded = tracer.load_scene(scene)
    except SceneError as error:
        assert_one_line(error, source, *names)
        return False
    for clamp in (25.0, None):
        view = tracer.render(loaded, size=3, samples=2, buffers=ALL, clamp=clamp, **options)
        assert 0 <= view.dropped <= 3 * 3 * 2
        for name, image in view.buffers.items():
            assert np.isfinite(image).all(), name
            assert name in SIGNED or image.min() >= 0, name
    return True


def check_camera(tracer: Any, scene: Any, place: tuple[list[float], list[float]]) -> None:
    """The same for a camera in place of the scene's own."""
    try:
        assert check(tracer, scene, "", camera=place)
    except RenderError as error:
        assert_one_line(error, "camera")
