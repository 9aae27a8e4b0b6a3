"""Small scenes that together show all that light transport has to get right: rendered against Mitsuba, against own
reference images, and to compare noise.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio.v3
import numpy as np
import scene_building as build

from cnsr.scenes.datasets import RANDOMIZERS
from cnsr.scenes.description import Scene, parse_scene
from cnsr.scenes.randomizer import draw_batch

Json = dict[str, Any]

TEXTURE = "checks.png"


def rooms(dataset: str, count: int, seed: int = 3) -> list[Scene]:
    """Return the first random scenes of a dataset, one view each."""
    batch = draw_batch(RANDOMIZERS[dataset], seed, "test", 0, count, 1, partitioned=False)
    return [drawn.scenes[0] for drawn in batch.scenes]


def write_texture(folder: Path) -> None:
    """Write the texture that scenes of the gallery use: 16 x 8 texels, without symmetry, red the largest channel."""
    y, x = np.mgrid[0:8, 0:16]
    red = 70 + 120 * ((x // 2 + y) % 2) + 4 * x
    pixels = np.stack([red, red - 8 * y, red // 2], -1).astype(np.uint8)
    imageio.v3.imwrite(folder / TEXTURE, pixels)


def gallery(folder: Path) -> dict[str, Scene]:
    """Return all scenes by name; `folder` must hold the texture."""
    return {name: parse_scene(make(), name, folder) for name, make in SCENES.items()}


def dimmed(scene: Scene, albedo: float = 1.0, light: float = 1.0, material: str = "") -> Scene:
    """Return a scene whose albedo and lights are scaled; those of one material only, if it is named."""
    changed = copy.deepcopy(scene.model_dump())
    for name, one in changed["materials"].items():
        if material in ("", name):
            one["color"] = [albedo * value for value in one["color"]]
            one["emission"] = [light * value for value in one["emission"]]
    return parse_scene(changed, folder=scene.folder)


def _box(view: Json, lights: list[Json], things: list[Json], materials: Json, **options: Any) -> Json:
    """Return a closed box, 2 x 1 x 2 around (0, 0.5, 0), with walls of materials wall0 to wall5 (default: wall)."""
    walls = build.box_walls([-1, 0, -1], [1, 1, 1], "wall")
    for number, wall in enumerate(walls):
        if f"wall{number}" in materials:
            wall["material"] = f"wall{number}"
    materials = {"wall": build.material([0.75, 0.6, 0.45]), **materials}
    return build.scene(view, materials, lights, [*walls, *things], **{"bounces": 4, **options})


_CORNER = build.camera([0.85, 0.75, 0.9], [-0.4, 0.3, -0.5], 65.0)
_CEILING_LIGHT = build.grid([0.1, 0.9, -0.1], [0, -1, 0], [0.7, 0, 0.5], "light")
_LAMP = build.material(0, [3.0, 2.5, 2.0])


def glossy_box(roughness: float) -> Json:
    """Return a box whose walls are all glossy, under a rectangle."""
    materials = {"wall": build.material([0.8, 0.6, 0.4], roughness=roughness), "light": _LAMP}
    return _box(_CORNER, [_CEILING_LIGHT], [], materials)


def matt_box() -> Json:
    """Return a box of matt walls in several colors with a matt sphere under a visible sphere light."""
    materials = {
        "wall0": build.material([0.8, 0.1, 0.1]),
        "wall1": build.material([0.1, 0.7, 0.2]),
        "ball": build.material(0.9),
        "light": build.material(0.3, 4.0),
    }
    lights = [build.sphere([0.2, 0.7, 0.1], 0.12, "light")]
    return _box(_CORNER, lights, [build.sphere([-0.3, 0.3, -0.4], 0.3, "ball")], materials)


def textured() -> Json:
    """Return textured walls, meshes and a turned sphere, with frequencies that are no whole numbers, or negative."""
    cloth = {"texture": TEXTURE}
    materials = {
        "wall0": build.material([0.9, 0.8, 0.7], texture_frequency=[3.0, 2.0], **cloth),
        "wall1": build.material([0.9, 0.9, 0.9], texture_frequency=[2.5, -1.3], **cloth),
        "wall2": build.material([0.7, 0.9, 0.9], texture_frequency=[1.0, 1.0], **cloth),
        "wall3": build.material([0.7, 0.9, 0.9], texture_frequency=[1.0, 2.0], **cloth),
        "wall4": build.material([1.0, 0.9, 0.5], roughness=0.6, texture_frequency=[1.0, 1.0], **cloth),
        "ball": build.material([0.9, 0.5, 0.9], texture_frequency=[2.0, 1.5], **cloth),
        "tin": build.material([0.9, 0.9, 0.9], texture_frequency=[-3.0, 1.0], **cloth),
        "light": _LAMP,
    }
    turn = build.rotation([1.0, 0.5, 0.2], 70, [-0.45, 0.35, -0.3])
    small = np.diag([0.45, 0.45, 0.45, 1.0])
    small[3, :3] = [0.35, 0.0, -0.5]
    things = [build.sphere([0, 0, 0], 0.3, "ball", turn), build.mesh("meshes/cylinder.obj", "tin", small)]
    return _box(_CORNER, [_CEILING_LIGHT], things, materials)


def many_lights(hide: bool) -> Json:
    """Return spheres and rectangles of different color and size as lights, some turned away."""
    materials = {
        "wall": build.material([0.6, 0.7, 0.8], roughness=0.8),
        "red": build.material(0.2, [3.0, 0.3, 0.3]),
        "green": build.material(0.2, [0.3, 2.0, 0.3]),
        "blue": build.material(0, [0.3, 0.3, 4.0]),
        "faint": build.material(0.5, 0.2),
        "block": build.material([0.7, 0.7, 0.2]),
    }
    lights = [
        build.sphere([-0.6, 0.7, -0.5], 0.1, "red"),
        build.sphere([0.5, 0.2, -0.6], 0.03, "green"),
        build.sphere([0.1, 0.5, 0.3], 0.15, "faint"),
        build.grid([0.6, 0.8, 0.3], [0, -1, 0], [0.3, 0, 0.2], "blue"),
        build.grid([0, 0, 0], [0, 1, 0], [0.4, 0, 0.1], "red", build.rotation([1, 0.3, 0.2], 130, [-0.2, 0.6, -0.7])),
        build.grid([-0.95, 0.5, 0.3], [-1, 0, 0], [0, 0.5, 0.5], "green"),
    ]
    block = np.diag([0.35, 0.35, 0.35, 1.0]) @ np.array(build.rotation([0, 1, 0], 25, [-0.2, 0.0, -0.2]))
    return _box(_CORNER, lights, [build.mesh("meshes/cube.obj", "block", block)], materials, hide_lights=hide)


def mirrors(roughness: float) -> Json:
    """Return a mirror as floor and a mirroring ball, which a large light keeps free of rare bright paths."""
    materials = {
        "wall2": build.material(0.5, roughness=roughness),
        "ball": build.material(0.5, roughness=roughness),
        "wall0": build.material([0.8, 0.3, 0.2]),
        "light": build.material(0, [6.0, 5.0, 4.0]),
    }
    light = build.grid([0.0, 0.95, 0.0], [0, -1, 0], [1.8, 0, 1.8], "light")
    return _box(_CORNER, [light], [build.sphere([-0.3, 0.35, -0.3], 0.3, "ball")], materials)


def smooth_meshes(roughness: float) -> Json:
    """Return meshes with interpolated normals, one of them stretched and mirrored."""
    materials = {
        "pot": build.material([0.8, 0.5, 0.3], roughness=roughness),
        "tin": build.material([0.3, 0.6, 0.8], roughness=roughness),
        "light": _LAMP,
    }
    pot = np.diag([0.7, 0.7, 0.7, 1.0]) @ np.array(build.rotation([0, 1, 0], 40, [-0.25, 0.0, -0.1]))
    tin = np.diag([-0.4, 0.7, 0.25, 1.0]) @ np.array(build.rotation([0.3, 1, 0.1], 10, [0.5, 0.02, -0.5]))
    things = [build.mesh("meshes/teapot.obj", "pot", pot), build.mesh("meshes/cylinder.obj", "tin", tin)]
    return _box(_CORNER, [_CEILING_LIGHT], things, materials)


def touching_lights() -> Json:
    """Return visible lights that cut, touch or nearly touch walls, and one that touches a ball."""
    materials = {
        "bulb": build.material(0.4, [1.0, 0.8, 0.6]),
        "panel": build.material(0.2, [0.5, 0.8, 1.0]),
        "ball": build.material([0.7, 0.8, 0.9], roughness=0.7),
    }
    lights = [
        build.sphere([-1.0, 0.6, -0.3], 0.2, "bulb"),  # half in the wall
        build.sphere([0.4, 0.1, -0.9], 0.1, "bulb"),  # touches floor and wall
        build.grid([-0.2, 0.9999, 0.1], [0, -1, 0], [0.5, 0, 0.5], "panel"),  # a tenth of a millimetre off
        build.grid([0.6, 0.3, -0.999], [0, 0, 1], [0.3, 0.3, 0], "panel"),
        build.sphere([-0.1, 0.55, -0.4], 0.05, "bulb"),
    ]
    return _box(_CORNER, lights, [build.sphere([-0.1, 0.25, -0.4], 0.25, "ball")], materials)


def hidden_touching_lights() -> Json:
    """Return hidden lights that nearly touch walls, as near as Mitsuba's rays can tell: its offset is 0.2 mm here."""
    scene = touching_lights()
    scene["hide_lights"] = True
    scene["lights"] = [
        build.sphere([-0.8, 0.6, -0.3], 0.199, "bulb"),
        build.sphere([0.4, 0.1, -0.9], 0.099, "bulb"),
        build.grid([-0.2, 0.999, 0.1], [0, -1, 0], [0.5, 0, 0.5], "panel"),
        build.grid([0.6, 0.3, -0.999], [0, 0, 1], [0.3, 0.3, 0], "panel"),
        build.sphere([-0.1, 0.551, -0.4], 0.05, "bulb"),
    ]
    return scene


def close_camera(place: str) -> Json:
    """Return the glossy box from a millimetre above its floor, in front of a wall, or in a corner."""
    views = {
        "floor": ([0.2, 0.001, 0.3], [-0.3, 0.02, -0.4]),
        "wall": ([0.2, 0.4, -0.998], [0.6, 0.1, -1.0]),
        "corner": ([0.997, 0.997, 0.997], [0.0, 0.4, 0.0]),
    }
    position, lookat = views[place]
    return {**glossy_box(0.7), "camera": build.camera(position, lookat, 80.0)}


def few_vertices(bounces: int) -> Json:
    """Return the box of matt and glossy walls with another number of path vertices."""
    scene = glossy_box(0.6)
    scene["materials"]["wall"]["ior"] = 1.5
    scene["lights"].append(build.sphere([-0.5, 0.4, -0.4], 0.1, "light"))
    scene["bounces"] = bounces
    return scene


SCENES: dict[str, Callable[[], Json]] = {
    "matt box": matt_box,
    **{f"glossy box {roughness}": lambda r=roughness: glossy_box(r) for roughness in (0.3, 0.5, 0.75)},
    "textured": textured,
    "many lights": lambda: many_lights(False),
    "many hidden lights": lambda: many_lights(True),
    "mirrors 0.05": lambda: mirrors(0.05),
    "mirrors 0.0": lambda: mirrors(0.0),
    "smooth meshes": lambda: smooth_meshes(1.0),
    "smooth glossy meshes": lambda: smooth_meshes(0.5),
    "touching lights": touching_lights,
    "hidden touching lights": hidden_touching_lights,
    **{f"camera close to the {place}": lambda p=place: close_camera(p) for place in ("floor", "wall", "corner")},
    **{f"{number} vertices": lambda n=number: few_vertices(n) for number in (1, 2, 3, 8)},
}
