"""Choosing where to compute, and laying weights out for it."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from cnsr.config import Config
from cnsr.errors import ConfigError
from cnsr.memory import keep_freed_memory, return_large_blocks
from cnsr.models.registry import keeps_much
from cnsr.training.distributed import ALONE, Ranks

_Model = TypeVar("_Model", bound=nn.Module)


def choose_device(name: str | None = None, ranks: Ranks = ALONE) -> torch.device:
    """Return the device called `name` (``cpu``, ``cuda`` or ``cuda:N``); by default a GPU, or the CPU without one.

    Without a number, it is the first GPU; of several processes on a machine, each has the GPU of its own number.

    Raises:
        ConfigError: the name is none, this machine has no such device, or there are more processes than GPUs.
    """
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
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
    count = torch.cuda.device_count()
    if ranks.count > 1:
        return _own_gpu(device, count, ranks)
    index = device.index or 0
    if index >= count:
        raise ConfigError(f"--device {name}: this machine has {', '.join(f'cuda:{number}' for number in range(count))}")
    return torch.device("cuda", index)


def prepare_process(name: str | None, config: Config) -> None:
    """Let a process manage memory for training `config` on the device called `name` (as for `choose_device`).

    On the CPU, it keeps what it once had if there are generators that `keeps_much`; else it gives large blocks back.
    See ``cnsr.memory``: this cannot be undone, and comes before any array is made.
    """
    if name == "cpu" or not torch.cuda.is_available():
        if keeps_much(config):
            keep_freed_memory()
        else:
            return_large_blocks()


def put_on(device: torch.device, model: _Model) -> _Model:
    """Return `model` with its weights on `device`, laid out as convolutions are fastest there.

    On GPUs with tensor cores that is channels last: images and hidden values follow the layout of the weights.
    """
    model.to(device)
    if device.type == "cuda":
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


def _own_gpu(device: torch.device, count: int, ranks: Ranks) -> torch.device:
    if device != torch.device(device.type):
        raise ConfigError(
            f"--device {device}: torchrun started {ranks.count} processes, each of which takes a GPU of its own; use "
            "cuda, or CUDA_VISIBLE_DEVICES to choose among the GPUs"
        )
    if ranks.local_count > count:
        raise ConfigError(
            f"torchrun started {ranks.local_count} processes on a machine with {count} GPU{'s' * (count > 1)}: use "
            f"--nproc_per_node={count}, or --device cpu"
        )
    return torch.device("cuda", ranks.local_rank)
