"""Which class stands behind the `type` of an encoder or generator: one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from cnsr.buffers import channel_count
from cnsr.config import GeneratorConfig, RepresentationConfig
from cnsr.errors import ConfigError
from cnsr.models.encoders import Encoder, Pool, Pyramid, Tower
from cnsr.models.generator import Generator, Place
from cnsr.models.gqn import GQN
from cnsr.models.pixel_generator import PixelGenerator
from cnsr.models.unet import Unet
from cnsr.models.weightless import Copy, Sum

ENCODERS: Mapping[str, Callable[[RepresentationConfig, int, int], Encoder]] = {
    "Pool": Pool,
    "Pyramid": Pyramid,
    "Tower": Tower,
}
"""Each takes its config, the numbers of pose channels and of partitions."""

GENERATORS: Mapping[str, Callable[[Any, Place], Generator]] = {
    "PixelCNN": PixelGenerator,
    "GQN": GQN,
    "Unet": Unet,
    "Sum": Sum,
    "Copy": Copy,
}
"""Each takes its own kind of ``GeneratorConfig``, and its place in the model."""

_Made = TypeVar("_Made")


def build_encoder(config: RepresentationConfig, index: int, pose_dim: int, partitions: int) -> Encoder:
    """Make ``model.representations[index]``.

    Raises:
        ConfigError: this version has no encoder of that type, or its settings are impossible.
    """
    make = _look_up(ENCODERS, config.type, f"model.representations[{index}]")
    try:
        return make(config, pose_dim, partitions)
    except ConfigError as error:
        raise ConfigError(f"model.representations[{index}].{error}") from error


def build_generator(
    config: GeneratorConfig, pose_dim: int, representation_dim: int, earlier: Sequence[Generator]
) -> Generator:
    """Make the generator after the `earlier` ones, which takes `representation_dim` channels of representation.

    Raises:
        ConfigError: this version has no generator of that type, or its settings are impossible.
    """
    index = len(earlier)
    make = _look_up(GENERATORS, config.type, f"model.generators[{index}]")
    place = Place(
        buffers=channel_count(config.query_passes),
        pose=pose_dim,
        representation=representation_dim,
        output=channel_count(config.output_passes),
        earlier=tuple(earlier),
    )
    try:
        return make(config, place)
    except ConfigError as error:
        raise ConfigError(f"model.generators[{index}].{error}") from error


def _look_up(table: Mapping[str, _Made], name: str, path: str) -> _Made:
    if name not in table:
        raise ConfigError(f"{path}.type: this version has no {name!r}, only {', '.join(table)}")
    return table[name]
