"""Where the furniture of an ArchViz room stands.

Each of the two areas is arranged about its own middle, so that its pieces keep apart; then it is turned, moved to its
side of the room, and pushed off the walls. Pieces are told apart by their outlines seen from above.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from cnsr.scenes.elements import Json, mesh
from cnsr.scenes.furniture.catalog import PIECES, Piece
from cnsr.scenes.plan import Outline, Placement, Point, shift_inside

LOW, HIGH = (-3.5, 0.0, -3.25), (3.5, 2.6, 3.25)  # the room

ABSENT = 0.125  # probability of each area
DINING_SIDES, LIVING_SIDES = (1.55, -1.75), (-1.75, 1.25)  # z of the areas' middles, in both orders
AREA_X = (1.75, 0.5)  # x of the middles: the first minus up to the second

CHAIR_X, CHAIR_Z = (-0.45, 0.25), 0.75
CHAIR_TAKEN = 0.75
CHAIR_TURN, ARMCHAIR_TURN, RUG_TURN = (math.radians(degrees) for degrees in (15.0, 9.0, 4.5))

# Distances that furniture keeps.
WALL_GAP = 0.10
AREA_GAP = 0.15
TABLE_GAP = 0.04  # of chairs
CHAIR_GAP = 0.005  # between neighbors
SOFA_GAP, ARMCHAIR_GAP = 0.36, 0.32  # from the coffee table
ARMCHAIR_DIRECTION = math.radians(70.0)  # seen from the coffee table, off the direction that the sofa faces

MIRROR_HEIGHT, MIRROR_Z = 1.4, (-2.0, 2.0)
TEAPOT_SPREAD = 0.12  # from the middle of a table
FLOOR_SPREAD = 0.5  # from the middle of an area

_ROUND = ("table_round", "coffee_table_round")
# Tables whose width is less than so many times their depth are sat at from all sides.
_OBLONG = 1.3


@dataclass(frozen=True)
class Model:
    """A piece of furniture with its proportions."""

    piece: Piece
    parameters: Any

    @cached_property
    def outline(self) -> Outline:
        """What it covers of the floor, about the origin, facing +z."""
        width, _, depth = self.piece.size(self.parameters)
        shape = Outline.ellipse if self.piece.name in _ROUND else Outline.rectangle
        return shape(width, depth)

    @cached_property
    def half_sizes(self) -> Point:
        """Half of its size along x and z."""
        width, _, depth = self.piece.size(self.parameters)
        return width / 2, depth / 2

    @property
    def top(self) -> float:
        """Height of the face that things stand on."""
        top = self.piece.top(self.parameters)
        if top is None:
            raise ValueError(f"nothing can stand on {self.piece.name}")
        return top


Choose = Callable[[np.random.Generator, str], Model]
"""Draws a model of a kind of furniture."""


def as_made(rng: np.random.Generator, kind: str) -> Model:
    """Draw one of the pieces of a kind, with its default proportions."""
    piece = _any_of(rng, kind)
    return Model(piece, piece.defaults)


def redrawn(rng: np.random.Generator, kind: str) -> Model:
    """Draw one of the pieces of a kind, and its proportions."""
    piece = _any_of(rng, kind)
    return Model(piece, piece.draw(rng))


def _any_of(rng: np.random.Generator, kind: str) -> Piece:
    pieces = [piece for piece in PIECES.values() if piece.kind == kind]
    return pieces[rng.integers(len(pieces))]


@dataclass(frozen=True)
class Placed:
    """A piece of furniture at its place; `y` is the height that it stands at."""

    model: Model
    place: Placement
    y: float = 0.0

    @cached_property
    def outline(self) -> Outline:
        """What it covers of the floor."""
        return self.model.outline.placed(self.place)

    def within(self, outer: Placement) -> Placed:
        """Return the piece in a group that is placed itself."""
        return replace(self, place=self.place.within(outer))

    def objects(self) -> list[Json]:
        """Return the meshes of its parts as a scene file has them; materials are called ``kind_part``."""
        piece, place = self.model.piece, self.place
        return [
            mesh(
                f"{piece.kind}_{part}",
                piece.filename(part, self.model.parameters),
                (place.x, self.y, place.z),
                place.angle,
            )
            for part in piece.parts
        ]


def furnish(rng: np.random.Generator, choose: Choose) -> list[Placed]:
    """Draw the furniture of a room, but for its lamp."""
    order = int(rng.integers(2))
    dining_is_there, living_is_there = (rng.random(2) >= ABSENT).tolist()
    dining = arrange_dining(rng, choose) if dining_is_there else []
    living = arrange_living(rng, choose) if living_is_there else []
    while True:  # about one draw in thirteen is in vain
        dining_place, living_place = (_middle(rng, sides[order]) for sides in (DINING_SIDES, LIVING_SIDES))
        dining_placed, living_placed = _in_room(dining, dining_place), _in_room(living, living_place)
        if keep_apart(dining_placed, living_placed, AREA_GAP):
            break
    placed = [*dining_placed, *living_placed]
    on_coffee_table = bool(rng.integers(2))
    if on_coffee_table:
        host, middle = _of_kind(living_placed, "coffee_table"), living_place
    else:
        host, middle = _of_kind(dining_placed, "dining_table"), dining_place
    placed.append(_place_teapot(rng, choose(rng, "teapot"), host, middle, placed))
    return [*placed, *hang_mirror(rng, choose)]


def arrange_dining(rng: np.random.Generator, choose: Choose) -> list[Placed]:
    """Draw a table and up to four chairs of one model that face it, about the origin."""
    table, chair = choose(rng, "dining_table"), choose(rng, "chair")
    placed = [Placed(table, Placement(0.0, 0.0, 0.0))]
    width, _, depth = table.piece.size(table.parameters)
    for x, side in product(CHAIR_X, (-1.0, 1.0)):
        taken, turn = rng.random(2).tolist()
        if taken >= CHAIR_TAKEN:
            continue
        if width < _OBLONG * depth:
            target = 0.0, 0.0
        else:
            x = _spread(x, chair)
            target = x, 0.0
        # Wide chairs at a round table may be turned into their neighbors (one room in some thousands).
        for share in (1.0, 0.5, 0.0):
            jitter = share * CHAIR_TURN * (2.0 * turn - 1.0)
            seat = _facing(table, chair, target, (x, side * CHAIR_Z), jitter, TABLE_GAP)
            if keep_apart([seat], placed[1:], CHAIR_GAP):
                placed.append(seat)
                break
    return placed


def _spread(x: float, chair: Model) -> float:
    """Return where along the table a chair stands: at `x`, unless neighbors need more room than that leaves."""
    width, _, depth = chair.piece.size(chair.parameters)
    needed = width * math.cos(CHAIR_TURN) + depth * math.sin(CHAIR_TURN) + TABLE_GAP
    middle, distance = 0.5 * sum(CHAIR_X), CHAIR_X[1] - CHAIR_X[0]
    return middle + (x - middle) * max(1.0, needed / distance)


def _facing(table: Model, seat: Model, target: Point, start: Point, jitter: float, gap: float) -> Placed:
    """Return a seat that faces a table at the origin: at `start` or, if it would not be clear, farther from `target`.

    Args:
        table: stands at the origin, not turned.
        seat: what is placed.
        target: the point that it faces, but for its jitter.
        start: where it stands if there is room.
        jitter: angle that it is turned by.
        gap: smallest distance to the table.
    """
    dx, dz = start[0] - target[0], start[1] - target[1]
    distance = math.hypot(dx, dz)
    away = dx / distance, dz / distance
    angle = math.atan2(-dx, -dz) + jitter
    nearest = seat.outline.placed(Placement(0.0, 0.0, angle)).span(away)[0]
    clear = table.outline.span(away)[1] - nearest + gap - (target[0] * away[0] + target[1] * away[1])
    distance = max(distance, clear)
    return Placed(seat, Placement(target[0] + distance * away[0], target[1] + distance * away[1], angle))


def arrange_living(rng: np.random.Generator, choose: Choose) -> list[Placed]:
    """Draw sofa, armchair, coffee table and the rug below them, about the origin.

    What stands on the rug, be it with two of its feet only, is lifted by its thickness.
    """
    kinds = ("sofa", "armchair", "coffee_table", "rug")
    sofa, armchair, table, rug = (choose(rng, kind) for kind in kinds)
    side = 1.0 if rng.integers(2) else -1.0
    armchair_turn, rug_turn = (rng.random(2) * 2.0 - 1.0).tolist()
    toward = side * math.sin(ARMCHAIR_DIRECTION), math.cos(ARMCHAIR_DIRECTION)
    seats = [
        _facing(table, sofa, (0.0, 0.0), (0.0, -0.01), 0.0, SOFA_GAP),
        _facing(table, armchair, (0.0, 0.0), toward, ARMCHAIR_TURN * armchair_turn, ARMCHAIR_GAP),
    ]
    below = Placed(rug, Placement(0.0, -0.1, RUG_TURN * rug_turn))
    thickness = rug.piece.size(rug.parameters)[1]
    standing = [
        one if one.outline.keeps_from(below.outline, 0.0) else replace(one, y=thickness)
        for one in (*seats, Placed(table, Placement(0.0, 0.0, 0.0)))
    ]
    group = [*standing, below]
    (x0, z0), (x1, z1) = _bounds(group)
    return [one.within(Placement(-0.5 * (x0 + x1), -0.5 * (z0 + z1), 0.0)) for one in group]


def _middle(rng: np.random.Generator, z: float) -> Placement:
    """Draw the middle of an area, and how it is turned."""
    u, turn = rng.random(2).tolist()
    return Placement(AREA_X[0] - AREA_X[1] * u, z, 2.0 * math.pi * turn)


def _in_room(group: Sequence[Placed], place: Placement) -> list[Placed]:
    """Return a group at its place, or as near as the walls allow."""
    if not group:
        return []
    placed = [one.within(place) for one in group]
    low = LOW[0] + WALL_GAP, LOW[2] + WALL_GAP
    high = HIGH[0] - WALL_GAP, HIGH[2] - WALL_GAP
    dx, dz = shift_inside(*_bounds(placed), low, high)
    return [one.within(Placement(dx, dz, 0.0)) for one in placed]


def keep_apart(some: Iterable[Placed], others: Sequence[Placed], gap: float) -> bool:
    """Tell whether each of some pieces keeps from each of the others, seen from above."""
    return all(one.outline.keeps_from(other.outline, gap) for one in some for other in others)


def _place_teapot(
    rng: np.random.Generator, teapot: Model, host: Placed | None, middle: Placement, others: Sequence[Placed]
) -> Placed:
    """Draw where the teapot stands: near the middle of a table, or of the floor of an area without one."""
    if host is None:
        center, y, spread = middle, 0.0, FLOOR_SPREAD
    else:
        center, y = host.place, host.y + host.model.top
        free = min(host.model.half_sizes) - math.hypot(*teapot.half_sizes)
        spread = min(TEAPOT_SPREAD, free / math.sqrt(2.0))  # no corner stands out, however both are turned
    while True:
        u, v, turn = rng.random(3).tolist()
        x, z = center.x + spread * (2.0 * u - 1.0), center.z + spread * (2.0 * v - 1.0)
        placed = Placed(teapot, Placement(x, z, 2.0 * math.pi * turn), y)
        if host is not None or keep_apart([placed], others, AREA_GAP):
            return placed


def hang_mirror(rng: np.random.Generator, choose: Choose) -> list[Placed]:
    """Draw the place of a mirror and its frame on the wall at the largest x."""
    z = MIRROR_Z[0] + (MIRROR_Z[1] - MIRROR_Z[0]) * rng.random()
    place = Placement(HIGH[0], z, -0.5 * math.pi)
    frame, glass = choose(rng, "mirror_frame"), choose(rng, "mirror")
    fitting = replace(glass.parameters, width=frame.parameters.width, height=frame.parameters.height)
    return [Placed(model, place, MIRROR_HEIGHT) for model in (frame, replace(glass, parameters=fitting))]


def _of_kind(placed: Iterable[Placed], kind: str) -> Placed | None:
    return next((one for one in placed if one.model.piece.kind == kind), None)


def _bounds(placed: Sequence[Placed]) -> tuple[Point, Point]:
    """Return the lowest and the highest x and z of all outlines."""
    lows, highs = zip(*(one.outline.bounds for one in placed), strict=True)
    return (min(x for x, _ in lows), min(z for _, z in lows)), (max(x for x, _ in highs), max(z for _, z in highs))
