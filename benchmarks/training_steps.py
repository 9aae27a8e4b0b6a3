"""What `training.py` measures: a training step of any config, by the package and by the formulas as they are written.

A process that runs this file makes steps of one side, as many as a line of its input says (on the CPU, behind one more
that is not timed), and answers with the seconds of one. Its first answer, to no line, is the memory that a step needs.
"""

from __future__ import annotations

import argparse
import ctypes
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "code"), str(ROOT / "tests" / "reference")]

ITERATION = 1000  # anywhere in the schedules


@dataclass(frozen=True)
class Setting:
    """What a step is of, and where it is made.

    Attributes:
        config: name or path of a config.
        scenes: of a batch.
        device: "cpu" or "cuda".
        precision: "fp32" or "bf16".
        threads: of the CPU; 0 is PyTorch's choice.
    """

    config: str
    scenes: int
    device: str = "cpu"
    precision: str = "fp32"
    threads: int = 0

    def arguments(self) -> list[str]:
        """Return the command line of a process that makes such steps, but for the side."""
        given = [self.config, "--batch", self.scenes, "--device", self.device]
        return [str(word) for word in (*given, "--precision", self.precision, "--threads", self.threads)]


def main() -> None:
    """Serve steps to the process that started this one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--side", required=True, help="ours or plain, and how")
    add_options(parser)
    arguments = parser.parse_args()
    serve(setting_of(arguments.config, arguments), arguments.side)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that make a `Setting`."""
    parser.add_argument("--batch", type=int, default=16, help="scenes a batch (default: 16)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to compute (default: cpu)")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="as in configs (default: fp32)")
    parser.add_argument("--threads", type=int, default=0, help="threads of the CPU (default: PyTorch's choice)")


def setting_of(config: str, arguments: argparse.Namespace) -> Setting:
    """Return what the command line asks for."""
    return Setting(config, arguments.batch, arguments.device, arguments.precision, arguments.threads)


def serve(setting: Setting, side: str) -> None:
    """Print how many bytes a first step needs; then, for every number of the input, make as many steps.

    What the step needs is counted above libraries, model, batch and Adam's moments: on the CPU as growth of the
    process's resident size (VmHWM), on a GPU as growth of what PyTorch has allocated there.
    """
    step = build_step(setting, side)
    cuda = setting.device == "cuda"
    grown = device_growth if cuda else resident_growth
    print(grown(step), flush=True)
    for line in sys.stdin:
        if not cuda:  # while the other sides have their turn, the system takes idle memory away
            step()
        steps, start = int(line), time.perf_counter()
        for _ in range(steps):
            step()
        wait(setting)
        print((time.perf_counter() - start) / steps, flush=True)


def build_step(setting: Setting, side: str) -> Callable[[], Any]:
    """Return one training step of a side, on a random batch; it returns the loss, which on a GPU is still on its way.

    Sides: "ours"; "ours, compiled"; "plain", as PyTorch runs by default; "plain, memory kept", with the package's
    handling of freed memory.
    """
    import torch

    from cnsr.config import load_config
    from cnsr.memory import keep_freed_memory
    from cnsr.models.model import SceneModel
    from cnsr.training.adam import Adam
    from cnsr.training.devices import prepare_process, put_on

    if setting.threads:
        torch.set_num_threads(setting.threads)
    config, device = load_config(setting.config), torch.device(setting.device)
    if side == "plain, memory kept":
        keep_freed_memory()
    elif side != "plain":
        prepare_process(setting.device, config)
    torch.manual_seed(0)
    model, ours = SceneModel(config), not side.startswith("plain")
    model = put_on(device, model) if ours else model.to(device)
    batch = random_batch(config, setting.scenes).to(device)
    if ours:
        descend: Any = Adam(model, config.learning_rate, at_once=setting.device == "cuda").descend
    else:
        descend = plain_adam(model, config)
    make_moments(model, descend)
    graphs = side == "ours, compiled" and setting.device == "cuda"
    if side == "ours, compiled":
        model.compile_networks(graphs)
    forward = loss_of_ours(model, batch) if ours else loss_of_plain(model, batch, config, setting)

    def step() -> Any:
        if graphs:
            torch.compiler.cudagraph_mark_step_begin()
        with autocast(setting):
            loss = forward()
        descend(loss)
        return loss.detach()

    return step


def plain_adam(model: Any, config: Any) -> Callable[[Any], None]:
    """Return Adam as PyTorch offers it, to be called with a loss."""
    import torch

    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)

    def descend(loss: torch.Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return descend


def loss_of_ours(model: Any, batch: Any) -> Callable[[], Any]:
    """Return the package's forward pass."""
    return lambda: model(batch, ITERATION).loss


def loss_of_plain(model: Any, batch: Any, config: Any, setting: Setting) -> Callable[[], Any]:
    """Return the forward pass as the formulas are written, with the weights of `model`."""
    import plain_model
    import torch

    def noise() -> Iterator[torch.Tensor]:
        for part in config.model.generators:
            size = part.render_size // getattr(part.settings, "downscaling", 1)
            for _ in range(getattr(part.settings, "core_count", 0)):
                yield torch.randn(setting.scenes, part.settings.latent_dim, size, size, device=setting.device)

    return lambda: plain_model.loss(dict(model.named_parameters()), batch, config, ITERATION, noise())


def autocast(setting: Setting) -> AbstractContextManager[None]:
    """Return the context in which the forward pass runs."""
    import torch

    return nullcontext() if setting.precision == "fp32" else torch.autocast(setting.device, torch.bfloat16)


def wait(setting: Setting) -> None:
    """Return when all steps are done."""
    import torch

    if setting.device == "cuda":
        torch.cuda.synchronize()


def device_growth(step: Callable[[], object]) -> int:
    """Return by how many bytes a step makes the GPU's allocated memory grow, at its peak.

    Memory that recorded graphs hold from step to step counts as well.
    """
    import torch

    before = torch.cuda.memory_allocated()
    for _ in range(3):  # kernels are chosen, or compiled and recorded, with memory of their own
        step()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    step()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def resident_growth(step: Callable[[], object]) -> int:
    """Return by how many bytes a first step makes this process grow."""
    ctypes.CDLL(None).malloc_trim(0)  # pages that were freed before would be there for the step
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest size so far
    before = dict(memory_status())["VmRSS"]
    step()
    return dict(memory_status())["VmHWM"] - before


def make_moments(model: Any, descend: Callable[[Any], None]) -> None:
    """Let Adam make its state, which is no part of a step, by a step of gradients that are 0."""
    import torch

    descend(torch.stack([0 * parameter.sum() for parameter in model.parameters()]).sum())
    for parameter in model.parameters():
        parameter.grad = None


def random_batch(config: Any, scenes: int) -> Any:
    """Return a batch of uniform noise that has the config's passes, sizes and number of views."""
    import torch

    from cnsr.buffers import BUFFERS
    from cnsr.datasets.batch import Batch

    size, views = config.render_size, config.views_per_scene - 1
    channels = {name: BUFFERS[name].channels for name in config.passes}
    return Batch(
        {name: torch.rand(scenes, views, channels[name], size, size) for name in config.observation_passes},
        torch.randn(scenes, views, 16),
        {name: torch.rand(scenes, channels[name], size, size) for name in config.query_passes},
        torch.randn(scenes, 16),
        factor=0,
        name="noise",
    )


def memory_status() -> Iterator[tuple[str, int]]:
    """Yield the memory lines of Linux's process status in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.endswith(" kB"):
            name, value = line.removesuffix(" kB").split(":")
            yield name, 1024 * int(value)


if __name__ == "__main__":
    main()
