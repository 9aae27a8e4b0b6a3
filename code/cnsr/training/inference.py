"""Trained networks, ready to predict with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from cnsr.config import Config
from cnsr.models.model import SceneModel
from cnsr.training.checkpoints import load_weights, read_checkpoint
from cnsr.training.compatibility import check_fits
from cnsr.training.devices import put_on


@dataclass(frozen=True)
class TrainedModel:
    """Networks with the weights of a checkpoint.

    Attributes:
        config: what the networks were made by.
        model: in evaluation mode, on the device to compute on.
        iteration: how long it was trained; sets the slope of the partition masks.
        source: the checkpoint.
    """

    config: Config
    model: SceneModel
    iteration: int
    source: Path

    @property
    def device(self) -> torch.device:
        """Where the networks compute."""
        return next(self.model.parameters()).device


def load_trained(config: Config, checkpoint: Path, device: torch.device) -> TrainedModel:
    """Return the networks of `config` with the weights of `checkpoint`: the moving average, if it holds one.

    Args:
        config: that the checkpoint was made with; what only steers training may differ.
        checkpoint: ours, or a published one.
        device: to compute on.

    Raises:
        CheckpointError: there is none, it is none, or it does not fit the config.
        ConfigError: the networks cannot be made.
    """
    saved = read_checkpoint(checkpoint)
    check_fits(saved, config, checkpoint)
    with torch.random.fork_rng([]):  # initial weights are drawn, though none of them stays
        model = SceneModel(config).eval()
    load_weights(model, saved, checkpoint, averaged=True)
    return TrainedModel(config, put_on(device, model), saved.iteration, checkpoint)
