"""ArchViz: furnished rooms with wallpapers, a window and a hanging lamp (paper, section 6).

Which factor owns what: lighting has the window, the lamp and where it hangs; geometry which furniture there is, its
proportions and places; materials all colors and textures. So each can be drawn anew while the others stay.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from cnsr.scenes.archviz_layout import HIGH, LOW, Choose, Placed, furnish
from cnsr.scenes.archviz_materials import MATERIAL_IDS, draw_surfaces, light_color
from cnsr.scenes.description import Camera
from cnsr.scenes.elements import BLACK, Color, box_room, grid, material
from cnsr.scenes.plan import Placement
from cnsr.scenes.randomizer import Contents, Randomizer, uniform

WINDOW_PLACE, WINDOW_SIZE = (2.0, 1.3, 3.2499), 2.0
WINDOW_EMISSION = (15.0, 8.5)  # at least, and what a color adds
LAMP_X, LAMP_Y, LAMP_Z, LAMP_SIZE = (1.1, 2.1), 1.8375, 2.25, 0.2
LAMP_DROP = round(HIGH[1] - LAMP_Y, 4)  # from the ceiling
LAMP_EMISSION = (10.0, 6.0)

FOV, NEAR, FAR = 45.0, 0.01, 100.0
CAMERA = ((-3.0, -0.5), (1.4, 1.8), (-2.5, 2.5))  # beside most of the furniture, and above all of it
LOOKAT = ((1.0, 3.0), (1.2, 1.2), (-1.125, 1.125))


class ArchViz(Randomizer):
    """Furnished rooms.

    Args:
        choose: draws models of furniture.
    """

    bounces = 8
    hide_lights = False

    def __init__(self, choose: Choose) -> None:
        self._choose = choose

    def surroundings(self) -> Contents:
        """Return floor, ceiling and walls, facing inward."""
        return Contents(geometry=box_room(LOW, HIGH))

    def lighting(self, rng: np.random.Generator) -> Contents:
        """Draw the colors of window and lamp, and where the lamp hangs, shade and cord included."""
        window, lamp, x, side = rng.random(4).tolist()
        x = LAMP_X[0] + (LAMP_X[1] - LAMP_X[0]) * x
        z = LAMP_Z if side < 0.5 else -LAMP_Z
        names = "window_light", "ceiling_light"
        emissions = _emission(WINDOW_EMISSION, window), _emission(LAMP_EMISSION, lamp)
        lamp_model = self._choose(rng, "lamp")
        hanging = replace(lamp_model, parameters=replace(lamp_model.parameters, drop=LAMP_DROP))
        fixture = Placed(hanging, Placement(x, z, 0.0), LAMP_Y)
        return Contents(
            materials={
                name: material(MATERIAL_IDS[name], BLACK, 1.0, emission)
                for name, emission in zip(names, emissions, strict=True)
            },
            lights=[
                grid(names[0], WINDOW_PLACE, (0.0, 0.0, -1.0), (WINDOW_SIZE, WINDOW_SIZE, 0.0)),
                grid(names[1], (x, LAMP_Y, z), (0.0, -1.0, 0.0), (LAMP_SIZE, 0.0, LAMP_SIZE)),
            ],
            geometry=fixture.objects(),
        )

    def geometry(self, rng: np.random.Generator) -> Contents:
        """Draw the furniture and its places."""
        return Contents(geometry=[part for placed in furnish(rng, self._choose) for part in placed.objects()])

    def materials(self, rng: np.random.Generator) -> Contents:
        """Draw the materials of the room and of all furniture, also of what is not there."""
        return Contents(materials=draw_surfaces(rng))

    def view(self, rng: np.random.Generator, contents: Contents) -> Camera:  # noqa: ARG002 - all places are free
        """Draw a camera that looks across the furniture to the far wall; it starts above everything that stands."""
        x, y, z, *lookat = uniform(rng, (*CAMERA, *LOOKAT))
        return _camera((x, y, z), (lookat[0], lookat[1], lookat[2]))

    def animate_view(self, t: float) -> Camera:
        """Return the camera at `t` in [0, 1] of an ellipse along the near side of the room."""
        angle = 2.0 * math.pi * t
        sine, cosine = math.sin(angle), math.cos(angle)
        position = -1.75 + 1.25 * cosine, 1.6 + 0.2 * cosine, 2.5 * sine
        return _camera(position, (2.0, 1.2, -1.125 * sine))


def _emission(strength: tuple[float, float], u: float) -> Color:
    r, g, b = (strength[0] + strength[1] * channel for channel in light_color(u))
    return r, g, b


def _camera(position: Color, lookat: Color) -> Camera:
    return Camera(position=position, lookat=lookat, fov=FOV, near=NEAR, far=FAR)
