"""Why weights do not fit the networks of a config: which layers, and which settings they were made with.

A published file says nothing of its settings, but the shapes of its weights do: `_SIZES` says which size of which
layer is which setting. What is read off so is tried by building the networks (without memory, on the "meta" device); a
setting is named only if with it all weights fit.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor

from cnsr.buffers import channel_count
from cnsr.config import AnyGenerator, Config, GeneratorConfig, RepresentationConfig
from cnsr.errors import ConfigError
from cnsr.models.model import SceneModel
from cnsr.models.registry import ENCODERS, GENERATORS

Shapes = Mapping[str, tuple[int, ...]]
Path = tuple[str | int, ...]
"""Keys and indices that lead to a setting."""
Change = tuple[tuple[Path, Any], ...]
"""Settings to be set, with their values; those that only make sense together."""

_GENERATOR: TypeAdapter[GeneratorConfig] = TypeAdapter(AnyGenerator)
_STRANGE_NAME = 8  # a name on one side alone weighs as many sizes that differ: it tells of another network
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
    """Return with which other settings than those of `config` the weights `saved` would fit, dotted paths first.

    Returns:
        The settings, with the values of both sides; ``None`` where no settings explain the weights. Settings between
        which weights cannot tell stand with an "or".
    """
    shapes = {name: tuple(value.shape) for name, value in saved.items()}
    counts = _number_of_networks(shapes, config)
    if counts is not None:
        return counts
    steps = _search(shapes, _without_losses(config))
    if steps is None:
        return None
    told = []
    steps.sort(key=lambda step: ("model" in step[0][0], "generators" in step[0][0], step[0][0][2:3]))
    for index, step in enumerate(steps):
        others = _without_losses(config)
        for other in steps[:index] + steps[index + 1 :]:
            others = _changed(others, other)
        told.append(_described([_reported(change, config) for change in _equally_good(shapes, others, step)], config))
    return "; ".join(told)


def _number_of_networks(shapes: Shapes, config: Config) -> str | None:
    """Say so where the config has another number of encoders or generators than the weights."""
    encoders, generators = (_indices(shapes, part) for part in ("representation", "generator"))
    if not encoders:
        return None
    if max(encoders) + 1 != len(config.model.representations):
        return (
            f"model.representations has {max(encoders) + 1} entries (checkpoint) vs "
            f"{len(config.model.representations)} (config)"
        )
    known = len(config.model.generators)
    if generators and max(generators) >= known:  # behind them there may be others without weights
        return f"model.generators has {max(generators) + 1} entries or more (checkpoint) vs {known} (config)"
    wanted = _indices(_shapes(config) or {}, "generator")
    if wanted - generators:
        index = min(wanted - generators)
        return (
            f"model.generators[{index}] has no weights (checkpoint) vs {config.model.generators[index].type} (config)"
        )
    return None


def _indices(shapes: Shapes, part: str) -> set[int]:
    words = [name.split(".") for name in shapes]
    return {int(word[2]) for word in words if len(word) > 3 and word[0] == part and word[2].isdecimal()}


def _search(shapes: Shapes, config: Config) -> list[Change] | None:
    """Return changes of `config` after which everything fits: always the one that brings it nearest."""
    steps: list[Change] = []
    distance = _distance(shapes, config)
    while distance:
        changes = list(_proposals(shapes, config))
        rated = [(_distance(shapes, _changed(config, change)), len(change)) for change in changes]
        if not rated or min(rated)[0] >= distance:
            return None
        best = changes[rated.index(min(rated))]
        distance = min(rated)[0]
        config = _changed(config, best)
        # What a later step sets anew was read off while other settings were still wrong.
        steps = [tuple(entry for entry in step if entry[0] not in dict(best)) for step in steps]
        steps = [*filter(None, steps), best]
    return steps


def _equally_good(shapes: Shapes, config: Config, step: Change) -> list[Change]:
    """Return the changes with which everything fits as well as with `step`, which is among them."""
    (place, _), *_ = step
    others = [
        change
        for change in _proposals(shapes, config)
        if change != step and len(change) == len(step) and change[0][0][:3] == place[:3]
    ]
    return [step, *(change for change in others if _distance(shapes, _changed(config, change)) == 0)]


def _reported(change: Change, config: Config) -> Change:
    """Return what of a change the config can be compared with: with another type, not what only that type has."""
    retyped = any(path[-1] == "type" for path, _ in change)
    return tuple(
        (path, value)
        for path, value in change
        if not (retyped and ("settings" in path or path[-1] == "render_size")) and _value(config, path) != value
    )


def _described(changes: list[Change], config: Config) -> str:
    """Return one text for changes that are equally good."""
    paths = {path for change in changes for path, _ in change}
    if len(paths) == 1 and all(len(change) == 1 for change in changes):
        path = next(iter(paths))
        values = " or ".join(dict.fromkeys(_shown(path, change[0][1]) for change in changes))
        return f"{_dotted(path)} {values} (checkpoint) vs {_shown(path, _value(config, path))} (config)"
    texts = [", ".join(_described([(entry,)], config) for entry in change) for change in changes]
    return " or ".join(dict.fromkeys(texts))


def _shown(path: Path, value: Any) -> str:
    if str(path[-1]).endswith("_passes"):
        count = channel_count(value)
        return f"with {count} {'channel' if count == 1 else 'channels'}"
    return str(list(value) if isinstance(value, tuple) else value)


def _dotted(path: Path) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).removeprefix(".")


def _proposals(shapes: Shapes, config: Config) -> Iterator[Change]:
    """Yield changes of `config` that the weights speak for, without those that change nothing."""
    wanted = _shapes(config) or {}
    if any(name.endswith(".deltas") and shapes.get(name, shape) != shape for name, shape in wanted.items()):
        yield ((("empty_partition",), not config.empty_partition),)
    for path, part, prefix in _parts(config):
        own, expected = (
            {name.removeprefix(prefix): shape for name, shape in side.items() if name.startswith(prefix)}
            for side in (shapes, wanted)
        )
        if own == expected:
            continue
        taken = part.representations if isinstance(part, GeneratorConfig) else ()
        channels = sum(config.model.representations[index].representation_dim for index in taken)
        saved = _Saved(own, config.model.pose_dim, channels)
        encoders = len(config.model.representations) if isinstance(part, GeneratorConfig) else 0
        changes = [*_settings(saved, part), *_choices(part), *_lists(encoders)]
        if own.keys() != expected.keys():
            changes += _types(saved, part)
        for change in changes:
            different = tuple((path + keys, value) for keys, value in change if _differs(part, keys, value))
            if different:
                yield different


def _settings(saved: _Saved, part: Any) -> Iterator[Change]:
    """Yield each setting that is a size, as the weights have it; paths start in the encoder or generator `part`."""
    for key, read in _SIZES.get(part.type, {}).items():
        try:
            size = read(saved)
        except (KeyError, IndexError):
            continue
        if key.endswith("_passes") and size >= 0:
            stand_in = (_STAND_IN,) * size
            yield (((key,), getattr(part, key) if size == channel_count(getattr(part, key)) else stand_in),)
        elif size > 0:
            yield ((tuple(key.split(".")), size),)


def _choices(part: Any) -> Iterator[Change]:
    """Yield all combinations of the settings that are choices."""
    choices = _CHOICES.get(part.type, {})
    for values in itertools.product(*choices.values()):
        yield tuple((tuple(key.split(".")), value) for key, value in zip(choices, values, strict=True))


def _lists(encoders: int) -> Iterator[Change]:
    """Yield all choices of encoders for a generator to listen to."""
    for count in range(encoders + 1):
        for chosen in itertools.combinations(range(encoders), count):
            yield ((("representations",), chosen),)


def _types(saved: _Saved, part: Any) -> Iterator[Change]:
    """Yield all other types of network, each with the sizes that the weights have and any of its choices."""
    for kind in GENERATORS if isinstance(part, GeneratorConfig) else ENCODERS:
        if kind in (part.type, "Copy"):  # a Copy is whatever it copies
            continue
        other = _with(part, ("type",), kind)
        sizes = tuple(entry for change in _settings(saved, other) for entry in change)
        for choice in _choices(other):
            yield ((("type",), kind), *sizes, *choice)


def _parts(config: Config) -> Iterator[tuple[Path, RepresentationConfig | GeneratorConfig, str]]:
    """Yield each encoder and generator: the path of its settings, those, and how the names of its weights start."""
    for index, encoder in enumerate(config.model.representations):
        yield ("model", "representations", index), encoder, f"representation.representations.{index}."
    for index, generator in enumerate(config.model.generators):
        yield ("model", "generators", index), generator, f"generator.generators.{index}."


def _distance(shapes: Shapes, config: Config) -> float:
    """Return how much the weights differ from those of `config`; 0 if they fit, infinite for impossible networks."""
    wanted = _shapes(config)
    if wanted is None:
        return float("inf")
    distance = _STRANGE_NAME * len(wanted.keys() ^ shapes.keys())
    for name in wanted.keys() & shapes.keys():
        one, other = wanted[name], shapes[name]
        distance += sum(a != b for a, b in zip(one, other, strict=False)) + abs(len(one) - len(other))
    return distance


def _shapes(config: Config) -> Shapes | None:
    """Return the shapes of a config's weights; ``None`` where such networks cannot be."""
    try:
        with torch.device("meta"):
            return {name: tuple(value.shape) for name, value in SceneModel(config).state_dict().items()}
    except (ConfigError, ValueError, RuntimeError, ZeroDivisionError):
        # The sizes come from a file that does not fit, and no check of settings has seen them.
        return None


def _without_losses(config: Config) -> Config:
    """Return `config` with a loss that wants no weights and allows all passes: losses leave no trace in the weights."""
    for index, generator in enumerate(config.model.generators):
        if "loss" in type(generator.settings).model_fields:
            config = _with(config, ("model", "generators", index, "settings", "loss"), ("l1",))
    return config


def _changed(config: Config, change: Change) -> Config:
    for path, value in change:
        config = _with(config, path, value)
    return config


def _with(part: Any, path: Path, value: Any) -> Any:
    """Return a copy of `part` in which the setting at `path` is `value`; it is not checked."""
    key, rest = path[0], path[1:]
    if isinstance(part, tuple) and isinstance(key, int):
        return (*part[:key], _with(part[key], rest, value) if rest else value, *part[key + 1 :])
    if key == "type" and isinstance(part, GeneratorConfig):
        common = {name: getattr(part, name) for name in GeneratorConfig.model_fields}
        return _GENERATOR.validate_python({**common, "type": value})
    return part.model_copy(update={key: _with(getattr(part, str(key)), rest, value) if rest else value})


def _differs(part: Any, path: Path, value: Any) -> bool:
    try:
        return bool(_value(part, path) != value)
    except AttributeError:  # a setting of another type
        return True


def _value(part: Any, path: Path) -> Any:
    for key in path:
        part = part[key] if isinstance(key, int) else getattr(part, key)
    return part
