"""A camera that walks and looks around."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cnsr.rendering import Camera

STEEPEST = math.radians(89.0)
"""Largest angle to the horizon, short of where "up" would lose its meaning."""

Point = tuple[float, float, float]


@dataclass(frozen=True)
class WalkCamera:
    """Where one stands and looks; right-handed world with +y up.

    Attributes:
        position: in metres.
        yaw: turn to the right, seen from above, in radians; 0 looks along -z.
        pitch: angle above the horizon in radians, within ±`STEEPEST`.
    """

    position: Point
    yaw: float
    pitch: float

    @classmethod
    def looking(cls, position: Sequence[float], lookat: Sequence[float]) -> WalkCamera:
        """Return the camera at `position` that looks at another point."""
        x, y, z = (to - own for own, to in zip(position, lookat, strict=True))
        pitch = math.atan2(y, math.hypot(x, z))
        yaw = math.atan2(x, -z) if x or z else 0.0
        return cls((position[0], position[1], position[2]), yaw, min(max(pitch, -STEEPEST), STEEPEST))

    @property
    def forward(self) -> Point:
        """Direction of view, of length 1."""
        level = math.cos(self.pitch)
        return level * math.sin(self.yaw), math.sin(self.pitch), -level * math.cos(self.yaw)

    @property
    def right(self) -> Point:
        """Horizontal direction to the right, of length 1."""
        return math.cos(self.yaw), 0.0, math.sin(self.yaw)

    def moved(self, right: float, forward: float) -> WalkCamera:
        """Return the camera after so many metres to the right and in the direction of view."""
        x, y, z = (
            place + right * side + forward * ahead
            for place, side, ahead in zip(self.position, self.right, self.forward, strict=True)
        )
        return replace(self, position=(x, y, z))

    def turned(self, right: float, up: float) -> WalkCamera:
        """Return the camera turned by so many radians, never beyond `STEEPEST`."""
        pitch = min(max(self.pitch + up, -STEEPEST), STEEPEST)
        return replace(self, yaw=math.remainder(self.yaw + right, 2 * math.pi), pitch=pitch)

    def for_rendering(self) -> Camera:
        """Return the camera as the renderer takes it."""
        lookat = tuple(place + ahead for place, ahead in zip(self.position, self.forward, strict=True))
        return Camera(self.position, lookat)
