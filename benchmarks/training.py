"""Training step: seconds, arithmetic rate and peak memory, against the formulas as they are written.

    python benchmarks/training.py [CONFIG ...] [--batch 16] [--repeats 3] [--json FILE]
    python benchmarks/training.py [CONFIG ...] --device cuda --precision bf16

All sides compute the same numbers from the same weights and batch (tests of the package compare them): forward pass,
losses, backward pass and Adam. The plain side is ``tests/reference/plain_model.py``, where maps of representation and
pose are expanded and concatenated before every convolution.

On the CPU it runs as PyTorch runs by default, and a second time keeping freed memory (``cnsr/memory.py``) as the
package does for pixel generators: a good part of their gain, which would help it, too. On a GPU, both sides run with
the precision that is asked for, and the package's a second time with its networks compiled (``"compile"`` in configs).

Each side lives in a process of its own (``training_steps.py``); they and a large matrix product are timed in turn. The
arithmetic counted is that of the products and convolutions of our step, which is about the least that the formulas
need. Peak memory is what a step needs above libraries, model, batch and Adam's moments.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from timing import Table, Timing, measure_in_turn, write_json
from training_steps import ITERATION, ROOT, Setting, add_options, autocast, random_batch, setting_of

SIDES = {"cpu": ("ours", "plain", "plain, memory kept"), "cuda": ("ours", "plain", "ours, compiled")}
STEPS = {"cpu": 2, "cuda": 30}  # that are timed together, as steps follow each other; a host prepares a GPU's ahead


def main() -> int:
    """Measure every config of the command line and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="*", help="configs (default: all of configs/ but the quickstart's)")
    add_options(parser)
    parser.add_argument("--repeats", type=int, default=3, help="timed runs of each side (default: 3)")
    parser.add_argument("--warmup", type=int, default=0, help="runs of each side that do not count (default: 0)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    names = arguments.configs or sorted(
        file.name for file in (ROOT / "configs").glob("*.json") if "quickstart" not in file.name
    )
    sides = SIDES[arguments.device]
    unit, units = ("ms", 1000) if arguments.device == "cuda" else ("s", 1)
    seconds = Table("training step", *(f"{side} {unit}" for side in sides), "plain / ours")
    rates = Table("arithmetic of our step", "TFLOP", "TFLOP/s", "matmul TFLOP/s", "share")
    memory = Table("peak memory of a step", *(f"{side} MiB" for side in sides), "ours / plain")
    figures: dict[str, Any] = {}
    for config in names:
        found = measured(setting_of(config, arguments), arguments.repeats, arguments.warmup)
        name, timings = Path(config).stem, found["seconds"]
        ours, plain = timings["ours"], timings["plain"]
        rate = ours.rate(found["tflop"])
        share = rate.over(found["matmul"])
        peaks = [found["peak_bytes"][side] / 2**20 for side in sides]
        seconds.add(name, *(timings[side].scaled(units) for side in sides), plain.over(ours))
        rates.add(name, f"{found['tflop']:.3g}", rate, found["matmul"], share.scaled(100).format() + " %")
        memory.add(name, *(f"{peak:.0f}" for peak in peaks), f"{peaks[0] / peaks[1]:.2f}")
        figures[name] = {"batch": arguments.batch, **found, "speedup": plain.over(ours), "share_of_matmul": share}
        print(f"{name}: {plain.over(ours).format()} times as fast as plain", file=sys.stderr)
    print(f"batches of {arguments.batch} scenes, {arguments.device}, {arguments.precision}")
    print(f"\n{seconds}\n\n{rates}\n\n{memory}")
    if arguments.json:
        write_json(arguments.json, figures)
    return 0


def measured(setting: Setting, repeats: int, warmup: int) -> dict[str, Any]:
    """Return seconds a step and peak memory of each side, the arithmetic of our step, and the rate of products."""
    import torch

    if setting.threads:
        torch.set_num_threads(setting.threads)
    sides, peaks = dict[str, Side](), dict[str, int]()
    for name in SIDES[setting.device]:
        sides[name] = Side(setting, name)
        if setting.device == "cpu":  # at the same time they would hinder each other; on a GPU, compiling takes long
            peaks[name] = sides[name].peak()
    peaks |= {name: side.peak() for name, side in sides.items() if name not in peaks}
    multiply, amount = products(setting)
    timings = measure_in_turn({"matmul": multiply, **sides}, repeats, warmup)
    for side in sides.values():
        side.close()
    steps = STEPS[setting.device]
    return {
        # The pipe and the waiting for a device are part of neither.
        "seconds": {name: Timing.of(side.seconds[warmup:]) for name, side in sides.items()},
        "steps_timed_together": steps,
        "tflop": arithmetic(setting) / 1e12,
        "matmul": timings["matmul"].rate(amount / 1e12),
        "peak_bytes": peaks,
    }


def products(setting: Setting) -> tuple[Callable[[], None], float]:
    """Return what makes large matrix products of the setting's precision, and their floating-point operations."""
    import torch

    cuda = setting.device == "cuda"
    # On the CPU of the shapes that networks have; a GPU gets the shape that suits it.
    rows, inner, columns, count = (8192, 8192, 8192, 20) if cuda else (16384, 512, 512, 20)
    kind = {"device": setting.device, "dtype": torch.bfloat16 if setting.precision == "bf16" else torch.float32}
    left, right = torch.randn(rows, inner, **kind), torch.randn(inner, columns, **kind)
    result = torch.empty(rows, columns, **kind)

    def multiply() -> None:
        for _ in range(count):
            torch.mm(left, right, out=result)
        if cuda:
            torch.cuda.synchronize()

    return multiply, 2.0 * count * rows * inner * columns


class Side:
    """A process that makes training steps when it is called.

    Attributes:
        seconds: of a step, one entry a call.
    """

    def __init__(self, setting: Setting, side: str) -> None:
        """Start the process."""
        script = Path(__file__).with_name("training_steps.py")
        command = [sys.executable, str(script), *setting.arguments(), "--side", side]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._steps = STEPS[setting.device]
        self.seconds: list[float] = []

    def peak(self) -> int:
        """Wait for the first steps, and return how many bytes a step needs. To be called once."""
        return int(self._answer())

    def __call__(self) -> None:
        """Make steps."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{self._steps}\n")
        self._process.stdin.flush()
        self.seconds.append(float(self._answer()))

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


def arithmetic(setting: Setting) -> float:
    """Return the floating-point operations of the products and convolutions in our step.

    On the CPU, where they take long, they are counted without doing them.
    """
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils.flop_counter import FlopCounterMode, addmm_flop, baddbmm_flop

    in_place = {
        torch.ops.aten.baddbmm_: without_target(baddbmm_flop),
        torch.ops.aten.addmm_: without_target(addmm_flop),
    }
    counter = FlopCounterMode(display=False, custom_mapping=in_place)
    cpu = setting.device == "cpu"
    with FakeTensorMode(allow_non_fake_inputs=True) if cpu else nullcontext(), counter:
        passes(setting)
    return float(counter.get_total_flops())


def without_target(count: Callable[..., int]) -> Callable[..., int]:
    """Return the rule of an operation for its in-place form, which PyTorch's counter does not know."""
    return lambda first, left, right, *_, **__: count(first, left, right)


def passes(setting: Setting) -> None:
    """Run forward and backward pass of our side."""
    import torch

    from cnsr.config import load_config
    from cnsr.models.model import SceneModel

    config, device = load_config(setting.config), torch.device(setting.device)
    with device:
        model, batch = SceneModel(config), random_batch(config, setting.scenes)
    with autocast(setting):
        loss = model(batch, ITERATION).loss
    loss.backward()


if __name__ == "__main__":
    sys.exit(main())
