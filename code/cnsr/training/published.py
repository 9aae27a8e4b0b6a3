"""The form of published checkpoints: how they name weights, and how they are taken apart and put together.

A published file is a dict of ``iteration``, ``model_state`` (or ``representation_state`` and ``generator_state``) and
``optimizer_state``. In `model_state` the names are ``representation.representations.<i>.<layer>`` and
``generator.generators.<i>.<layer>``; a wrapper for several GPUs leaves ``module.`` in them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from cnsr.config import Config, CopyConfig, GQNConfig
from cnsr.errors import CheckpointError

Part = Literal["representation", "generator"]

_LISTS: dict[Part, str] = {"representation": "representations", "generator": "generators"}
# Parts of names that DataParallel, DistributedDataParallel and torch.compile put in; no layer is called so.
_WRAPPERS = frozenset({"module", "_orig_mod"})
# A cell or upsampling that all steps share may stand without a number; ours is number 0.
_UNNUMBERED = re.compile(r"^(generator\.generators\.\d+\.(inference|generator|upsample))\.(?!\d)")
_GENERATOR = "generator.generators."
_INDEXED = re.compile(r"^(representation\.representations|generator\.generators)\.(\d+)\.")


def plain_name(name: str, part: Part | None = None) -> str:
    """Return our name of the weight that a published file calls `name`.

    Wrappers are left out wherever they stand, and beginnings that are missing are put before it
    (``generators.0.final.bias`` is ``generator.generators.0.final.bias``).

    Args:
        name: as it stands in the file.
        part: which part's state it stands in, where the file keeps them apart. The index may then come first.
    """
    words = [word for word in name.split(".") if word not in _WRAPPERS]
    if not words:
        return name
    for own, listed in _LISTS.items():
        if words[0] == listed or (part == own and words[0].isdecimal()):
            words = [own, *([] if words[0] == listed else [listed]), *words]
    return _UNNUMBERED.sub(r"\1.0.", ".".join(words))


def weights_of(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the weights in the `content` of a file by our names, in the file's order.

    Raises:
        CheckpointError: says what is missing, or is there twice.
    """
    if "model_state" in content:
        states: dict[Part | None, Any] = {None: content["model_state"]}
    else:
        states = {part: content[key] for part in _LISTS if (key := f"{part}_state") in content}
        if len(states) == 1:
            missing = next(part for part in _LISTS if part not in states)
            raise CheckpointError(f"there is a {next(iter(states))}_state, but no {missing}_state")
    weights: dict[str, Tensor] = {}
    for part, state in states.items():
        if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
            raise CheckpointError(f"there is no {part or 'model'}_state with weights in it")
        for written, value in state.items():
            name = plain_name(str(written), part)
            if name in weights:
                raise CheckpointError(f"{name} is there twice, once as {written}")
            weights[name] = value.detach()
    if not states:
        raise CheckpointError("there is no model_state with weights in it")
    return weights


def without_repeats(weights: Mapping[str, Tensor], config: Config) -> dict[str, Tensor]:
    """Return `weights` without those that files hold again for other places that share them.

    These are Copy generators of `config`, and the steps of a GQN generator with `weight_sharing` or `upscale_sharing`.

    Raises:
        CheckpointError: a Copy has other weights than the generator that it copies.
    """
    kept = dict(weights)
    for index, generator in enumerate(config.model.generators):
        if isinstance(generator, CopyConfig):
            original = generator.settings.index
            for name, other in _repeats(weights, f"{_GENERATOR}{index}.", f"{_GENERATOR}{original}.").items():
                if not torch.equal(weights[name], weights[other]):
                    raise CheckpointError(
                        f"{name} is not the same as {other}, though model.generators[{index}] is a Copy with "
                        f"settings.index {original}"
                    )
                del kept[name]
    for index, generator in enumerate(config.model.generators):
        if isinstance(generator, GQNConfig):
            parts = ["inference", "generator"] if generator.settings.weight_sharing else []
            parts += ["upsample"] if generator.settings.upscale_sharing else []
            for part in parts:
                _drop_equal_steps(kept, f"{_GENERATOR}{index}.{part}.")
    return kept


def _repeats(weights: Mapping[str, Tensor], copy: str, original: str) -> dict[str, str]:
    """Return the names that start with `copy`, and those with `original` instead, where there are both."""
    pairs = {name: original + name.removeprefix(copy) for name in weights if name.startswith(copy)}
    return {name: other for name, other in pairs.items() if other in weights}


def _drop_equal_steps(weights: dict[str, Tensor], prefix: str) -> None:
    """Remove the steps of the list `prefix` that are the same as its first; others tell of other settings."""
    steps = {name.removeprefix(prefix).split(".")[0] for name in weights if name.startswith(prefix)}
    for step in steps - {"0"}:
        repeats = _repeats(weights, f"{prefix}{step}.", f"{prefix}0.")
        if all(torch.equal(weights[name], weights[other]) for name, other in repeats.items()):
            for name in repeats:
                del weights[name]


def published_content(
    iteration: int,
    weights: Mapping[str, Tensor],
    optimizer_state: Mapping[str, Any] | None,
    split: bool = False,
    wrapped: bool = False,
) -> dict[str, Any]:
    """Return what a published file holds.

    Args:
        iteration: how many are done.
        weights: by our names; the order must be that of `optimizer_state` (`in_published_order`).
        optimizer_state: of Adam, or ``None`` to leave it out.
        split: keep encoders and generators apart, in ``representation_state`` and ``generator_state``.
        wrapped: write the names as a wrapper for several GPUs leaves them, with ``.module.`` after the index.
    """
    content: dict[str, Any] = {"iteration": iteration}
    names = {name: _INDEXED.sub(r"\1.\2.module.", name) if wrapped else name for name in weights}
    if split:
        for part in _LISTS:
            content[f"{part}_state"] = {
                written.removeprefix(f"{part}."): weights[name]
                for name, written in names.items()
                if name.startswith(f"{part}.")
            }
    else:
        content["model_state"] = {written: weights[name] for name, written in names.items()}
    if optimizer_state is not None:
        content["optimizer_state"] = dict(optimizer_state)
    return content


def in_published_order(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return `weights` with those of the encoders first, then those of the generators; otherwise in their order.

    Raises:
        CheckpointError: there are weights of neither, which a published file has no place for.
    """
    strangers = [name for name in weights if not _INDEXED.match(name)]
    if strangers:
        raise CheckpointError(f"{strangers[0]} is of no encoder and of no generator")
    return {name: value for part in _LISTS for name, value in weights.items() if name.startswith(f"{part}.")}
