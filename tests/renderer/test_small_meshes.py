"""Meshes of few triangles, which are tested directly: no ray slips through, and Embree finds the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scene_building as build
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SMALL = ("cube", "dodecahedron", "cylinder")
GEOMETRY = ("position", "normal", "depth", "id", "albedo", "roughness")
MANY = 17  # so many small meshes are left to Embree
MIDDLE = np.array([0, 0.5, 0])  # of all of them
Json = dict[str, Any]

PLACES = [
    build.rotation([0, 1, 0], 0),
    build.rotation([1, 2, 3], 77, [0.3, 0.2, -0.4]),
    (np.diag([1e-3, 1e-3, 1e-3, 1]) @ build.rotation([3, -1, 2], 33, [2, -3, 1])).tolist(),
    (np.diag([300, 200, 250, 1]) @ build.rotation([1, 1, 0], 12, [-40, 20, 70])).tolist(),
    (np.diag([3, 0.02, 1, 1]) @ build.rotation([0, 0, 1], 45, [1, 1, 1])).tolist(),
    (np.diag([-1, 1, 1, 1]) @ build.rotation([1, 0, 0], 5)).tolist(),
]


def placed(name: str, transform: Any, material: str = "outside") -> Json:
    return build.mesh(f"meshes/{name}.obj", material, transform)


def scene_of(geometry: list[Json], position: Any, lookat: Any, fov: float = 60.0) -> Json:
    materials = {
        "outside": build.material(0.5, roughness=1.0, id=0),
        "inside": build.material(0.5, roughness=0.0, id=7),
    }
    return build.scene(build.camera(position, lookat, fov, near=1e-9), materials, [], geometry)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("transform", PLACES)
def test_nothing_is_seen_through_closed_meshes(tracer: Any, name: str, transform: Any) -> None:
    # From inside: rays that leave would see roughness 0.
    matrix = np.array(transform)
    axes = matrix[:3, :3]
    center = MIDDLE @ axes + matrix[3, :3]
    around = scene_of([placed(name, transform)], center, center + [0.3, 0.5, -1] @ axes, 170.0)
    view = tracer.render(around, 256, 64, buffers=("roughness",))
    assert view.buffers["roughness"].min() == 1.0
    # From outside: what is inside must stay hidden.
    within = np.diag([0.9, 0.9, 0.9, 1])
    within[3, :3] = 0.1 * MIDDLE
    eye = center + np.array([2.5, 1.0, 1.7]) @ axes
    pair = [placed(name, transform), placed(name, (within @ matrix).tolist(), "inside")]
    behind = scene_of(pair, eye, center)
    view = tracer.render(behind, 256, 64, buffers=("id", "roughness"))
    assert view.buffers["roughness"].max() > 0.5
    assert view.buffers["id"].max() == 0.0


@given(
    name=st.sampled_from(SMALL),
    axis=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda axis: np.linalg.norm(axis) > 0.1),
    degrees=st.floats(0, 360),
    scale=st.tuples(*[st.floats(0.05, 3)] * 3),
    eye=st.tuples(*[st.floats(-4, 4)] * 3).filter(lambda eye: np.linalg.norm(eye) > 0.5),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_embree_finds_the_same(tracer: Any, name: str, axis: Any, degrees: float, scale: Any, eye: Any) -> None:
    transform = (np.diag([*scale, 1]) @ build.rotation(axis, degrees)).tolist()
    far = [placed("cube", build.rotation([0, 1, 0], 0, [1e4, 1e4 + 3 * i, 1e4])) for i in range(MANY)]
    ground = build.grid([0, -4, 0], [0, 1, 0], [20, 0, 20], "inside")
    buffers = (*GEOMETRY, "ao")
    found = []
    for others in ([], far):
        scene = scene_of([placed(name, transform), ground, *others], eye, [0, 0, 0])
        found.append(tracer.render(scene, 32, 8, buffers=buffers).buffers)
    for buffer in buffers:
        # A ray that is told to meet the one or the other of two triangles at their edge changes an eighth of a pixel.
        apart = np.abs(found[0][buffer] - found[1][buffer]).max(axis=-1)
        assert np.count_nonzero(apart > 1e-3) <= (40 if buffer == "ao" else 6), buffer


def test_meshes_may_hold_triangles_without_area(tracer: Any, tmp_path: Path) -> None:
    path = tmp_path / "square.obj"
    path.write_text("v -1 -1 0\nv 1 -1 0\nv 1 1 0\nv -1 1 0\nf 1 2 3\nf 1 1 2\nf 1 3 4\nf 1 3 1\nf 2 2 2\n")
    scene = scene_of([build.mesh(str(path), "outside")], [0, 0, 3], [0, 0, 0], 30.0)
    view = tracer.render(scene, 64, 16, buffers=("roughness", "depth"))
    assert view.buffers["roughness"].min() == 1.0
    assert abs(view.buffers["depth"][32, 32, 0] - 3) < 1e-3


@pytest.mark.parametrize("count", [1, MANY - 1, MANY])
def test_any_number_of_small_meshes(tracer: Any, count: int) -> None:
    # A row of cubes with gaps as wide as they are, seen from far in front.
    half = np.diag([0.5, 0.5, 0.5, 1])
    cubes = [placed("cube", (half @ build.rotation([0, 1, 0], 0, [i, 0, 0])).tolist()) for i in range(count)]
    size = 16 * count
    wide = 2 * float(np.degrees(np.arctan(count / 2 / 1000)))
    middle = (count - 1) / 2
    scene = scene_of(cubes, [middle, 0.25, 1000], [middle, 0.25, 0], wide)
    row = tracer.render(scene, size, 4, buffers=("roughness",)).buffers["roughness"][size // 2, :, 0]
    assert abs(row.mean() - 0.5) < 0.02
