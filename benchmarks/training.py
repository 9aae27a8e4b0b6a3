"""Training step: seconds, arithmetic rate and peak memory, against the formulas as they are written.

    python benchmarks/training.py [CONFIG ...] [--batch 16] [--repeats 3] [--json FILE]

Both sides compute the same numbers from the same weights and batch (a test of the package compares them): forward
pass, losses, backward pass and Adam. The plain side is ``tests/reference/plain_networks.py``, where the maps of
representation and pose are expanded and concatenated before every convolution. Ours, plain and a large matrix product
are timed in turn. The arithmetic counted is that of the products and convolutions of our step, which is about the
least that the formulas need. Peak memory is the growth of the process's resident size (VmHWM) during one step
in a process of its own, above model, batch and libraries.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "code"), str(ROOT / "tests" / "reference")]

from timing import Table, measure_in_turn, write_json  # noqa: E402 - needs no installation this way

SIDES = ("ours", "plain")
ITERATION = 1000  # anywhere in the schedules


def main() -> int:
    """Measure every config of the command line and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="*", default=["room_beauty.json"], help="configs (default: room_beauty.json)")
    parser.add_argument("--batch", type=int, default=16, help="scenes a batch (default: 16)")
    parser.add_argument("--repeats", type=int, default=3, help="timed steps of each side (default: 3)")
    parser.add_argument("--warmup", type=int, default=1, help="steps of each side that do not count (default: 1)")
    parser.add_argument("--threads", type=int, default=0, help="threads (default: PyTorch's choice)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--peak-of", choices=SIDES, help=argparse.SUPPRESS)  # what the child processes do
    arguments = parser.parse_args()
    if arguments.peak_of:
        print(peak_growth(arguments.configs[0], arguments.batch, arguments.threads, arguments.peak_of))
        return 0
    seconds = Table("training step", "batch", "ours s", "plain s", "plain / ours", "GFLOP", "ours GFLOP/s", "of matmul")
    memory = Table("peak memory of a step", "batch", "ours MiB", "plain MiB", "ours / plain")
    figures: dict[str, Any] = {}
    for config in arguments.configs:
        peaks = {side: child_peak(config, arguments, side) for side in SIDES}
        found = times(config, arguments)
        name, gflop = Path(config).stem, found["gflop"]
        ours, plain, rate = found["ours"], found["plain"], found["ours"].rate(gflop)
        share = rate.over(found["matmul"])
        seconds.add(
            name,
            arguments.batch,
            ours,
            plain,
            plain.over(ours),
            f"{gflop:.1f}",
            rate,
            share.scaled(100).format() + " %",
        )
        sizes = [peaks[side] / 2**20 for side in SIDES]
        memory.add(name, arguments.batch, *(f"{size:.0f}" for size in sizes), f"{sizes[0] / sizes[1]:.2f}")
        figures[name] = {"batch": arguments.batch, **found, "speedup": plain.over(ours), "share_of_matmul": share}
        figures[name]["peak_bytes"] = peaks
        print(f"{name}: matrix products of this machine now: {found['matmul'].format()} GFLOP/s")
    print(f"\n{seconds}\n\n{memory}")
    if arguments.json:
        write_json(arguments.json, figures)
    return 0


def times(config_name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return seconds a step of both sides, the arithmetic of a step, and the rate of matrix products."""
    import torch

    steps = build_steps(config_name, arguments.batch, arguments.threads)
    left, right = torch.randn(16384, 512), torch.randn(512, 512)
    products = 20
    result = torch.empty(16384, 512)

    def multiply() -> None:
        for _ in range(products):
            torch.mm(left, right, out=result)

    timings = measure_in_turn({**steps, "matmul": multiply}, arguments.repeats, arguments.warmup)
    amount = products * 2 * left.numel() * right.shape[1] / 1e9
    return {
        "ours": timings["ours"],
        "plain": timings["plain"],
        "gflop": arithmetic(config_name, arguments.batch) / 1e9,
        "matmul": timings["matmul"].rate(amount),
    }


def build_steps(config_name: str, scenes: int, threads: int) -> dict[str, Callable[[], float]]:
    """Return one training step of each side, on one model and one random batch; each returns its loss."""
    import plain_networks
    import torch

    from cnsr.config import load_config
    from cnsr.models.model import SceneModel

    if threads:
        torch.set_num_threads(threads)
    torch.manual_seed(0)
    config = load_config(config_name)
    encoders, generators = config.model.representations, config.model.generators
    if [part.type for part in (*encoders, *generators)] != ["Pool", "PixelCNN"]:
        raise SystemExit(f"{config_name}: the plain side knows one Pool encoder and one PixelCNN only")
    encoder, generator = encoders[0], generators[0]
    model = SceneModel(config)
    batch = random_batch(config, scenes)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    start, end, sharp = encoder.start_sigmoid, encoder.end_sigmoid, encoder.sharpen_sigmoid
    settings = generator.settings.model_dump(
        include={"propagate_buffers", "propagate_representation", "propagate_viewpoint", "end_relu"}
    )
    mask = {
        "factor": batch.factor if config.latent_separation else None,
        "adaptive": config.adaptive_separation,
        "null": config.empty_partition,
        "m": plain_networks.slope(start, end, sharp, encoder.sharpening, encoder.final_sharpening, ITERATION),
        "func": encoder.aggregation_func,
    }

    def plain_loss() -> torch.Tensor:
        weights = dict(model.named_parameters())
        loss = plain_networks.step(
            weights, batch.observations, batch.observation_poses, batch.queries, batch.query_poses,
            observation_passes=encoder.observation_passes, query_passes=generator.query_passes,
            output_passes=generator.output_passes, losses=generator.settings.loss, iteration=ITERATION,
            mask=mask, settings=settings,
        )  # fmt: skip
        if config.empty_partition:
            deltas = weights["representation.representations.0.deltas"]
            loss = loss + plain_networks.partition_price(deltas, encoder.representation_dim, config.partition_loss)
        return loss

    def step(loss_of: Callable[[], torch.Tensor]) -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return {"ours": lambda: step(lambda: model(batch, ITERATION).loss), "plain": lambda: step(plain_loss)}


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
    from torch.utils.flop_counter import FlopCounterMode, baddbmm_flop

    counter = FlopCounterMode(display=False, custom_mapping={torch.ops.aten.baddbmm_: in_place(baddbmm_flop)})
    with FakeTensorMode(allow_non_fake_inputs=True), counter:
        fake_step(config_name, scenes)
    return float(counter.get_total_flops())


def in_place(count: Callable[..., int]) -> Callable[..., int]:
    """Return the rule of an operation for its in-place form, which PyTorch's counter does not know."""
    return lambda first, left, right, *_, **__: count(first, left, right)


def fake_step(config_name: str, scenes: int) -> None:
    """Run forward and backward pass of our side."""
    from cnsr.config import load_config
    from cnsr.models.model import SceneModel

    config = load_config(config_name)
    SceneModel(config)(random_batch(config, scenes), ITERATION).loss.backward()


def child_peak(config: str, arguments: argparse.Namespace, side: str) -> int:
    """Return `peak_growth` measured in a fresh process."""
    command = [sys.executable, __file__, config, "--batch", str(arguments.batch), "--peak-of", side]
    command += ["--threads", str(arguments.threads)]
    return int(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def peak_growth(config: str, scenes: int, threads: int, side: str) -> int:
    """Return by how many bytes one step of a side raises the highest resident size of this process."""
    step = build_steps(config, scenes, threads)[side]
    before = dict(memory_status())
    step()
    return dict(memory_status())["VmHWM"] - before["VmRSS"]


def memory_status() -> Iterator[tuple[str, int]]:
    """Yield the memory lines of Linux's process status in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.endswith(" kB"):
            name, value = line.removesuffix(" kB").split(":")
            yield name, 1024 * int(value)


if __name__ == "__main__":
    sys.exit(main())
