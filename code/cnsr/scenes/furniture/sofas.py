"""Sofas: with rolled arms, with track arms. Both have loose cushions on a plinth."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from cnsr.scenes.furniture.boxes import Cushion, rounded_box
from cnsr.scenes.furniture.curves import superellipse
from cnsr.scenes.furniture.piece import Bounds, Furniture, Parts, ranged, standing
from cnsr.scenes.furniture.solids import lathe, sweep
from cnsr.scenes.furniture.surface import Array, Surface, joined

_BACK = 0.2  # depth of the fixed back
_CORD = 0.005  # radius of piping
_CUSHION = 0.16  # thickness of a seat cushion


class Sofa(Furniture):
    """What all sofas are."""

    kind = "sofa"
    parts = ("fabric", "piping", "pillow", "wood")
    width: float
    depth: float
    height: float
    seat_height: float
    seats: int
    arm: float
    arm_height: float
    pillows: int
    leg: float

    def bounds(self) -> Bounds:
        """Return the box around the sofa."""
        return standing(self.width, self.height, self.depth)

    def shape(self) -> Parts:
        """Return the sofa."""
        seats, seat_cords = self._seat_cushions()
        backs, back_cords = self._back_cushions()
        arms, arm_cords = self._arms()
        return {
            "fabric": joined([*self._body(), *arms, *seats, *backs]),
            "piping": joined([*seat_cords, *back_cords, *arm_cords]),
            "pillow": joined(self._pillows()),
            "wood": joined(self._legs()),
        }

    @abstractmethod
    def _arms(self) -> tuple[list[Surface], list[Surface]]:
        """Return the arms and their piping."""

    @property
    def _inside(self) -> float:
        """Width between the arms."""
        return self.width - 2 * self.arm

    def _body(self) -> list[Surface]:
        """Return the plinth under the cushions and the fixed back."""
        high = self.seat_height - _CUSHION
        plinth = rounded_box((self.width - 0.03, high - self.leg, self.depth - 0.05), 0.018, 3, (8, 2, 4))
        tall = self.height - 0.07 - self.leg
        back = rounded_box((self.width - 1.2 * self.arm, tall, 0.8 * _BACK), 0.05, 3, (6, 4, 1))
        back = back.turned("x", -4.0).moved(0.0, self.leg + tall / 2, -self.depth / 2 + 0.45 * _BACK + 0.025)
        return [plinth.moved(0.0, (high + self.leg) / 2), back]

    def _seat_cushions(self) -> tuple[list[Surface], list[Surface]]:
        wide = self._inside / self.seats
        depth = self.depth - _BACK + 0.02
        cushions: list[Surface] = []
        cords: list[Surface] = []
        for k in range(self.seats):
            cushion = Cushion((wide - 0.006, _CUSHION, depth), 0.045, 0.034 + 0.006 * (k % 2), 0.003, seed=k)
            place = (
                wide * (k + 0.5) - self._inside / 2,
                self.seat_height - _CUSHION / 2 - 0.004,
                self.depth / 2 - depth / 2 - 0.006,
            )
            cushions.append(cushion.body().moved(*place))
            cords.append(cushion.piping(_CORD).moved(*place))
        return cushions, cords

    def _back_cushions(self) -> tuple[list[Surface], list[Surface]]:
        wide = self._inside / self.seats
        tall = self.height - self.seat_height + 0.012
        cushions: list[Surface] = []
        cords: list[Surface] = []
        for k in range(self.seats):
            cushion = Cushion((wide - 0.014, 0.16, tall), 0.062, 0.05 + 0.01 * (k % 2), 0.005, seed=10 + k)
            lean = 90.0 - 13.0 + (-1.0) ** k
            for one, out in ((cushion.body(), cushions), (cushion.piping(_CORD), cords)):
                place = (wide * (k + 0.5) - self._inside / 2, self.seat_height + tall / 2 - 0.02)
                out.append(one.turned("x", lean).moved(*place, -self.depth / 2 + _BACK + 0.055))
        return cushions, cords

    def _pillows(self) -> list[Surface]:
        pillows = []
        for k in range(self.pillows):
            side = (-1.0) ** k
            size = min(0.44, (self.height - self.seat_height - 0.04) / 0.9)
            pillow = Cushion((size, 0.05, size), 0.024, 0.17 * size, 0.006, seed=20 + k).body(2, (14, 1, 14))
            pillow = pillow.turned("y", 9.0 - 14.0 * k).turned("x", 64.0).turned("y", -20.0 * side)
            x, y = side * (self._inside / 2 - 0.56 * size), self.seat_height + 0.01 + 0.45 * size
            pillows.append(pillow.moved(x, y, -self.depth / 2 + _BACK + 0.24))
        return pillows

    def _legs(self) -> list[Surface]:
        top = self.leg + 0.01
        leg = lathe([(0.0, 0.0), (0.016, 0.0), (0.0175, 0.004), (0.022, 0.6 * top), (0.029, top), (0.0, top)], 28)
        x, z = self.width / 2 - 0.1, self.depth / 2 - 0.1
        return [leg.moved(i * x, 0.0, k * z) for i in (-1.0, 1.0) for k in (-1.0, 1.0)]


@dataclass(frozen=True)
class RolledArmSofa(Sofa):
    """A sofa whose arms roll outward, with cords around their fronts."""

    width: float = ranged(2.1, 1.8, 2.3)
    depth: float = ranged(0.93, 0.86, 1.0)
    height: float = ranged(0.86, 0.8, 0.92)
    seat_height: float = ranged(0.45, 0.42, 0.47)
    seats: int = ranged(3, 2, 3)
    arm: float = ranged(0.2, 0.17, 0.24)
    arm_height: float = ranged(0.62, 0.58, 0.66)
    pillows: int = ranged(2, 1, 2)
    leg: float = ranged(0.1, 0.07, 0.13)

    def _arms(self) -> tuple[list[Surface], list[Surface]]:
        roll = 0.5 * self.arm
        angle = np.radians(np.linspace(-42.0, 222.0, 26))
        center = self.arm_height - roll  # of the roll; the section's origin is half way up
        middle = 0.5 * (self.leg + self.arm_height)
        around = np.stack([roll * np.cos(angle), center + roll * np.sin(angle) - middle], axis=-1)
        low = self.leg + 0.012 - middle
        foot = np.array([(-0.36 * self.arm, low), (0.36 * self.arm, low)])
        sides = [np.linspace(foot[1], around[0], 6)[1:-1], around, np.linspace(around[-1], foot[0], 6)[1:-1]]
        section = np.concatenate([foot, *sides])
        front, back = self.depth / 2 - 0.018, -self.depth / 2 + 0.02
        z = np.concatenate([np.linspace(back, front, 12), front + np.array([0.005, 0.009, 0.012, 0.013])])
        scale = np.concatenate([1 + 0.025 * np.sin(np.linspace(0.0, np.pi, 12)), [0.975, 0.93, 0.8, 0.5]])
        x = (self.width - self.arm) / 2
        path = np.stack([np.full(len(z), x), np.full(len(z), middle), z], axis=-1)
        arm = sweep(path, section, scale)
        edge = np.concatenate(sides) * (0.985, 0.99)
        seam = np.concatenate([edge + np.array((x, middle)), np.full((len(edge), 1), front + 0.004)], axis=-1)
        cord = sweep(seam, superellipse(8, 2.0, _CORD, _CORD), up=(0.0, 0.0, 1.0))
        return [arm, arm.mirrored("x")], [cord, cord.mirrored("x")]


@dataclass(frozen=True)
class TrackArmSofa(Sofa):
    """A sofa with straight, square arms."""

    width: float = ranged(2.05, 1.75, 2.3)
    depth: float = ranged(0.9, 0.84, 0.98)
    height: float = ranged(0.82, 0.78, 0.88)
    seat_height: float = ranged(0.43, 0.41, 0.46)
    seats: int = ranged(2, 2, 3)
    arm: float = ranged(0.15, 0.11, 0.2)
    arm_height: float = ranged(0.6, 0.55, 0.64)
    pillows: int = ranged(1, 1, 2)
    leg: float = ranged(0.13, 0.1, 0.16)

    def _arms(self) -> tuple[list[Surface], list[Surface]]:
        tall = self.arm_height - self.leg
        depth = self.depth - 0.012
        size = (self.arm - 0.012, tall, depth)

        def softened(points: Array) -> Array:
            """Fill the flanks a little, as stuffing does."""
            a, b, c = (points / (0.5 * np.array(size))).T
            filled = 0.006 * np.clip(1 - b**2, 0.0, 1.0) * np.clip(1 - c**2, 0.0, 1.0)
            x, y, z = points.T
            return np.stack([x + np.sign(a) * filled, y, z], axis=-1)

        arm = rounded_box(size, 0.026, 3, (1, 3, 4)).warped(softened)
        place = ((self.width - self.arm) / 2, self.leg + tall / 2, 0.0)
        cords = []
        for side in (-1.0, 1.0):
            outline = superellipse(44, 12.0, tall / 2 - 0.004, depth / 2 - 0.004)
            x = np.full(44, side * (self.arm / 2 - 0.009))
            path = np.stack([x, outline[:, 0], outline[:, 1]], axis=-1)
            cords.append(sweep(path, superellipse(5, 2.0, 0.004, 0.004), up=(1.0, 0.0, 0.0), closed=True).moved(*place))
        right = arm.moved(*place)
        return [right, right.mirrored("x")], [*cords, *(cord.mirrored("x") for cord in cords)]
