"""The one table of image buffers: what the renderer makes, files store, networks read and viewers show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Display(Enum):
    """How a buffer is turned into colors on a screen."""

    RADIANCE = "radiance"  # exposure, clamp, sRGB curve
    COLOR = "color"  # reflectance in [0, 1]: sRGB curve
    DIRECTION = "direction"  # unit vectors: (v + 1) / 2
    POSITION = "position"  # scaled to the extent of the room
    DISTANCE = "distance"  # scaled to the largest value
    FRACTION = "fraction"  # [0, 1] as grey
    LABEL = "label"  # a distinct color for each value


@dataclass(frozen=True)
class Buffer:
    """One named image of a view.

    Attributes:
        name: what configs, files and code call it.
        channels: 1 or 3.
        exr_channels: its channel names in an EXR part, in the order of its channels.
        display: how to show it.
    """

    name: str
    channels: int
    exr_channels: tuple[str, ...]
    display: Display


def _color(name: str, display: Display) -> Buffer:
    return Buffer(name, 3, (f"{name}.R", f"{name}.G", f"{name}.B"), display)


def _vector(name: str, display: Display) -> Buffer:
    return Buffer(name, 3, (f"{name}.X", f"{name}.Y", f"{name}.Z"), display)


def _scalar(name: str, display: Display) -> Buffer:
    return Buffer(name, 1, (f"{name}.Y",), display)


_TABLE = (
    Buffer("beauty", 3, ("R", "G", "B"), Display.RADIANCE),
    _vector("position", Display.POSITION),
    _vector("normal", Display.DIRECTION),
    Buffer("depth", 1, ("depth.Z",), Display.DISTANCE),
    _scalar("id", Display.LABEL),
    _color("albedo", Display.COLOR),
    _scalar("roughness", Display.FRACTION),
    _color("direct", Display.RADIANCE),
    _color("indirect", Display.RADIANCE),
    _color("diffuse", Display.RADIANCE),
    _color("specular", Display.RADIANCE),
    _vector("mirror", Display.DIRECTION),
    _vector("mirror_hit", Display.POSITION),
    _vector("mirror_normal", Display.DIRECTION),
    _scalar("shadows", Display.FRACTION),
    _scalar("ao", Display.FRACTION),
)

BUFFERS: dict[str, Buffer] = {buffer.name: buffer for buffer in _TABLE}
"""All buffers by name, in the order in which files and tables list them."""


def channel_count(names: Iterable[str]) -> int:
    """Return how many channels the named buffers have together. Raises ``KeyError`` for an unknown name."""
    return sum(BUFFERS[name].channels for name in names)
