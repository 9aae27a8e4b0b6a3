"""PrimitiveRoom: simple shapes in a room with colored walls (paper, section 6)."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable

import numpy as np

from cnsr.scenes.description import Camera
from cnsr.scenes.elements import BLACK, WALLS, WHITE, Color, Json, box_room, material, mesh, sphere
from cnsr.scenes.randomizer import Contents, Randomizer, uniform

HALF_WIDTH = 3.0  # the room spans [-3, 3] in x and z
FLOOR, CEILING = -0.5, 2.5
MATERIAL_IDS = {
    "ground": 0,
    "ceiling": 1,
    "back": 2,
    "left": 3,
    "right": 4,
    "front": 5,
    "light": 6,
    "dodecahedron": 7,
    "cylinder": 8,
    "cube": 9,
    "sphere": 10,
    "teapot": 11,
}
OBJECTS = ("dodecahedron", "cylinder", "cube", "sphere", "teapot")

SPHERE_RADIUS = 0.5
LIGHT_RADIUS = 0.125
LIGHT_EMISSION = 35.0
LARGEST_LIGHT_COUNT = 10
PLACE = (-2.25, 2.25)  # x and z of objects and lights
LIGHT_HEIGHT = (1.0, 1.85)
OBJECT_DISTANCE = 1.55
OBJECT_TRIES = 5
ROUGHNESSES = (1.0, 0.5, 0.05)

FOV, NEAR, FAR = 75.0, 0.01, 100.0
CAMERA_HEIGHT = (1.0, 2.0)  # above all objects, which are at most 1 high
LOOKAT = ((0.0, 1.0), (0.0, 2.0), (0.0, 1.0))
FREE_DISTANCE = 0.1  # of the camera from walls and lights
PATH_RADIUS = 2.5

Surface = tuple[Color, float]
"""Color and roughness."""


class PrimitiveRoom(Randomizer):
    """The room and its variants, which differ in how lights and surfaces are drawn.

    Args:
        lights: draws the emission of each light that is there.
        wall: draws a wall's surface; floor and ceiling stay white.
        thing: draws an object's surface.
    """

    bounces = 4
    hide_lights = True

    def __init__(
        self,
        lights: Callable[[np.random.Generator], list[Color]],
        wall: Callable[[np.random.Generator], Surface],
        thing: Callable[[np.random.Generator], Surface],
    ) -> None:
        self._lights = lights
        self._wall = wall
        self._thing = thing

    def surroundings(self) -> Contents:
        """Return floor, ceiling and walls, facing inward."""
        return Contents(geometry=box_room((-HALF_WIDTH, FLOOR, -HALF_WIDTH), (HALF_WIDTH, CEILING, HALF_WIDTH)))

    def lighting(self, rng: np.random.Generator) -> Contents:
        """Draw spherical lights under the ceiling, each with a material of its own."""
        materials, lights = {}, []
        for number, emission in enumerate(self._lights(rng)):
            name = f"light{number + 1}" if number else "light"
            materials[name] = material(MATERIAL_IDS["light"], BLACK, 1.0, emission)
            x, y, z = uniform(rng, (PLACE, LIGHT_HEIGHT, PLACE))
            lights.append(sphere(name, [x, y, z], LIGHT_RADIUS))
        return Contents(materials=materials, lights=lights)

    def geometry(self, rng: np.random.Generator) -> Contents:
        """Place a random half of the objects on the floor, apart from each other."""
        placed: list[tuple[float, float]] = []
        objects = []
        for index in rng.permutation(len(OBJECTS)).tolist():
            visible, turn = rng.random(2).tolist()
            if visible >= 0.5:
                continue
            for _ in range(OBJECT_TRIES):
                x, z = uniform(rng, (PLACE, PLACE))
                if all(math.dist((x, z), other) >= OBJECT_DISTANCE for other in placed):
                    placed.append((x, z))
                    objects.append(_standing(OBJECTS[index], x, z, 2 * math.pi * turn))
                    break
        return Contents(geometry=objects)

    def materials(self, rng: np.random.Generator) -> Contents:
        """Draw the surfaces of walls and objects, hidden ones too."""
        surfaces: dict[str, Surface] = {"ground": (WHITE, 1.0), "ceiling": (WHITE, 1.0)}
        surfaces |= {name: self._wall(rng) for name in WALLS}
        surfaces |= {name: self._thing(rng) for name in OBJECTS}
        return Contents(materials={name: material(MATERIAL_IDS[name], *surface) for name, surface in surfaces.items()})

    def view(self, rng: np.random.Generator, contents: Contents) -> Camera:
        """Draw a camera above the objects that looks at the middle of the room; never in a wall or a light."""
        while True:
            u = rng.random(4).tolist()
            x = math.sin(2 * math.pi * u[0]) * (1.5 + 1.5 * u[1])
            z = math.cos(2 * math.pi * u[2]) * (1.5 + 1.5 * u[3])
            y, *lookat = uniform(rng, (CAMERA_HEIGHT, *LOOKAT))
            if is_free((x, y, z), contents.lights):
                return _camera((x, y, z), (lookat[0], lookat[1], lookat[2]))

    def animate_view(self, t: float) -> Camera:
        """Return the camera at `t` in [0, 1] of a circle about the room that looks at the origin."""
        angle = 2 * math.pi * t
        x, z = PATH_RADIUS * math.sin(angle), PATH_RADIUS * math.cos(angle)
        return _camera((x, 1.5 + 0.5 * math.cos(angle), z), (0.0, 0.0, 0.0))


def is_free(position: tuple[float, float, float], lights: list[Json]) -> bool:
    """Tell whether a camera at a height of `CAMERA_HEIGHT` is clear of walls and lights."""
    x, _, z = position
    if max(abs(x), abs(z)) > HALF_WIDTH - FREE_DISTANCE:
        return False
    return all(math.dist(position, light["position"]) > light["radius"] + FREE_DISTANCE for light in lights)


def one_light(_: np.random.Generator) -> list[Color]:
    """Return one white light."""
    return [(LIGHT_EMISSION, LIGHT_EMISSION, LIGHT_EMISSION)]


def many_white_lights(rng: np.random.Generator) -> list[Color]:
    """Draw up to ten white lights of different strength."""
    strengths = [15.0 * (0.1 + 0.9 * u) for u in _on(rng, 1)[:, 0].tolist()]
    return [(strength, strength, strength) for strength in strengths]


def many_colored_lights(rng: np.random.Generator) -> list[Color]:
    """Draw up to ten lights of any color."""
    return [(15.0 * r, 15.0 * g, 15.0 * b) for r, g, b in _on(rng, 3).tolist()]


def hued_wall(rng: np.random.Generator) -> Surface:
    """Draw a diffuse wall of a saturated color."""
    return colorsys.hsv_to_rgb(rng.random(), 1.0, 1.0), 1.0


def hued_thing(rng: np.random.Generator) -> Surface:
    """Draw a saturated color and one of three roughnesses."""
    return colorsys.hsv_to_rgb(rng.random(), 1.0, 1.0), ROUGHNESSES[rng.integers(len(ROUGHNESSES))]


def any_surface(rng: np.random.Generator) -> Surface:
    """Draw any color and any roughness."""
    r, g, b, u = rng.random(4).tolist()
    return (r, g, b), 0.05 + 0.95 * u


def white_thing(_: np.random.Generator) -> Surface:
    """Return a white diffuse surface."""
    return WHITE, 1.0


def _on(rng: np.random.Generator, channels: int) -> np.ndarray:
    """Draw numbers [N, channels] in [0, 1) for those lights that are on."""
    numbers = rng.random((LARGEST_LIGHT_COUNT, 1 + channels))
    return numbers[numbers[:, 0] < 0.5, 1:]


def _standing(name: str, x: float, z: float, angle: float) -> Json:
    """Return an object on the floor at (x, z), turned by `angle` counter-clockwise seen from above."""
    if name == "sphere":
        return sphere(name, [x, FLOOR + SPHERE_RADIUS, z], SPHERE_RADIUS)
    return mesh(name, f"meshes/{name}.obj", (x, FLOOR, z), angle)


def _camera(position: Color, lookat: Color) -> Camera:
    return Camera(position=position, lookat=lookat, fov=FOV, near=NEAR, far=FAR)
