"""Training step: seconds, arithmetic rate and peak memory, against the formulas as they are written.

    python benchmarks/training.py [CONFIG ...] [--batch 16] [--repeats 3] [--json FILE]

Both sides compute the same numbers from the same weights and batch (tests of the package compare them): forward pass,
losses, backward pass and Adam. The plain side is ``tests/reference/plain_model.py``, where maps of representation and
pose are expanded and concatenated before every convolution. It runs as PyTorch runs by default, and a second time with
the package's handling of freed memory (``cnsr/memory.py``), which is half of the gain and would help it, too.

Each side lives in a process of its own; they and a large matrix product are timed in turn. The arithmetic counted is
that of the products and convolutions of our step, which is about the least that the formulas need. Peak memory is the
growth of the process's resident size (VmHWM) in its first step, above libraries, model, batch and Adam's moments.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "code"), str(ROOT / "tests" / "reference")]

from timing import Table, measure_in_turn, write_json  # noqa: E402 - needs no installation this way

SIDES = ("ours", "plain", "plain, memory kept")
ITERATION = 1000  # anywhere in the schedules


def main() -> int:
    """Measure every config of the command line and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="*", help="configs (default: all of configs/ but the quickstart's)")
    parser.add_argument("--batch", type=int, default=16, help="scenes a batch (default: 16)")
    parser.add_argument("--repeats", type=int, default=3, help="timed steps of each side (default: 3)")
    parser.add_argument("--warmup", type=int, default=1, help="steps of each side that do not count (default: 1)")
    parser.add_argument("--threads", type=int, default=0, help="threads (default: PyTorch's choice)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--serve", choices=SIDES, help=argparse.SUPPRESS)  # what the child processes do
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.configs[0], arguments.batch, arguments.threads, arguments.serve)
        return 0
    names = arguments.configs or sorted(
        file.name for file in (ROOT / "configs").glob("*.json") if "quickstart" not in file.name
    )
    seconds = Table("training step", "ours s", *(f"{side} s" for side in SIDES[1:]), "plain / ours")
    rates = Table("arithmetic of our step", "GFLOP", "GFLOP/s", "matmul GFLOP/s", "share")
    memory = Table("peak memory of a step", *(f"{side} MiB" for side in SIDES), "ours / plain")
    figures: dict[str, Any] = {}
    for config in names:
        found = measured(config, arguments)
        name, (ours, plain, kept) = Path(config).stem, (found["seconds"][side] for side in SIDES)
        rate = ours.rate(found["gflop"])
        share = rate.over(found["matmul"])
        peaks = [found["peak_bytes"][side] / 2**20 for side in SIDES]
        seconds.add(name, ours, plain, kept, plain.over(ours))
        rates.add(name, f"{found['gflop']:.0f}", rate, found["matmul"], share.scaled(100).format() + " %")
        memory.add(name, *(f"{peak:.0f}" for peak in peaks), f"{peaks[0] / peaks[1]:.2f}")
        figures[name] = {"batch": arguments.batch, **found, "speedup": plain.over(ours), "share_of_matmul": share}
        print(f"{name}: {plain.over(ours).format()} times as fast as plain", file=sys.stderr)
    print(f"batch of {arguments.batch} scenes\n\n{seconds}\n\n{rates}\n\n{memory}")
    if arguments.json:
        write_json(arguments.json, figures)
    return 0


def measured(config: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return seconds a step and peak memory of each side, the arithmetic of our step, and the rate of products."""
    import torch

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    left, right = torch.randn(16384, 512), torch.randn(512, 512)
    products, result = 20, torch.empty(16384, 512)

    def multiply() -> None:
        for _ in range(products):
            torch.mm(left, right, out=result)

    sides = {side: Side(config, arguments, side) for side in SIDES}
    peaks = {name: side.peak for name, side in sides.items()}
    timings = measure_in_turn({**sides, "matmul": multiply}, arguments.repeats, arguments.warmup)
    for side in sides.values():
        side.close()
    amount = products * 2 * left.numel() * right.shape[1] / 1e9
    return {
        "seconds": {side: timings[side] for side in SIDES},
        "gflop": arithmetic(config, arguments.batch) / 1e9,
        "matmul": timings["matmul"].rate(amount),
        "peak_bytes": peaks,
    }


class Side:
    """A process that makes training steps when it is called.

    Attributes:
        peak: bytes by which its first step grew it.
    """

    def __init__(self, config: str, arguments: argparse.Namespace, side: str) -> None:
        """Start the process and let it make its first step."""
        command = [sys.executable, __file__, config, "--batch", str(arguments.batch), "--serve", side]
        command += ["--threads", str(arguments.threads)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.peak = int(self._answer())

    def __call__(self) -> None:
        """Make one step."""
        assert self._process.stdin is not None
        self._process.stdin.write("step\n")
        self._process.stdin.flush()
        self._answer()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"a measuring process ended with status {self._process.wait()}")
        return line


def serve(config: str, scenes: int, threads: int, side: str) -> None:
    """Print by how many bytes a first step grows this process; then make a step for every line of the input."""
    from cnsr.memory import keep_freed_memory

    step = build_step(config, scenes, threads, side == "ours")
    if side != "plain":
        keep_freed_memory()
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest size so far
    before = dict(memory_status())["VmRSS"]
    step()
    print(dict(memory_status())["VmHWM"] - before, flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        step()
        print(time.perf_counter() - start, flush=True)


def build_step(config_name: str, scenes: int, threads: int, ours: bool) -> Callable[[], float]:
    """Return one training step of a side, on a random batch; it returns the loss."""
    import plain_model
    import torch

    from cnsr.config import load_config
    from cnsr.models.model import SceneModel

    if threads:
        torch.set_num_threads(threads)
    torch.manual_seed(0)
    config = load_config(config_name)
    model, batch = SceneModel(config), random_batch(config, scenes)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True if ours else None)
    make_moments(optimizer)

    def noise() -> Iterator[torch.Tensor]:
        for part in config.model.generators:
            size = part.render_size // getattr(part.settings, "downscaling", 1)
            for _ in range(getattr(part.settings, "core_count", 0)):
                yield torch.randn(scenes, part.settings.latent_dim, size, size)

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        if ours:
            loss = model(batch, ITERATION).loss
        else:
            loss = plain_model.loss(dict(model.named_parameters()), batch, config, ITERATION, noise())
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def make_moments(optimizer: Any) -> None:
    """Let Adam make its state, which is no part of a step, by a step of gradients that are 0."""
    import torch

    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


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


def arithmetic(config_name: str, scenes: int) -> float:
    """Return the floating-point operations of the products and convolutions in our step, counted without doing them."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils.flop_counter import FlopCounterMode, addmm_flop, baddbmm_flop

    in_place = {
        torch.ops.aten.baddbmm_: without_target(baddbmm_flop),
        torch.ops.aten.addmm_: without_target(addmm_flop),
    }
    counter = FlopCounterMode(display=False, custom_mapping=in_place)
    with FakeTensorMode(allow_non_fake_inputs=True), counter:
        fake_step(config_name, scenes)
    return float(counter.get_total_flops())


def without_target(count: Callable[..., int]) -> Callable[..., int]:
    """Return the rule of an operation for its in-place form, which PyTorch's counter does not know."""
    return lambda first, left, right, *_, **__: count(first, left, right)


def fake_step(config_name: str, scenes: int) -> None:
    """Run forward and backward pass of our side."""
    from cnsr.config import load_config
    from cnsr.models.model import SceneModel

    config = load_config(config_name)
    SceneModel(config)(random_batch(config, scenes), ITERATION).loss.backward()


def memory_status() -> Iterator[tuple[str, int]]:
    """Yield the memory lines of Linux's process status in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.endswith(" kB"):
            name, value = line.removesuffix(" kB").split(":")
            yield name, 1024 * int(value)


if __name__ == "__main__":
    sys.exit(main())
