"""The datasets by name: one line each."""

from __future__ import annotations

from cnsr.errors import ConfigError
from cnsr.json_faults import unknown_name
from cnsr.scenes import archviz_layout, room
from cnsr.scenes.archviz import ArchViz
from cnsr.scenes.randomizer import Randomizer
from cnsr.scenes.room import PrimitiveRoom

RANDOMIZERS: dict[str, Randomizer] = {
    "room": PrimitiveRoom(room.one_light, room.hued_wall, room.hued_thing),
    "manylightroom": PrimitiveRoom(room.many_white_lights, room.hued_wall, room.hued_thing),
    "manymaterialroom": PrimitiveRoom(room.one_light, room.any_surface, room.any_surface),
    "manymanyroom": PrimitiveRoom(room.many_white_lights, room.any_surface, room.any_surface),
    "fewmaterialroom": PrimitiveRoom(room.many_colored_lights, room.hued_wall, room.white_thing),
    "archviz": ArchViz(archviz_layout.as_made),
    "archviz_parametric": ArchViz(archviz_layout.redrawn),
}


def randomizer(dataset: str) -> Randomizer:
    """Return what draws the scenes of a dataset.

    Raises:
        ConfigError: there is no such dataset.
    """
    try:
        return RANDOMIZERS[dataset]
    except KeyError:
        raise ConfigError(f"dataset: {unknown_name('dataset', dataset, RANDOMIZERS)}") from None
