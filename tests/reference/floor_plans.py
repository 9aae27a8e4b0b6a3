"""Furniture read back from scene files, and an own test of what intersects: independent of how rooms are drawn."""

import functools
from dataclasses import dataclass

import numpy as np

from cnsr.scenes.furniture.catalog import furniture_mesh

ROUND = {"table_round", "coffee_table_round"}
EDGE = np.linspace(-1, 1, 13)
# Points on the border of the square [-1, 1]^2.
BORDER = np.concatenate([[(t, -1), (t, 1), (-1, t), (1, t)] for t in EDGE])


@dataclass(frozen=True)
class Box:
    """A piece of furniture in a scene: its box, standing upright."""

    piece: object
    parameters: object
    center: np.ndarray  # x, z
    right: np.ndarray  # direction of its own x, in the plan
    front: np.ndarray  # direction that it faces
    half: np.ndarray  # along right and front
    low: float
    high: float

    @property
    def kind(self):
        return self.piece.kind

    def local(self, points):
        """Points [N, 2] of the plan in units of the half sizes, about the center."""
        offset = points - self.center
        return np.stack([offset @ self.right, offset @ self.front], axis=-1) / self.half

    def border(self):
        """Points around what it covers of the floor."""
        unit = BORDER / np.linalg.norm(BORDER, axis=1, keepdims=True) if self.piece.name in ROUND else BORDER
        scaled = unit * self.half
        return self.center + scaled[:, :1] * self.right + scaled[:, 1:] * self.front

    def covers(self, points):
        """Which points of the plan [N, 2] lie in it, by more than a hair."""
        local = self.local(points)
        size = np.hypot(*local.T) if self.piece.name in ROUND else np.abs(local).max(axis=-1)
        return size < 1 - 1e-6


@functools.cache
def named(filename):
    """Piece, parameters and bounds of a mesh."""
    mesh = furniture_mesh(filename)
    return mesh.piece, mesh.parameters, mesh.piece.bounds(mesh.parameters)


def boxes(geometry):
    """The pieces among the objects of a scene; parts of one piece count once."""
    found = {}
    for item in geometry:
        if item["type"] != "file":
            continue
        piece, parameters, (low, high) = named(item["filename"])
        matrix = np.array(item["transform"])
        key = (piece.name, *matrix[3])
        np.testing.assert_allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-12)
        np.testing.assert_array_equal(matrix[1], (0, 1, 0, 0))
        low, high = np.array(low), np.array(high)
        middle = (0.5 * (low + high) @ matrix[:3, :3] + matrix[3, :3])[[0, 2]]
        axes = matrix[[0, 2]][:, [0, 2]]
        half = 0.5 * (high - low)[[0, 2]]
        height = matrix[3, 1]
        found[key] = Box(piece, parameters, middle, axes[0], axes[1], half, height + low[1], height + high[1])
    return list(found.values())


def intersect(one, other):
    """Whether two pieces overlap, judged by points around each of them."""
    if one.low >= other.high - 1e-9 or other.low >= one.high - 1e-9:
        return False
    reach = np.hypot(*one.half) + np.hypot(*other.half)
    if np.hypot(*(one.center - other.center)) >= reach:
        return False
    return bool(
        one.covers(np.vstack([other.border(), other.center])).any()
        or other.covers(np.vstack([one.border(), one.center])).any()
    )
