"""Why weights do not fit the networks of a config: which layers, and which settings they were made with.

A published file says nothing of its settings, but the shapes of its weights do: `_SIZES` says which size of which
layer is which setting. What is read off so is tried by building the networks (without memory, on the "meta" device); a
setting is named only if with it all weights fit.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from cnsr.buffers import channel_count
from cnsr.config import AnyGenerator, Config, GeneratorConfig, RepresentationConfig
from cnsr.datasets.batch import FACTORS
from cnsr.errors import ConfigError
from cnsr.models.registry import ENCODERS, GENERATORS, build_encoder, build_generator

Shapes = dict[str, tuple[int, ...]]
Part = RepresentationConfig | GeneratorConfig

_GENERATOR: TypeAdapter[GeneratorConfig] = TypeAdapter(AnyGenerator)
_ABSENT = object()
_STAND_IN = "depth"  # has one channel: as many as needed stand for passes of which only the channels are known


@dataclass(frozen=True)
class _Saved:
    """What a file holds of one encoder or generator.

    Attributes:
        shapes: by the name of the layer.
        pose: channels of the pose.
        representation: channels of the representations that a generator takes; 0 for an encoder.
    """

    shapes: Shapes
    pose: int
    representation: int = 0

    def size(self, name: str, axis: int) -> int:
        """Return one size of a weight. Raises ``KeyError`` or ``IndexError`` where there is none."""
        return self.shapes[name][axis]

    def count(self, *lists: str) -> int:
        """Return the number of entries in the longest of some lists of layers."""
        words = [name.split(".") for name in self.shapes]
        return max(len({word[1] for word in words if word[0] == listed and word[1].isdecimal()}) for listed in lists)


_POOL: dict[str, Callable[[_Saved], int]] = {
    "representation_dim": lambda saved: saved.size("conv1.weight", 0),
    "observation_passes": lambda saved: saved.size("conv1.weight", 1),
}
_SIZES: dict[str, dict[str, Callable[[_Saved], int]]] = {
    "Pool": _POOL,
    "Tower": _POOL,
    "Pyramid": {
        "representation_dim": lambda saved: saved.size("out_conv.weight", 0),
        "observation_passes": lambda saved: saved.size("in_conv.weight", 1) - saved.pose,
        "render_size": lambda saved: 16 << saved.count("conv_list"),
    },
    "PixelCNN": {
        "settings.layers": lambda saved: saved.count("layers"),
        "settings.hidden_units": lambda saved: saved.size("input.weight", 0),
        "query_passes": lambda saved: saved.size("input.weight", 1) - saved.pose - saved.representation,
        "output_passes": lambda saved: saved.size("final.weight", 0),
    },
    "Unet": {
        "query_passes": lambda saved: saved.size("down_block1.model.0.weight", 1) - saved.pose - saved.representation,
        "output_passes": lambda saved: saved.size("final.weight", 0),
    },
    "GQN": {
        "settings.core_count": lambda saved: saved.count("inference", "generator", "upsample"),
        "settings.state_dim": lambda saved: saved.size("prior.weight", 1),
        "settings.latent_dim": lambda saved: saved.size("prior.weight", 0) // 2,
        "settings.downscaling": lambda saved: saved.size("upsample.0.weight", 2),
        "query_passes": lambda saved: saved.size("downsample.weight", 1) if "downsample.weight" in saved.shapes else 0,
        "output_passes": lambda saved: saved.size("observation.weight", 0),
    },
}
"""Settings that are sizes, by the type of network; of passes, it is the number of their channels."""

_CHOICES: dict[str, dict[str, tuple[Any, ...]]] = {
    "PixelCNN": {f"settings.propagate_{what}": (False, True) for what in ("buffers", "representation", "viewpoint")},
    "GQN": {
        "settings.cell_type": ("LSTM", "GRU"),
        "settings.weight_sharing": (False, True),
        "settings.upscale_sharing": (False, True),
    },
}
"""Settings that decide which layers there are, or what they see."""


def misfits(saved: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    """Return what keeps the weights `saved` from fitting networks with the weights `wanted`, layer by layer."""
    faults = []
    for name, tensor in wanted.items():
        if name not in saved:
            faults.append(f"{name} is not in the checkpoint")
        elif saved[name].shape != tensor.shape:
            faults.append(f"{name} is {list(saved[name].shape)} (checkpoint) vs {list(tensor.shape)} (config)")
    faults += [f"{name} is not in the config's networks" for name in saved if name not in wanted]
    return faults


def differing_settings(saved: Mapping[str, Tensor], config: Config) -> str | None:
    """Return with which other settings than those of `config` the weights `saved` would fit, with both values.

    Returns:
        The settings by their dotted paths; ``None`` where no settings explain the weights. Settings between which
        weights cannot tell stand with an "or".
    """
    shapes = {name: tuple(value.shape) for name, value in saved.items()}
    encoders = _by_index(shapes, "representation.representations.")
    generators = _by_index(shapes, "generator.generators.")
    if not encoders or sum(map(len, (*encoders.values(), *generators.values()))) < len(shapes):
        return None  # not weights of such networks at all
    counts = _number_of_networks(encoders, generators, config)
    if counts is not None:
        return counts
    told: list[str] = []
    empty = encoders.get(0, {}).get("deltas") == (len(FACTORS) + 1,)
    if empty != config.empty_partition:
        told.append(f"empty_partition {empty} (checkpoint) vs {config.empty_partition} (config)")
    channels = []  # of each encoder, as the checkpoint has it
    for index, encoder in enumerate(config.model.representations):
        search = _EncoderSearch(encoders.get(index, {}), encoder, config.model.pose_dim, empty)
        found = search.solutions()
        if not found:
            return None
        channels.append(found[0].representation_dim)
        told.append(_described(found, encoder, f"model.representations[{index}]"))
    for index, generator in enumerate(config.model.generators):
        solutions = _GeneratorSearch(generators.get(index, {}), generator, config.model.pose_dim, channels).solutions()
        if not solutions:
            return None
        told.append(_described(solutions, generator, f"model.generators[{index}]"))
    return "; ".join(filter(None, told)) or None


def _by_index(shapes: Shapes, prefix: str) -> dict[int, Shapes]:
    """Return the weights of each encoder or generator, by the names of their layers."""
    found: dict[int, Shapes] = {}
    for name, shape in shapes.items():
        index, _, layer = name.removeprefix(prefix).partition(".")
        if name.startswith(prefix) and index.isdecimal():
            found.setdefault(int(index), {})[layer] = shape
    return found


def _number_of_networks(encoders: Mapping[int, Shapes], generators: Mapping[int, Shapes], config: Config) -> str | None:
    """Say so where the config has another number of encoders or generators than the weights."""
    wanted, given = len(config.model.representations), max(encoders) + 1
    if given != wanted:
        return f"model.representations has {given} entries (checkpoint) vs {wanted} (config)"
    wanted, given = len(config.model.generators), max(generators, default=-1) + 1
    if given > wanted:  # behind them there may be others without weights
        return f"model.generators has {given} entries or more (checkpoint) vs {wanted} (config)"
    for index, generator in enumerate(config.model.generators):
        if generator.type in _SIZES and index not in generators:
            return f"model.generators[{index}] has no weights (checkpoint) vs {generator.type} (config)"
    return None


class _Search(ABC):
    """Looks for the settings of one encoder or generator with which its weights fit.

    Args:
        shapes: of the weights, by the names of the layers.
        part: the settings in the config.
    """

    def __init__(self, shapes: Shapes, part: Part, kinds: Sequence[str]) -> None:
        self.shapes = shapes
        self.part = part
        self.kinds = kinds

    @abstractmethod
    def build(self, part: Any) -> nn.Module:
        """Return the network of the settings `part`."""

    @abstractmethod
    def variants(self, part: Any) -> Iterator[Any]:
        """Yield settings of the type of `part` with which the weights may fit."""

    def solutions(self) -> list[Any]:
        """Return the settings with which the weights fit, those with the fewest that differ from the config's."""
        if self._fits(self.part):
            return [self.part]
        for kinds in ([self.part.type], [kind for kind in self.kinds if kind != self.part.type]):
            typed = (_with(self.part, "type", kind) for kind in kinds)
            fitting = [variant for part in typed for variant in self.variants(part) if self._fits(variant)]
            if fitting:
                nearest = [self._nearest(variant) for variant in fitting]
                least = min(len(_differences(variant, self.part)) for variant in nearest)
                return [variant for variant in nearest if len(_differences(variant, self.part)) == least]
        return []

    def _fits(self, part: Any) -> bool:
        try:
            with torch.device("meta"):
                built = self.build(part).state_dict()
        except (ConfigError, ValueError, RuntimeError, ZeroDivisionError):
            # The sizes come from a file that does not fit, and no check of settings has seen them.
            return False
        return {name: tuple(value.shape) for name, value in built.items()} == self.shapes

    def _nearest(self, part: Any) -> Any:
        """Return fitting settings with the config's own where these fit, too: not all leave a trace in the weights."""
        for key, _, current in _differences(part, self.part):
            changed = _with(part, key, current)
            if key != "type" and self._fits(changed):
                part = changed
        return part


class _EncoderSearch(_Search):
    """Looks for the settings of an encoder; `empty` tells of a null partition."""

    def __init__(self, shapes: Shapes, part: RepresentationConfig, pose: int, empty: bool) -> None:
        super().__init__(shapes, part, tuple(ENCODERS))
        self.pose, self.empty = pose, empty

    def build(self, part: RepresentationConfig) -> nn.Module:
        """Return the encoder."""
        return build_encoder(part, self.pose, len(FACTORS) + self.empty)

    def variants(self, part: RepresentationConfig) -> Iterator[RepresentationConfig]:
        """Yield the one encoder whose sizes are those of the weights."""
        yield _with_sizes(part, _Saved(self.shapes, self.pose))


class _GeneratorSearch(_Search):
    """Looks for the settings of a generator; `channels` are those of each encoder's representation."""

    def __init__(self, shapes: Shapes, part: GeneratorConfig, pose: int, channels: Sequence[int]) -> None:
        # A Copy is whatever it copies, and has no weights.
        super().__init__(shapes, _without_loss(part), [kind for kind in GENERATORS if kind != "Copy"])
        self.pose, self.channels, self.taken = pose, channels, part.representations

    def build(self, part: GeneratorConfig) -> nn.Module:
        """Return the generator. A Copy has no weights whatever it copies, nor has a Sum."""
        taken = sum(self.channels[index] for index in part.representations)
        return nn.Module() if part.type == "Copy" else build_generator(part, self.pose, taken, ())

    def variants(self, part: GeneratorConfig) -> Iterator[GeneratorConfig]:
        """Yield all choices of layers and representations, with the sizes that the weights then tell of."""
        choices = _CHOICES.get(part.type, {})
        for values in itertools.product(*choices.values()):
            chosen = part
            for key, value in zip(choices, values, strict=True):
                chosen = _with(chosen, key, value)
            for taken in self._lists():
                saved = _Saved(self.shapes, self.pose, sum(self.channels[index] for index in taken))
                yield _with_sizes(_with(chosen, "representations", taken), saved)

    def _lists(self) -> Iterator[tuple[int, ...]]:
        """Yield lists of representations, one for each set of them; the config's own for its set."""
        for count in range(len(self.channels) + 1):
            for taken in itertools.combinations(range(len(self.channels)), count):
                yield self.taken if taken == tuple(sorted(self.taken)) else taken


def _with_sizes(part: Any, saved: _Saved) -> Any:
    """Return `part` with those settings that are sizes as the weights have them."""
    for key, read in _SIZES.get(part.type, {}).items():
        try:
            size = read(saved)
        except (KeyError, IndexError):
            continue
        if not key.endswith("_passes"):
            part = _with(part, key, max(size, 1))
        elif size != channel_count(_value(part, key)):
            part = _with(part, key, (_STAND_IN,) * size)
    return part


def _differences(part: Any, current: Any) -> list[tuple[str, Any, Any]]:
    """Return (key, value, value in the config) of the settings that differ and that both have."""
    keys = ("type", "representations", *_SIZES.get(part.type, {}), *_CHOICES.get(part.type, {}))
    triples = ((key, _value(part, key), _value(current, key)) for key in keys)
    return [(key, value, other) for key, value, other in triples if other is not _ABSENT and value != other]


def _described(solutions: list[Any], current: Any, path: str) -> str:
    """Return one text for settings that fit equally well; none where they are the `current` ones."""
    listed = [
        [(f"{path}.{key}", _shown(key, value), _shown(key, other)) for key, value, other in _differences(part, current)]
        for part in solutions
    ]
    common = [difference for difference in listed[0] if all(difference in other for other in listed)]
    rests = [[difference for difference in differences if difference not in common] for differences in listed]
    texts = [_compared(*difference) for difference in common]
    if all(len(rest) == 1 for rest in rests) and len({rest[0][0] for rest in rests}) == 1:
        (key, _, other), values = rests[0][0], dict.fromkeys(rest[0][1] for rest in rests)
        texts.append(_compared(key, " or ".join(values), other))
    elif rests[0]:
        texts.append(" or ".join(dict.fromkeys(" with ".join(_compared(*entry) for entry in rest) for rest in rests)))
    return ", ".join(texts)


def _compared(path: str, value: str, other: str) -> str:
    return f"{path} {value} (checkpoint) vs {other} (config)"


def _shown(key: str, value: Any) -> str:
    if key.endswith("_passes"):
        count = channel_count(value)
        return f"of {count} {'channel' if count == 1 else 'channels'}"
    return str(list(value) if isinstance(value, tuple) else value)


def _without_loss(part: GeneratorConfig) -> GeneratorConfig:
    """Return `part` with a loss that wants no files and takes all passes: losses leave no trace in the weights."""
    return part if _value(part, "settings.loss") is _ABSENT else _with(part, "settings.loss", ("l1",))


def _with(part: Any, key: str, value: Any) -> Any:
    """Return a copy of `part` with another setting, which is not checked; with another type, of that type."""
    if key == "type" and isinstance(part, GeneratorConfig) and value != part.type:
        common = {name: getattr(part, name) for name in GeneratorConfig.model_fields}
        return _without_loss(_GENERATOR.validate_python({**common, "type": value}))
    first, _, rest = key.partition(".")
    return part.model_copy(update={first: _with(getattr(part, first), rest, value) if rest else value})


def _value(part: Any, key: str) -> Any:
    """Return the setting called `key`; `_ABSENT` where networks of that type have none."""
    for name in key.split("."):
        part = getattr(part, name, _ABSENT)
    return part
