"""Several processes that train one model together, started by ``torchrun``.

On one machine::

    torchrun --nproc_per_node=4 code/train-gqn.py --config room_beauty.json

On several, the same on each of them, with the address of the first one::

    torchrun --nnodes=2 --node_rank=0 --nproc_per_node=4 --master_addr=first.example --master_port=29500 \
        code/train-gqn.py --config room_beauty.json

torchrun tells every process by its environment which one it is (https://docs.pytorch.org/docs/stable/elastic/run.html).
Each takes an equal part of the scenes of every batch, on a GPU of its own or on the CPU, and all make the same step.
The first one alone reads and writes checkpoints, evaluates and reports; the data has to be on every machine.
"""

from __future__ import annotations

import gc
import os
import shlex
import shutil
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from cnsr.config import Config
from cnsr.datasets.source import Share
from cnsr.errors import ConfigError, TrainingError, UserError

PATIENCE = timedelta(hours=2)
"""How long a process waits for the others, who wait while the first one evaluates or renders its test scenes.

A process that dies is noticed at once, by torchrun."""

_PLACE = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
_MEETING = ("MASTER_ADDR", "MASTER_PORT")
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Ranks:
    """Which of the processes that train together this one is. All of them must call the methods in the same order.

    Attributes:
        rank: of this process, from 0.
        count: how many there are.
        local_rank: of this process among those on this machine, from 0.
        local_count: how many there are on this machine.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Ranks:
        """Return what torchrun says; without torchrun, this process is alone.

        Raises:
            ConfigError: the environment speaks of several processes, but is incomplete or contradicts itself.
        """
        environment = os.environ if environment is None else environment
        if environment.get("WORLD_SIZE", "1") == "1":
            return cls()
        missing = [name for name in (*_PLACE, *_MEETING) if name not in environment]
        if missing:
            raise ConfigError(
                f"WORLD_SIZE is {environment['WORLD_SIZE']}, but {', '.join(missing)} not set: start several processes "
                "with torchrun, or one without WORLD_SIZE"
            )
        texts = [environment[name] for name in _PLACE]
        if all(text.isdecimal() for text in texts):
            rank, count, local_rank, local_count = map(int, texts)
            if local_rank <= rank < count and local_rank < local_count <= count:
                return cls(rank, count, local_rank, local_count)
        told = ", ".join(f"{name}={text}" for name, text in zip(_PLACE, texts, strict=True))
        raise ConfigError(f"{told}: no such place among processes; start them with torchrun")

    @property
    def first(self) -> bool:
        """Whether this is the process that reports, and that keeps the files."""
        return self.rank == 0

    @property
    def share(self) -> Share:
        """Which scenes of every batch are this process's."""
        return Share(self.rank, self.count, self.local_count)

    def check(self, config: Config) -> None:
        """Make sure that `config` can be trained by so many processes.

        Raises:
            ConfigError: its batches cannot be shared, or it asks for one GPU.
        """
        if self.count == 1:
            return
        if not config.multi_gpu:
            raise ConfigError(
                f"multi_gpu is false, but torchrun started {self.count} processes: set it to true, or start one "
                "without torchrun"
            )
        if config.batch_size % self.count:
            fitting = _divisors(config.batch_size, config.batch_size)
            raise ConfigError(
                f"batch_size {config.batch_size} cannot be shared evenly by {self.count} processes: start "
                f"{_alternatives(fitting)} of them, or change batch_size"
            )

    def agree(self, faults: Sequence[UserError]) -> None:
        """Return if no process has found a fault. Otherwise all end here, and the first one tells each fault once.

        Raises:
            UserError: on the first process, naming all faults.
            SystemExit: on the others, with status 1.
        """
        told = list(dict.fromkeys(text for texts in self._gathered([str(fault) for fault in faults]) for text in texts))
        if not told:
            return
        if not self.first:
            self._end_after_first()
        raise faults[0] if faults and len(told) == 1 else UserError("; ".join(told))

    @contextmanager
    def agreed(self) -> Iterator[None]:
        """Run the context on all processes; a mistake of the user that any of them meets ends all, as `agree` does."""
        faults: list[UserError] = []
        try:
            yield
        except UserError as error:
            faults.append(error)
        self.agree(faults)

    @contextmanager
    def errors_told_once(self) -> Iterator[None]:
        """Leave errors of training, which all processes meet alike, to the first one.

        Other mistakes of the user (a file that only one of them cannot read, say) are told by the process that met
        them, which says who it is.
        """
        try:
            yield
        except TrainingError:
            if self.first:
                raise
            self._end_after_first()
        except UserError as error:
            if self.first:
                raise
            raise UserError(f"process {self.rank} of {self.count}: {error}") from error

    def from_first(self, value: _Value) -> _Value:
        """Return what the first process calls this with (anything that can be pickled)."""
        if self.count == 1:
            return value
        held: list[Any] = [value if self.first else None]
        dist.broadcast_object_list(held)
        received: _Value = held[0]
        return received

    def add_up(self, values: Tensor) -> Tensor:
        """Return the sum over all processes, in the place of `values`. The host does not wait for a GPU."""
        if self.count > 1:
            dist.all_reduce(values)
        return values

    def _end_after_first(self) -> NoReturn:
        """End when the first process has ended, since torchrun kills all others as soon as one has failed."""
        with suppress(RuntimeError):  # contact is lost
            dist.all_reduce(torch.zeros(1))
        raise SystemExit(1)

    def _gathered(self, value: _Value) -> list[_Value]:
        """Return what each process calls this with."""
        if self.count == 1:
            return [value]
        found: list[Any] = [None] * self.count
        dist.all_gather_object(found, value)
        return found


ALONE = Ranks()
"""One process, which does everything."""


@contextmanager
def joined(ranks: Ranks) -> Iterator[None]:
    """Connect the processes of `ranks` while the context lasts; what concerns all of them is told by the first only.

    A process that ends while others still need it makes them end, too: torchrun sees to that, and whoever notices it
    before raises ``TrainingError`` on the first process and ``SystemExit`` on the others.

    Raises:
        TrainingError: the processes do not find each other, or one of them ended.
    """
    if ranks.count == 1:
        yield
        return
    # Its functions have the default group as a default argument: imported later, as the wrapper of models does, they
    # would refer to it for ever. Threads of a group that is left at the end of Python abort the process now and then.
    import torch.distributed.nn.functional

    # Gloo is for tensors on the CPU, and for Python objects; NCCL comes to life with the first tensor on a GPU.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        dist.init_process_group(backend, timeout=PATIENCE)
    except RuntimeError as error:
        place = ":".join(os.environ[name] for name in _MEETING)
        raise TrainingError(f"the processes do not find each other at {place}: {_first_line(error)}") from error
    try:
        with warnings.catch_warnings():
            # Of weights [o, i, 1, 1], whose strides along axes of length 1 say nothing.
            warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
            if not ranks.first:
                warnings.simplefilter("ignore", UserWarning)
            yield
    except RuntimeError as error:
        if not _is_loss_of_contact(error):
            raise
        if not ranks.first:
            raise SystemExit(1) from error
        raise TrainingError("another process of this run has ended; what it told stands above") from error
    except KeyboardInterrupt:
        if not ranks.first:
            raise SystemExit(130) from None
        raise
    # Not after an error: others may wait for this process in the midst of a step, and destroying could wait for them.
    gc.collect()  # the wrapped model, which refers to the group, lies in a cycle of references
    dist.destroy_process_group()


def command_for_all_gpus(config: Config, command: Sequence[str]) -> str | None:
    """Return how to start `command` (script and options) on as many GPUs of this machine as can share a batch.

    ``None`` where that is one GPU.
    """
    processes = max(_divisors(config.batch_size, torch.cuda.device_count()), default=1)
    if processes == 1:
        return None
    launcher = ["torchrun"] if shutil.which("torchrun") else [sys.executable, "-m", "torch.distributed.run"]
    return shlex.join([*launcher, f"--nproc_per_node={processes}", *command])


def with_shared_gradients(model: nn.Module, loss: Tensor) -> DistributedDataParallel:
    """Return `model` so wrapped that its gradients are averaged over all processes while they are computed.

    Weights on which `loss` does not depend (those of discarded generators, logits of unused partitions, ...) take part
    in nothing any more. Searching for them in every step would make the host wait for the GPU.

    Args:
        model: with equal weights in all processes, on the device to train on.
        loss: of a training step of `model`, the same step in all processes.
    """
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    for weight, gradient in zip(weights, torch.autograd.grad(loss, weights, allow_unused=True), strict=True):
        weight.requires_grad_(gradient is not None)
    with warnings.catch_warnings():
        # From PyTorch 2.13 on the option has another name. Buffers are constants (those of VGG) and equal anyway.
        warnings.simplefilter("ignore", FutureWarning)
        return DistributedDataParallel(model, broadcast_buffers=False, gradient_as_bucket_view=True)


def _is_loss_of_contact(error: RuntimeError) -> bool:
    """Tell whether `error` says that another process is gone; Gloo has no class of its own for that."""
    return isinstance(error, dist.DistError) or "/gloo/" in str(error)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]


def _divisors(number: int, most: int) -> list[int]:
    return [divisor for divisor in range(1, most + 1) if number % divisor == 0]


def _alternatives(numbers: Sequence[int]) -> str:
    *others, last = map(str, numbers)
    return f"{', '.join(others)} or {last}" if others else last
