"""Settings that are right alone and impossible together.

These checks work on the raw JSON and pass over whatever has a wrong type, so that their faults are reported together
with those that the typed settings find.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cnsr.buffers import BUFFERS, Display, channel_count
from cnsr.json_faults import Fault
from cnsr.json_text import KeyPath

_Part = dict[str, Any]


def contradictions(data: dict[str, Any]) -> Iterator[Fault]:
    """Yield a fault for each contradiction in the config `data`."""
    model = data.get("model")
    if not isinstance(model, dict):
        return
    encoders, generators = _objects(model.get("representations")), _objects(model.get("generators"))
    for index, encoder in enumerate(encoders):
        path: KeyPath = ("model", "representations", index)
        yield from _encoder_contradictions(encoder, path, data.get("latent_separation") is True)
    for index, generator in enumerate(generators):
        path = ("model", "generators", index)
        for entry in _list(generator, "representations", [0]):
            if _is_index(entry) and entry >= len(encoders):
                found = f"there are {len(encoders)}, numbered from 0, found {entry}"
                yield Fault((*path, "representations"), found)
        original = generator
        if generator.get("type") == "Copy":
            copied = _settings(generator).get("index", 0)
            if not _is_index(copied):
                continue
            if copied >= index or generators[copied].get("type") == "Copy":
                found = f"expected an earlier generator that is no Copy, found {copied}"
                yield Fault((*path, "settings", "index"), found)
                continue
            original = generators[copied]
            yield from _copy_contradictions(generator, path, original, f"generators[{copied}]", encoders)
        yield from _generator_contradictions(generator, path, original)
    if generators and not any(_is_minimized(generator, generators) for generator in generators):
        yield Fault(("model", "generators"), "none of them has a loss to minimize, so nothing could be learned")


def _encoder_contradictions(encoder: _Part, path: KeyPath, separated: bool) -> Iterator[Fault]:
    kind, size = encoder.get("type", "Tower"), encoder.get("render_size", 64)
    if kind in ("Pool", "Tower") and _positive(size) and size % 4:
        yield Fault((*path, "render_size"), f"expected a multiple of 4 for {kind}, found {size}")
    if kind == "Pyramid" and _positive(size) and (size < 16 or size & (size - 1)):
        yield Fault((*path, "render_size"), f"expected a power of two from 16 on for Pyramid, found {size}")
    dim = encoder.get("representation_dim", 256)
    if separated and _positive(dim) and dim < 3:
        yield Fault((*path, "representation_dim"), f"expected 3 channels or more for partitions, found {dim}")
    elif kind in ("Pool", "Tower") and dim == 1:  # half of them pass through the layers in the middle
        yield Fault((*path, "representation_dim"), f"expected 2 channels or more for {kind}, found 1")


def _generator_contradictions(generator: _Part, path: KeyPath, original: _Part) -> Iterator[Fault]:
    """Yield what is wrong with a generator whose network is that of `original`: itself, or what it copies."""
    kind, settings, size = original.get("type", "GQN"), _settings(original), generator.get("render_size", 64)
    if kind == "Unet" and _positive(size) and size % 64:
        yield Fault((*path, "render_size"), f"expected a multiple of 64 for Unet, found {size}")
    downscaling = settings.get("downscaling", 4)
    if kind == "GQN" and _positive(size) and _positive(downscaling) and size % downscaling:
        if original is generator:
            yield Fault((*path, "settings", "downscaling"), f"expected a divisor of {size}, found {downscaling}")
        else:
            found = f"expected a multiple of {downscaling}, the downscaling of what it copies, found {size}"
            yield Fault((*path, "render_size"), found)
    if kind == "Sum":
        yield from _sum_contradictions(generator, path)
    if _in_log_space(kind, settings):
        remedy = "use a PixelCNN or Unet with loss 'l1'" if kind == "GQN" else "use loss 'l1'"
        for name in _known(_list(generator, "output_passes", ["beauty"])):
            if BUFFERS[name].display in (Display.DIRECTION, Display.POSITION):
                found = f"log(1 + y) needs values >= 0, and those of {name!r} are not; {remedy}"
                yield Fault((*path, "output_passes"), found)


def _copy_contradictions(
    generator: _Part, path: KeyPath, original: _Part, name: str, encoders: list[_Part]
) -> Iterator[Fault]:
    """Yield where the channels of a copy differ from those that the copied weights were made for."""
    for key in ("query_passes", "output_passes", "representations"):
        wanted, found = (_channels(part, key, encoders) for part in (original, generator))
        if wanted is not None and found is not None and wanted != found:
            yield Fault((*path, key), f"expected {wanted} channels, like {name} that it copies, found {found}")


def _sum_contradictions(generator: _Part, path: KeyPath) -> Iterator[Fault]:
    if generator.get("query_passes", []) == []:
        yield Fault((*path, "query_passes"), "expected the passes to add")
        return
    channels = {BUFFERS[name].channels for name in _known(_list(generator, "query_passes", []))}
    outputs = _list(generator, "output_passes", ["beauty"])
    if len(channels) > 1:
        yield Fault((*path, "query_passes"), "expected passes with the same number of channels for Sum")
    elif channels and outputs and len(_known(outputs)) == len(outputs) and channel_count(outputs) not in channels:
        yield Fault((*path, "output_passes"), "expected as many channels as the added passes have")


def _in_log_space(kind: object, settings: _Part) -> bool:
    losses = _list(settings, "loss", ["logl1", "logssim"])
    return kind == "GQN" or (kind in ("PixelCNN", "Unet") and any(str(name).startswith("log") for name in losses))


def _is_minimized(generator: _Part, generators: list[_Part]) -> bool:
    """Whether training makes a loss of the generator small. What has a wrong type counts as such."""
    kind = generator.get("type", "GQN")
    copied = _settings(generator).get("index", 0)
    if kind == "Copy" and _is_index(copied) and copied < len(generators):
        kind = generators[copied].get("type", "GQN")
    return kind != "Sum" and generator.get("discard_loss") is not True


def _channels(generator: _Part, key: str, encoders: list[_Part]) -> int | None:
    """Return how many channels the passes or representations under `key` have; ``None`` where that is unclear."""
    defaults = {"query_passes": [], "output_passes": ["beauty"], "representations": [0]}
    names = generator.get(key, defaults[key])
    if not isinstance(names, list):
        return None
    if key != "representations":
        return channel_count(names) if len(_known(names)) == len(names) else None
    if not all(_is_index(entry) and entry < len(encoders) for entry in names):
        return None
    sizes = [encoders[entry].get("representation_dim", 256) for entry in names]
    return sum(sizes) if all(map(_positive, sizes)) else None


def _known(names: list[Any]) -> list[str]:
    return [name for name in names if isinstance(name, str) and name in BUFFERS]


def _list(part: _Part, key: str, default: list[Any]) -> list[Any]:
    value = part.get(key, default)
    return value if isinstance(value, list) else []


def _settings(generator: _Part) -> _Part:
    settings = generator.get("settings")
    return settings if isinstance(settings, dict) else {}


def _objects(value: object) -> list[_Part]:
    return [item if isinstance(item, dict) else {} for item in value] if isinstance(value, list) else []


def _is_index(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
