"""Does a checkpoint fit a config? Which settings differ, and which of those matter?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cnsr.config import Config
from cnsr.errors import CheckpointError
from cnsr.training.checkpoints import Checkpoint

# These decide what the networks are and what their output means.
_NETWORK = ("model", "latent_separation", "adaptive_separation", "empty_partition")
# Settings within the networks that only steer training and testing: a run may go on with others. The slopes are those
# of the partition masks, whose sizes are weights.
_STEERING = re.compile(
    r"\.(detach|discard_loss|override_train|override_sample|gradient_reg|initial_output|initialization"
    r"|start_sigmoid|end_sigmoid|sharpen_sigmoid|sharpening|final_sharpening)$"
)
# These decide what further training does. All others (intervals, folders, workers, ...) change no result.
_COURSE = (
    "batch_size",
    "dataset",
    "cached_dataset",
    "samples_per_pixel",
    "views_per_scene",
    "random_num_views",
    "partition_loss",
    "learning_rate",
    "precision",
    "ema",
)


def check_fits(checkpoint: Checkpoint, config: Config, source: Path | str) -> None:
    """Make sure that the networks of `config` are those of `checkpoint`, read from `source`.

    Published checkpoints carry no settings; what does not fit there shows when the weights are loaded.

    Raises:
        CheckpointError: names every setting that differs, with both values.
    """
    faults = [text for path, text in _differences(checkpoint, config, _NETWORK) if not _STEERING.search(path)]
    if faults:
        raise CheckpointError(f"{source}: was made with other settings: {'; '.join(faults)}")


def changed_course(checkpoint: Checkpoint, config: Config) -> list[str]:
    """Return the settings by which training goes on otherwise than `checkpoint` was trained, with both values."""
    steering = [text for path, text in _differences(checkpoint, config, _NETWORK) if _STEERING.search(path)]
    course = [text for _, text in _differences(checkpoint, config, _COURSE)]
    # With -1 in the config, the run keeps the seed that it once drew.
    if checkpoint.seed is not None and config.seed not in (-1, checkpoint.seed):
        course.insert(0, f"seed {checkpoint.seed} (checkpoint) vs {config.seed} (config)")
    return course + steering


def _differences(checkpoint: Checkpoint, config: Config, keys: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if checkpoint.config is None:
        return
    current = config.model_dump(mode="json")
    for key in keys:
        if key in checkpoint.config:
            for path, saved, wanted in _walk(checkpoint.config[key], current[key], key):
                yield path, f"{path} {saved} (checkpoint) vs {wanted} (config)"


def _walk(saved: Any, current: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield (dotted path, value, value) of what differs between two JSON values.

    Keys that only one side has are left out: they are of another version, whose defaults keep the behavior.
    """
    if isinstance(saved, dict) and isinstance(current, dict):
        if saved.get("type") != current.get("type"):
            yield f"{path}.type", saved.get("type"), current.get("type")
            return
        for key in saved:
            if key in current:
                yield from _walk(saved[key], current[key], f"{path}.{key}")
    elif _is_list_of_parts(saved) and _is_list_of_parts(current):
        if len(saved) != len(current):
            yield path, f"has {len(saved)} entries", len(current)
            return
        for index, (one, other) in enumerate(zip(saved, current, strict=True)):
            yield from _walk(one, other, f"{path}[{index}]")
    elif saved != current:
        yield path, saved, current


def _is_list_of_parts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value) and bool(value)
