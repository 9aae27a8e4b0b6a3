"""Settings that are right alone and impossible together.

These checks work on the raw JSON and pass over whatever has a wrong type, so that their faults are reported together
with those that the typed settings find.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cnsr.buffers import BUFFERS, channel_count


def contradictions(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (dotted path, message) for each contradiction in the config `data`."""
    model = data.get("model")
    if not isinstance(model, dict):
        return
    encoders, generators = _objects(model.get("representations")), _objects(model.get("generators"))
    for index, encoder in enumerate(encoders):
        path = f"model.representations[{index}]"
        kind, size = encoder.get("type", "Tower"), encoder.get("render_size", 64)
        if kind in ("Pool", "Tower") and _positive(size) and size % 4:
            yield f"{path}.render_size", f"{kind} needs a multiple of 4 (got {size})"
        if kind == "Pyramid" and _positive(size) and (size < 16 or size & (size - 1)):
            yield f"{path}.render_size", f"Pyramid needs a power of two from 16 on (got {size})"
        dim = encoder.get("representation_dim", 256)
        if data.get("latent_separation") is True and _positive(dim) and dim < 3:
            yield f"{path}.representation_dim", f"a partitioned representation needs at least 3 channels (got {dim})"
    for index, generator in enumerate(generators):
        yield from _generator_contradictions(generator, f"model.generators[{index}]", index, generators, len(encoders))


def _generator_contradictions(
    generator: dict[str, Any], path: str, index: int, generators: list[dict[str, Any]], encoders: int
) -> Iterator[tuple[str, str]]:
    kind, size = generator.get("type", "GQN"), generator.get("render_size", 64)
    settings = generator.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    wanted = generator.get("representations")
    for entry in wanted if isinstance(wanted, list) else []:
        if isinstance(entry, int) and entry >= encoders:
            yield f"{path}.representations", f"there is no representation {entry} (there are {encoders}, from 0 on)"
    if kind == "Unet" and _positive(size) and size % 64:
        yield f"{path}.render_size", f"Unet needs a multiple of 64 (got {size})"
    downscaling = settings.get("downscaling", 4)
    if kind == "GQN" and _positive(size) and _positive(downscaling) and size % downscaling:
        yield f"{path}.settings.downscaling", f"must divide render_size {size} (got {downscaling})"
    if kind == "Copy":
        target = settings.get("index", 0)
        if isinstance(target, int) and not (target < index and generators[target].get("type", "GQN") != "Copy"):
            yield f"{path}.settings.index", f"must name an earlier generator that is no Copy (got {target})"
    if kind == "Sum":
        yield from _sum_contradictions(generator, path)


def _sum_contradictions(generator: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    addends, outputs = generator.get("query_passes", []), generator.get("output_passes", ["beauty"])
    if not (isinstance(addends, list) and isinstance(outputs, list)):
        return
    if not addends:
        yield f"{path}.query_passes", "Sum needs the passes to add"
        return
    known = [name for name in addends if isinstance(name, str) and name in BUFFERS]
    channels = {BUFFERS[name].channels for name in known}
    if len(channels) > 1:
        yield f"{path}.query_passes", "Sum needs passes with the same number of channels"
    elif known and all(isinstance(name, str) and name in BUFFERS for name in outputs):
        if channel_count(outputs) not in channels:
            yield f"{path}.output_passes", "Sum needs an output with as many channels as the passes that it adds"


def _objects(value: object) -> list[dict[str, Any]]:
    return [item if isinstance(item, dict) else {} for item in value] if isinstance(value, list) else []


def _positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
