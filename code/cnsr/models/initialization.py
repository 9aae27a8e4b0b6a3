"""Weights to start from."""

from __future__ import annotations

from typing import Literal

from torch import nn

_OUTPUT = "final"  # name of the layer that no rectifier follows, in every generator that has one


def initialize(network: nn.Module, scheme: Literal["default", "he"]) -> None:
    """Draw the weights of `network` anew from torch's global generator; ``default`` leaves PyTorch's.

    PyTorch draws weights with variance 1/(3·fan_in), so that each rectified layer shrinks what passes through it about
    sixfold in power; behind ten layers little is left of what distinguishes two scenes, and training first has to win
    it back. ``he`` draws from a normal distribution with variance 2/fan_in, which keeps the power (He et al.,
    *Delving Deep into Rectifiers*, ICCV 2015, eq. 10); biases start at 0.
    """
    if scheme == "default":
        return
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d) and name.rpartition(".")[2] != _OUTPUT:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
