"""Choosing where to compute."""

from __future__ import annotations

import torch

from cnsr.errors import ConfigError


def choose_device(name: str | None = None) -> torch.device:
    """Return the device called `name` (``cpu``, ``cuda`` or ``cuda:N``); by default the first GPU, else the CPU.

    Raises:
        ConfigError: the name is none, or this machine has no such device.
    """
    if name is None:
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda") or (device.type == "cpu" and device.index is not None):
        raise ConfigError(f"--device {name}: no such device; use cpu, cuda or cuda:N")
    if device.type == "cpu":
        return device
    if not torch.cuda.is_available():
        raise ConfigError(f"--device {name}: PyTorch finds no CUDA GPU on this machine; use cpu")
    index = device.index or 0
    if index >= torch.cuda.device_count():
        known = ", ".join(f"cuda:{number}" for number in range(torch.cuda.device_count()))
        raise ConfigError(f"--device {name}: this machine has {known}")
    return torch.device("cuda", index)
