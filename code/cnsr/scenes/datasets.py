"""The datasets by name: one line each."""

from __future__ import annotations

from cnsr.errors import ConfigError
from cnsr.scenes import room
from cnsr.scenes.randomizer import Randomizer
from cnsr.scenes.room import PrimitiveRoom

RANDOMIZERS: dict[str, Randomizer] = {
    "room": PrimitiveRoom(room.one_light, room.hued_wall, room.hued_thing),
    "manylightroom": PrimitiveRoom(room.many_white_lights, room.hued_wall, room.hued_thing),
    "manymaterialroom": PrimitiveRoom(room.one_light, room.any_surface, room.any_surface),
    "manymanyroom": PrimitiveRoom(room.many_white_lights, room.any_surface, room.any_surface),
    "fewmaterialroom": PrimitiveRoom(room.many_colored_lights, room.hued_wall, room.white_thing),
}


def randomizer(dataset: str) -> Randomizer:
    """Return what draws the scenes of a dataset.

    Raises:
        ConfigError: this version cannot draw that dataset.
    """
    try:
        return RANDOMIZERS[dataset]
    except KeyError:
        known = ", ".join(RANDOMIZERS)
        raise ConfigError(f"dataset: this version cannot draw scenes of {dataset!r}; it draws {known}") from None
