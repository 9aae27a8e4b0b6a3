"""Moments of Adam by the names of their weights.

PyTorch keeps them by index, in the order of the parameters of the model that was trained, which in another version or
program need not be the order here. The order of a file's weights is that of its parameters.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cnsr.training.checkpoints import Checkpoint

Moments = dict[str, Tensor]
"""Of one weight: ``step`` (scalar), ``exp_avg`` and ``exp_avg_sq`` (both of the weight's shape)."""


def moments_by_name(state: Mapping[str, Any], weights: Mapping[str, Tensor]) -> dict[str, Moments]:
    """Return the moments in `state` by the names of `weights`, which must stand in the order of the parameters.

    Weights that never had a gradient have none. Whatever else Adam noted (AMSGrad's maxima) is left out.

    Args:
        state: what ``torch.optim.Adam.state_dict`` returned, in any version of PyTorch.
        weights: all that was optimized.

    Raises:
        ValueError: these are not the moments of those weights; says why.
    """
    groups, entries = state.get("param_groups"), state.get("state")
    if not isinstance(groups, list) or not isinstance(entries, Mapping):
        raise ValueError("it is no state of an optimizer")
    # A key is an index, or in files of PyTorch before 1.5 an address: its place in the list is what counts.
    keys = [key for group in groups if isinstance(group, Mapping) for key in group.get("params", ())]
    if not all(isinstance(key, int) for key in keys):
        raise ValueError("it is no state of an optimizer")
    if len(keys) != len(weights):
        raise ValueError(f"it is of {len(keys)} weights, where there are {len(weights)}")
    found: dict[str, Moments] = {}
    for key, (name, weight) in zip(keys, weights.items(), strict=True):
        if entries.get(key):
            found[name] = _moments(entries[key], name, weight)
    return found


def optimizer_state(moments: Mapping[str, Moments], names: Iterable[str], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return `moments` as ``torch.optim.Adam.load_state_dict`` takes them, for parameters in the order of `names`.

    Args:
        moments: by name; those of other names are left out.
        names: of all parameters.
        options: learning rate and the like, of the one group that there is.
    """
    names = list(names)
    return {"state": by_place(moments, names), "param_groups": [{**options, "params": list(range(len(names)))}]}


def by_place(moments: Mapping[str, Moments], names: Iterable[str]) -> dict[int, Moments]:
    """Return `moments` by the place of their weights in `names`; those of other names are left out."""
    return {index: dict(moments[name]) for index, name in enumerate(names) if name in moments}


def moments_to_go_on_with(checkpoint: Checkpoint, model: nn.Module, source: Path | str) -> dict[str, Moments]:
    """Return the moments of `checkpoint`, read from `source`, by name, for a `model` that its weights fit.

    For published checkpoints, whose moments may be of another program, or be missing, there is a warning and none are
    returned: training goes on with fresh ones.

    Raises:
        ValueError: a checkpoint of this project holds moments of something else.
    """
    if checkpoint.optimizer_state is None:
        warnings.warn(f"{source}: holds no moments of Adam: training goes on with fresh ones", stacklevel=2)
        return {}
    own = dict(model.named_parameters())
    weights = {name: value for name, value in checkpoint.model_state.items() if name in own}
    try:
        return moments_by_name(checkpoint.optimizer_state, weights)
    except ValueError as error:
        if checkpoint.config is not None:
            raise
        warnings.warn(
            f"{source}: its optimizer_state does not fit its weights ({error}): training goes on with fresh moments "
            "of Adam",
            stacklevel=2,
        )
        return {}


def _moments(entry: object, name: str, weight: Tensor) -> Moments:
    if not isinstance(entry, Mapping) or not {"step", "exp_avg", "exp_avg_sq"} <= entry.keys():
        raise ValueError(f"it has no moments of Adam for {name}")
    for kind in ("exp_avg", "exp_avg_sq"):
        value = entry[kind]
        if not isinstance(value, Tensor) or value.shape != weight.shape:
            raise ValueError(f"{kind} of {name} has not its shape {list(weight.shape)}")
    step = entry["step"]  # a number before PyTorch 1.12
    if not isinstance(step, Tensor | int | float) or (isinstance(step, Tensor) and step.numel() != 1):
        raise ValueError(f"step of {name} is no number")
    return {
        "step": torch.as_tensor(step, dtype=torch.float32).reshape(()),
        "exp_avg": entry["exp_avg"],
        "exp_avg_sq": entry["exp_avg_sq"],
    }
