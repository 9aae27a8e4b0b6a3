"""Settings that are right alone and impossible together.

These checks work on the raw JSON and pass over whatever has a wrong type, so that their faults are reported together
with those that the typed settings find.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cnsr.buffers import BUFFERS, channel_count
from cnsr.json_faults import Fault
from cnsr.json_text import KeyPath


def contradictions(data: dict[str, Any]) -> Iterator[Fault]:
    """Yield a fault for each contradiction in the config `data`."""
    model = data.get("model")
    if not isinstance(model, dict):
        return
    encoders, generators = _objects(model.get("representations")), _objects(model.get("generators"))
    for index, encoder in enumerate(encoders):
        path: KeyPath = ("model", "representations", index)
        kind, size = encoder.get("type", "Tower"), encoder.get("render_size", 64)
        if kind in ("Pool", "Tower") and _positive(size) and size % 4:
            yield Fault((*path, "render_size"), f"expected a multiple of 4 for {kind}, found {size}")
        if kind == "Pyramid" and _positive(size) and (size < 16 or size & (size - 1)):
            yield Fault((*path, "render_size"), f"expected a power of two from 16 on for Pyramid, found {size}")
        dim = encoder.get("representation_dim", 256)
        if data.get("latent_separation") is True and _positive(dim) and dim < 3:
            yield Fault((*path, "representation_dim"), f"expected 3 channels or more for partitions, found {dim}")
    for index, generator in enumerate(generators):
        yield from _generator_contradictions(
            generator, ("model", "generators", index), index, generators, len(encoders)
        )


def _generator_contradictions(
    generator: dict[str, Any], path: KeyPath, index: int, generators: list[dict[str, Any]], encoders: int
) -> Iterator[Fault]:
    kind, size = generator.get("type", "GQN"), generator.get("render_size", 64)
    settings = generator.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    wanted = generator.get("representations")
    for entry in wanted if isinstance(wanted, list) else []:
        if isinstance(entry, int) and entry >= encoders:
            yield Fault(
                (*path, "representations"),
                f"there are {encoders}, numbered from 0, found {entry}",
            )
    if kind == "Unet" and _positive(size) and size % 64:
        yield Fault((*path, "render_size"), f"expected a multiple of 64 for Unet, found {size}")
    downscaling = settings.get("downscaling", 4)
    if kind == "GQN" and _positive(size) and _positive(downscaling) and size % downscaling:
        yield Fault((*path, "settings", "downscaling"), f"expected a divisor of {size}, found {downscaling}")
    if kind == "Copy":
        target = settings.get("index", 0)
        if isinstance(target, int) and not (target < index and generators[target].get("type", "GQN") != "Copy"):
            yield Fault((*path, "settings", "index"), f"expected an earlier generator that is no Copy, found {target}")
    if kind == "Sum":
        yield from _sum_contradictions(generator, path)


def _sum_contradictions(generator: dict[str, Any], path: KeyPath) -> Iterator[Fault]:
    addends, outputs = generator.get("query_passes", []), generator.get("output_passes", ["beauty"])
    if not (isinstance(addends, list) and isinstance(outputs, list)):
        return
    if not addends:
        yield Fault((*path, "query_passes"), "expected the passes to add")
        return
    known = [name for name in addends if isinstance(name, str) and name in BUFFERS]
    channels = {BUFFERS[name].channels for name in known}
    if len(channels) > 1:
        yield Fault((*path, "query_passes"), "expected passes with the same number of channels for Sum")
    elif known and all(isinstance(name, str) and name in BUFFERS for name in outputs):
        if channel_count(outputs) not in channels:
            yield Fault((*path, "output_passes"), "expected as many channels as the added passes have")


def _objects(value: object) -> list[dict[str, Any]]:
    return [item if isinstance(item, dict) else {} for item in value] if isinstance(value, list) else []


def _positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
