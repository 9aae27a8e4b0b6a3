"""All pieces of furniture by name, and the file names that scenes call their meshes by.

A scene names a part of a piece like a file: ``furniture/chair_slat_back/wood.obj`` with the default proportions,
``furniture/chair_slat_back/wood.obj?seat_height=0.45&slats=5`` with others.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from cnsr.errors import SceneError
from cnsr.json_faults import quote, unknown_name
from cnsr.scenes import teapot as newell
from cnsr.scenes.furniture.armchair import Armchair
from cnsr.scenes.furniture.chairs import LadderBackChair, SlatBackChair, UpholsteredChair
from cnsr.scenes.furniture.coffee_tables import RectangularCoffeeTable, RoundCoffeeTable
from cnsr.scenes.furniture.dining_tables import OvalTable, RoundTable, TaperedTable, TrestleTable
from cnsr.scenes.furniture.lamp import Lamp
from cnsr.scenes.furniture.mirrors import Mirror, MirrorFrame
from cnsr.scenes.furniture.piece import DECIMALS, Bounds, Furniture, drawn, fitted
from cnsr.scenes.furniture.rug import Rug
from cnsr.scenes.furniture.sofas import RolledArmSofa, TrackArmSofa
from cnsr.scenes.furniture.surface import shaded
from cnsr.scenes.furniture.teapot import Teapot
from cnsr.scenes.meshes import MeshData

PREFIX = "furniture/"
_ENDING = ".obj"


@dataclass(frozen=True)
class Piece:
    """An entry of the catalog.

    Attributes:
        name: unique.
        type: the class whose instances are parameters of this piece.
    """

    name: str
    type: type[Furniture]

    @property
    def kind(self) -> str:
        """What the piece is used as, such as "chair"."""
        return self.type.kind

    @property
    def parts(self) -> tuple[str, ...]:
        """What the piece is made of; one mesh and one material each."""
        return self.type.parts

    @property
    def defaults(self) -> Any:
        """The parameters of the piece as it is drawn in the catalog."""
        return self.type()

    def draw(self, rng: np.random.Generator) -> Any:
        """Draw parameters; all that can be drawn give a sound piece. They have 4 decimals."""
        return drawn(self.type, rng)

    def build(self, parameters: Furniture) -> dict[str, MeshData]:
        """Return the meshes of all parts, with shading normals and texture coordinates in metres."""
        surfaces = fitted(parameters.shape(), self.bounds(parameters))
        return {part: shaded(surfaces[part], self.mesh(part, parameters).key, self.type.crease) for part in self.parts}

    def bounds(self, parameters: Furniture) -> Bounds:
        """Return the box that the piece fills, without building it."""
        return parameters.bounds()

    def size(self, parameters: Furniture) -> tuple[float, float, float]:
        """Return width (x), height (y) and depth (z), without building the piece."""
        low, high = parameters.bounds()
        return high[0] - low[0], high[1] - low[1], high[2] - low[2]

    def top(self, parameters: Furniture) -> float | None:
        """Return the height of the face that things can stand on; None where there is none."""
        return parameters.top()

    def filename(self, part: str, parameters: Furniture) -> str:
        """Return what scenes call the mesh of a part."""
        return self.mesh(part, parameters).filename

    def mesh(self, part: str, parameters: Furniture) -> FurnitureMesh:
        """Return the mesh of a part without making it. Raises ``ValueError`` if there is no such part."""
        if part not in self.parts:
            raise ValueError(f"{self.name} has no part {part!r}, only {', '.join(self.parts)}")
        return FurnitureMesh(self, part, parameters)


@dataclass(frozen=True)
class FurnitureMesh:
    """A mesh that is told by name and made when it is needed.

    Attributes:
        piece: which one.
        part: of the piece.
        parameters: of the piece.
    """

    piece: Piece
    part: str
    parameters: Furniture

    @property
    def filename(self) -> str:
        """The one name of this mesh: parameters that are not the defaults, sorted."""
        changed = {
            one.name: getattr(self.parameters, one.name)
            for one in fields(self.parameters)
            if getattr(self.parameters, one.name) != one.default
        }
        query = "&".join(f"{name}={value:g}" for name, value in sorted(changed.items()))
        return f"{PREFIX}{self.piece.name}/{self.part}{_ENDING}" + (f"?{query}" if query else "")

    @property
    def key(self) -> str:
        """Hash of all that the mesh depends on."""
        return f"mesh-{_hash(source_version(), self.filename)}"

    @property
    def piece_key(self) -> str:
        """Hash of all that the meshes of the whole piece depend on."""
        _, _, query = self.filename.partition("?")
        return _hash(source_version(), self.piece.name, query)

    def make(self) -> dict[str, MeshData]:
        """Return the meshes of all parts of the piece: they are made together."""
        return self.piece.build(self.parameters)


_TYPES: dict[str, type[Furniture]] = {
    "table_tapered": TaperedTable,
    "table_round": RoundTable,
    "table_trestle": TrestleTable,
    "table_oval": OvalTable,
    "chair_slat_back": SlatBackChair,
    "chair_ladder_back": LadderBackChair,
    "chair_upholstered": UpholsteredChair,
    "sofa_rolled_arm": RolledArmSofa,
    "sofa_track_arm": TrackArmSofa,
    "armchair": Armchair,
    "coffee_table_round": RoundCoffeeTable,
    "coffee_table_rectangular": RectangularCoffeeTable,
    "rug": Rug,
    "lamp": Lamp,
    "teapot": Teapot,
    "mirror_frame": MirrorFrame,
    "mirror": Mirror,
}
PIECES: Mapping[str, Piece] = MappingProxyType({name: Piece(name, kind) for name, kind in _TYPES.items()})
"""All pieces by name."""


def furniture_mesh(filename: str) -> FurnitureMesh | None:
    """Return the mesh that a scene calls `filename`; None if that is no name of furniture.

    Raises:
        SceneError: it starts like one, but there is no such piece, part or parameter, or a value is out of its range.
    """
    if not filename.startswith(PREFIX):
        return None
    path, _, query = filename.partition("?")
    name, _, file = path.removeprefix(PREFIX).partition("/")
    if name not in PIECES:
        raise SceneError(f"{quote(filename)}: {unknown_name('piece of furniture', name, PIECES)}")
    piece = PIECES[name]
    part = file.removesuffix(_ENDING)
    if part not in piece.parts or not file.endswith(_ENDING):
        names = [f"{part}{_ENDING}" for part in piece.parts]
        raise SceneError(f"{quote(filename)}: {unknown_name(f'part of {name}', file, names)}")
    try:
        return FurnitureMesh(piece, part, _parameters(piece, query))
    except ValueError as error:
        raise SceneError(f"{quote(filename)}: {error}") from None


def _parameters(piece: Piece, query: str) -> Furniture:
    """Return the parameters that `query` changes. Raises ``ValueError`` with the fault in words."""
    ranges = {one.name: one for one in fields(piece.type)}
    values: dict[str, float] = {}
    for item in query.split("&") if query else ():
        name, equals, text = item.partition("=")
        if name not in ranges:
            raise ValueError(unknown_name("parameter", name, ranges))
        if not equals:
            raise ValueError(f"{name}: expected {name}=value")
        if name in values:
            raise ValueError(f"{name}: stands twice")
        values[name] = _value(name, text, ranges[name].default, ranges[name].metadata)
    return piece.type(**values)


def _value(name: str, text: str, default: object, limits: Mapping[str, float]) -> float:
    is_count = isinstance(default, int)
    try:
        value: float = int(text) if is_count else float(text)
    except ValueError:
        value = math.nan
    low, high = limits["low"], limits["high"]
    # float() would also read "1_0", " 1" and digits of other scripts.
    plain = all(character in "+-.0123456789" for character in text)
    if not plain or not low <= value <= high or round(value, DECIMALS) != value:
        what = "a whole number" if is_count else f"a number with {DECIMALS} decimals at most"
        raise ValueError(f"{name}: expected {what} from {low:g} to {high:g}, found {quote(text)}")
    return value


@cache
def source_version() -> str:
    """Return a hash of the source that furniture is made by: other source, other meshes."""
    files = sorted([*Path(__file__).parent.glob("*.py"), Path(newell.__file__)])
    return _hash(*(file.read_text(encoding="utf-8") for file in files))


def _hash(*texts: str) -> str:
    return hashlib.blake2b("\0".join(texts).encode(), digest_size=16).hexdigest()
