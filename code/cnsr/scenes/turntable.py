"""A closed camera path for videos of any scene."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cnsr.errors import SceneError
from cnsr.scenes.bounds import Bounds
from cnsr.scenes.description import Camera

_WALL = 0.03  # distance that the path keeps from the ends of the scene, as a share of its width
_SMALLEST_RADIUS = 1e-3  # as a share of the distance to what is looked at
_ACROSS = [0, 2]  # the level axes, x and z
Point = NDArray[np.float64]


def orbit(camera: Camera, bounds: Bounds) -> Callable[[float], Camera]:
    """Return the camera at t in [0, 1] of a circle about the vertical through what `camera` looks at.

    At t = 0 it is `camera` itself, whose height it keeps; it turns counter-clockwise, seen from above. Where camera and
    look-at lie within the scene, as in a room, the path stays there: where the circle would leave the room or come
    nearer to a wall than 3 % of the room's width (or than `camera` is), it follows that wall instead. What stands in
    the room it does not avoid.

    Args:
        camera: of the first and the last picture.
        bounds: of the scene.

    Raises:
        SceneError: the camera looks straight up or down.
    """
    start, lookat = np.array(camera.position)[_ACROSS], np.array(camera.lookat)[_ACROSS]
    radius = math.dist(start, lookat)
    if radius <= _SMALLEST_RADIUS * math.dist(camera.position, camera.lookat):
        raise SceneError("the camera looks straight up or down: it cannot circle about what it looks at")
    angle = math.atan2(*(start - lookat))
    walls = _walls(camera, bounds)

    def at(t: float) -> Camera:
        turned = angle + 2 * math.pi * t
        place = lookat + radius * np.array([math.sin(turned), math.cos(turned)])
        if walls is not None:
            place = _kept_off(np.clip(place, *walls), lookat, min(radius, _nearest(bounds)), bounds)
        x, z = place.tolist()
        return camera.model_copy(update={"position": (x, camera.position[1], z)})

    return at


def _walls(camera: Camera, bounds: Bounds) -> tuple[Point, Point] | None:
    """Return the least and the largest (x, z) of the path; ``None`` where it is not in a room."""
    x, _, z = camera.lookat
    if not (bounds.holds(camera.position) and bounds.holds((x, camera.position[1], z))):
        return None
    (low, high), own = (corner[_ACROSS] for corner in bounds), np.array(camera.position)[_ACROSS]
    distance = _WALL * (high - low)
    return np.minimum(low + distance, own), np.maximum(high - distance, own)


def _nearest(bounds: Bounds) -> float:
    return _WALL * float((bounds.high - bounds.low)[_ACROSS].min())


def _kept_off(place: Point, lookat: Point, distance: float, bounds: Bounds) -> Point:
    """Return a place that is not where the camera looks: on its way along a wall it may come to a look-at there."""
    if math.dist(place, lookat) >= 0.5 * distance:
        return place
    inward = (0.5 * (bounds.low + bounds.high))[_ACROSS] - lookat
    moved: Point = lookat + inward * (distance / float(np.linalg.norm(inward)))
    return moved
