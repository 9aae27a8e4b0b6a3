"""Every image is that of Mitsuba 3, an independent renderer, within chance: see ``image_statistics``.

Seeds are fixed, so that what passes keeps passing; whoever changes them sees a false alarm once in a thousand scenes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import image_statistics
import mitsuba_scene
import numpy as np
import pytest
import scene_building as build
from scene_gallery import SCENES, dimmed, gallery, rooms, smooth_meshes, write_texture

from cnsr.scenes.datasets import RANDOMIZERS
from cnsr.scenes.description import Scene, parse_scene

pytestmark = pytest.mark.reference

SIZE = 32
SAMPLES = 128
RENDERINGS = 16
ROOMS = 3


@pytest.fixture(scope="session")
def mitsuba() -> Any:
    try:
        return mitsuba_scene.load_mitsuba()
    except mitsuba_scene.MitsubaMissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scene]:
    folder = tmp_path_factory.mktemp("gallery")
    write_texture(folder)
    return gallery(folder)


def ours(tracer: Any, scene: Scene) -> np.ndarray:
    views = tracer.render_views([scene] * RENDERINGS, SIZE, SAMPLES, list(range(RENDERINGS)), clamp=None)
    assert all(view.dropped == 0 for view in views)
    return np.stack([view.buffers["beauty"] for view in views])


def theirs(mitsuba: Any, scene: Scene, **options: Any) -> np.ndarray:
    loaded = mitsuba.load_dict(mitsuba_scene.translate(mitsuba, scene, SIZE, samples=SAMPLES, **options))
    seeds = range(1000, 1000 + RENDERINGS)
    return np.stack([mitsuba_scene.render(mitsuba, loaded, SAMPLES, seed) for seed in seeds])


def compare(tracer: Any, mitsuba: Any, scene: Scene, other: Scene | None = None) -> image_statistics.Comparison:
    """Compare our image of a scene with Mitsuba's, of the same scene or of another."""
    return image_statistics.compare(ours(tracer, scene), theirs(mitsuba, other or scene))


DATASETS = sorted(RANDOMIZERS)


def sees_three_percent(comparison: image_statistics.Comparison) -> bool:
    """Tell whether all light being 3 % off would lie beyond the limit of the whole image's mean."""
    image = comparison.scales[-1]
    return image.error * image.limit < 0.03


@pytest.mark.parametrize("number", range(ROOMS))
@pytest.mark.parametrize("dataset", DATASETS)
def test_random_rooms(tracer: Any, mitsuba: Any, dataset: str, number: int) -> None:
    comparison = compare(tracer, mitsuba, rooms(dataset, ROOMS)[number])
    assert comparison.agree, str(comparison)
    assert sees_three_percent(comparison), str(comparison)


@pytest.mark.parametrize("name", sorted(SCENES))
def test_gallery(tracer: Any, mitsuba: Any, scenes: dict[str, Scene], name: str) -> None:
    comparison = compare(tracer, mitsuba, scenes[name])
    assert comparison.agree, str(comparison)
    assert sees_three_percent(comparison), str(comparison)


def test_a_light_is_seen_from_within(tracer: Any, mitsuba: Any) -> None:
    # Camera and ball inside a sphere that shines: with ours it shines inwards, too.
    materials = {"light": build.material([0.5, 0.4, 0.3], 20.0), "ball": build.material(0.8, roughness=0.4)}
    scene = parse_scene(
        build.scene(
            build.camera([0.3, 0.4, 1.2], [0.1, 0.2, -0.9], 80.0),
            materials,
            [build.sphere([0, 0, 0], 2.0, "light")],
            [build.sphere([0, 0, 0], 0.5, "ball")],
            bounces=4,
        )
    )
    comparison = image_statistics.compare(ours(tracer, scene), theirs(mitsuba, scene, inner_light=True))
    assert comparison.agree, str(comparison)


WRONG = {
    "all albedos": {"albedo": 0.97},
    "one wall's albedo": {"albedo": 0.97, "material": "wall0"},
    "a ball's albedo": {"albedo": 0.97, "material": "ball"},
    "light": {"light": 0.97},
}


@pytest.mark.parametrize("fault", WRONG)
def test_an_error_of_three_percent_is_seen(tracer: Any, mitsuba: Any, scenes: dict[str, Scene], fault: str) -> None:
    scene = scenes["matt box"]
    assert not compare(tracer, mitsuba, scene, dimmed(scene, **WRONG[fault])).agree


def test_a_slightly_wrong_material_is_seen(tracer: Any, mitsuba: Any, scenes: dict[str, Scene]) -> None:
    scene = scenes["glossy box 0.5"]
    changed = {
        name: one.model_copy(update={"roughness": one.roughness * 0.97}) for name, one in scene.materials.items()
    }
    assert not compare(tracer, mitsuba, scene, scene.model_copy(update={"materials": changed})).agree


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_dimmer_room_is_seen(tracer: Any, mitsuba: Any, dataset: str) -> None:
    scene = rooms(dataset, 1)[0]
    assert not compare(tracer, mitsuba, scene, dimmed(scene, light=0.97)).agree


def write_prism(folder: Path) -> None:
    """Write a closed prism of six sides, whose sides have the normals of a cylinder."""
    corners = [(np.cos(angle) / 2, np.sin(angle) / 2) for angle in np.arange(6) * np.pi / 3]
    lines = [f"v {x:.6f} {y} {z:.6f}" for y in (0, 1) for x, z in corners]
    lines += [f"vn {2 * x:.6f} 0 {2 * z:.6f}" for x, z in corners]
    lines += ["vn 0 -1 0", "vn 0 1 0"]
    for a in range(1, 7):
        b = a % 6 + 1
        lines += [f"f {a}//{a} {a + 6}//{a} {b + 6}//{b}", f"f {a}//{a} {b + 6}//{b} {b}//{b}"]
    lines += ["f " + " ".join(f"{a}//7" for a in range(1, 7)), "f " + " ".join(f"{a}//8" for a in range(12, 6, -1))]
    (folder / "prism.obj").write_text("\n".join(lines) + "\n")


def test_a_coarse_mesh_differs_where_its_normals_contradict_its_faces_only(
    tracer: Any, mitsuba: Any, tmp_path: Path
) -> None:
    # Where the interpolated normal faces away from the camera, ours turns it back and Mitsuba takes the surface for
    # seen from behind; where it mirrors a ray into the mesh, ours ends the path and Mitsuba goes on within
    # (docs/renderer.md).
    write_prism(tmp_path)
    data = smooth_meshes(0.1)
    data["geometry"] = [*data["geometry"][:6], build.mesh("prism.obj", "pot", np.diag([0.9, 0.7, 0.9, 1.0]))]
    scene = parse_scene(data, folder=tmp_path)
    z = np.abs(compare(tracer, mitsuba, scene).scales[0].z).max(2)
    views = tracer.render_views([scene] * 256, SIZE, 1, list(range(256)), buffers=("normal", "position", "mirror"))
    normal, place, mirror = (
        np.stack([view.buffers[name] for view in views]) for name in ("normal", "position", "mirror")
    )
    toward = np.asarray(scene.camera.position) - place
    cosine = (normal * toward).sum(3) / np.linalg.norm(toward, axis=3)
    on_side = (np.hypot(place[..., 0], place[..., 2]) < 0.46) & (place[..., 1] > 1e-3) & (place[..., 1] < 0.699)
    face = (np.floor(np.arctan2(place[..., 2], place[..., 0]) / (np.pi / 3)) + 0.5) * np.pi / 3
    above = mirror[..., 0] * np.cos(face) + mirror[..., 2] * np.sin(face)
    contradictory = (on_side & ((cosine < 0.01) | (above < 0.1))).any(0)
    assert contradictory.mean() < 0.1
    assert z[contradictory].max() > 10
    assert z[~contradictory].max() < 6
