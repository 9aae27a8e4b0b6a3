"""Checkpoints written in the form of published ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from cnsr.errors import CheckpointError
from cnsr.training.adam_state import moments_by_name, optimizer_state
from cnsr.training.checkpoints import Checkpoint, read_checkpoint, save_content
from cnsr.training.published import in_published_order, published_content

# Adam's options that every version of PyTorch knows; the others say how it computes, not what.
_OPTIONS = ("lr", "betas", "eps", "weight_decay")


def export_checkpoint(
    source: Path, target: Path, split: bool = False, wrapped: bool = False, averaged: bool = False
) -> str:
    """Write the checkpoint at `source` to `target` in the published form, and return what was written, for people.

    Moments of Adam are left out where the checkpoint holds none, or such that do not fit its weights.

    Args:
        source: a checkpoint of this project, or a published one in another form.
        target: is replaced if it is there.
        split: keep encoders and generators apart, in ``representation_state`` and ``generator_state``.
        wrapped: write ``.module.`` after the index of each encoder and generator, as a multi-GPU wrapper does.
        averaged: write the moving average of the weights.

    Raises:
        CheckpointError: `source` cannot be read, has no averaged weights, or is `target`.
        StorageError: `target` cannot be written.
    """
    checkpoint = read_checkpoint(source)
    if target.exists() and target.samefile(source):
        raise CheckpointError(f"{target}: is the checkpoint itself; write the published form to another file")
    try:
        weights = in_published_order(_weights(checkpoint, averaged))
        moments, remark = _moments(checkpoint, list(weights))
    except CheckpointError as error:
        raise CheckpointError(f"{source}: {error}") from error
    save_content(target, published_content(checkpoint.iteration, weights, moments, split, wrapped))
    kind = "averaged weights" if averaged else "weights"
    return f"{target}: {len(weights)} {kind} of iteration {checkpoint.iteration}, {remark}"


def _weights(checkpoint: Checkpoint, averaged: bool) -> dict[str, Tensor]:
    if not averaged:
        return checkpoint.model_state
    if checkpoint.ema_state is None:
        raise CheckpointError("holds no averaged weights (they are kept with ema above 0)")
    return {**checkpoint.model_state, **checkpoint.ema_state}


def _moments(checkpoint: Checkpoint, names: list[str]) -> tuple[dict[str, Any] | None, str]:
    """Return the moments for weights in the order of `names`, and what to say of them."""
    saved = checkpoint.optimizer_state
    if saved is None:
        return None, "without moments of Adam, of which it holds none"
    try:
        moments = moments_by_name(saved, checkpoint.model_state)
    except ValueError as error:
        return None, f"without its moments of Adam ({error})"
    group = saved["param_groups"][0]
    options = {name: group[name] for name in _OPTIONS if name in group}
    state = optimizer_state(moments, names, {**options, "amsgrad": False})
    for entry in state["state"].values():
        entry["step"] = int(entry["step"])  # a number is what every version of PyTorch takes
    return state, f"with moments of Adam for {len(moments)} of them"
