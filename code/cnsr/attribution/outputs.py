"""Which outputs of the networks an attribution explains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from cnsr.buffers import BUFFERS
from cnsr.config import Config


@dataclass(frozen=True)
class Patch:
    """Pixels of a predicted image; every channel of every pixel is an output.

    Attributes:
        generator: index of the generator that makes the image.
        name: of its output pass.
        left: first column.
        top: first row.
        width: columns.
        height: rows.
    """

    generator: int
    name: str
    left: int
    top: int
    width: int = 1
    height: int = 1

    def check(self, config: Config) -> None:
        """Raise ``ValueError`` if the networks of `config` have no such pixels."""
        if not 0 <= self.generator < len(config.model.generators):
            raise ValueError(f"there is no generator {self.generator}")
        made = config.model.generators[self.generator]
        if self.name not in made.output_passes:
            raise ValueError(f"generator {self.generator} does not make {self.name!r}")
        across, down = (self.left, self.width), (self.top, self.height)
        if any(start < 0 or count < 1 or start + count > made.render_size for start, count in (across, down)):
            raise ValueError(f"{self} is not inside of the image, which has {made.render_size} pixels along an edge")

    @property
    def count(self) -> int:
        """Number of outputs."""
        return self.width * self.height * BUFFERS[self.name].channels


@dataclass(frozen=True)
class Channels:
    """Channels of the representation that an encoder makes; where it is a map, each of its cells is an output.

    Attributes:
        encoder: index.
        channels: indices.
    """

    encoder: int
    channels: tuple[int, ...]

    def check(self, config: Config) -> None:
        """Raise ``ValueError`` if the networks of `config` have no such channels."""
        if not 0 <= self.encoder < len(config.model.representations):
            raise ValueError(f"there is no encoder {self.encoder}")
        dimension = config.model.representations[self.encoder].representation_dim
        if not self.channels or len(set(self.channels)) < len(self.channels):
            raise ValueError("expected channels, each of them once")
        if not all(0 <= channel < dimension for channel in self.channels):
            raise ValueError(f"encoder {self.encoder} has {dimension} channels")


Outputs: TypeAlias = Patch | Channels


def whole_image(config: Config, generator: int, name: str) -> Patch:
    """Return all pixels of what a generator makes as output pass `name`."""
    size = config.model.generators[generator].render_size
    return Patch(generator, name, 0, 0, size, size)


def whole_representation(config: Config, encoder: int) -> Channels:
    """Return all channels of an encoder."""
    return Channels(encoder, tuple(range(config.model.representations[encoder].representation_dim)))
