"""Which class stands behind the `type` of an encoder or generator: one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cnsr.buffers import channel_count
from cnsr.config import Config, GeneratorConfig, RepresentationConfig
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

GENERATORS: Mapping[str, type[Generator]] = {
    "PixelCNN": PixelGenerator,
    "GQN": GQN,
    "Unet": Unet,
    "Sum": Sum,
    "Copy": Copy,
}
"""Each takes its own kind of ``GeneratorConfig``, and its place in the model."""


def keeps_much(config: Config) -> bool:
    """Return whether any generator of `config` does (`Generator.keeps_much`)."""
    return any(GENERATORS[generator.type].keeps_much for generator in config.model.generators)


def build_encoder(config: RepresentationConfig, pose_dim: int, partitions: int) -> Encoder:
    """Make the encoder that `config` describes, for poses of `pose_dim` numbers and so many `partitions`."""
    return ENCODERS[config.type](config, pose_dim, partitions)


def build_generator(
    config: GeneratorConfig, pose_dim: int, representation_dim: int, earlier: Sequence[Generator]
) -> Generator:
    """Make the generator after the `earlier` ones, which takes `representation_dim` channels of representation.

    Raises:
        ConfigError: its settings ask for what is not there.
    """
    place = Place(
        buffers=channel_count(config.query_passes),
        pose=pose_dim,
        representation=representation_dim,
        output=channel_count(config.output_passes),
        earlier=tuple(earlier),
    )
    make: Callable[[GeneratorConfig, Place], Generator] = GENERATORS[config.type]
    try:
        return make(config, place)
    except ConfigError as error:
        raise ConfigError(f"model.generators[{len(earlier)}].{error}") from error
