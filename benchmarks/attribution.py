"""Mean attribution of all outputs of an image: how much faster than one backward pass for each output?

The plain side is measured on a few outputs and extrapolated to all of them: each takes one backward pass, which costs
the same wherever the output lies. Both sides have the same model, with random weights, and a random scene; their
results are compared for the 2 x 2 pixels in the middle. Peak memory is the growth of the process's resident size while
our side works.

With --tiles, our side, too, is timed on a part of the image, one tile after the other, and extrapolated: what it
computes once for a scene is in the time of the first tile, and all others take the median of those that follow. That
is the way to do it for a U-Net. A GQN has another way for many outputs than for few: time its whole image.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from timing import Table, Timing, write_json

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "code"), str(ROOT / "tests" / "reference")]

from cnsr import cli  # noqa: E402

TILE = (16, 8)
"""Width and height in pixels."""

CONFIGS = ("room_beauty.json", "room_beauty_unet.json", "room_beauty_gqn_buffers.json")


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="*", default=CONFIGS, help="names or paths (default: the published three)")
    parser.add_argument("--patch", type=int, help="edge of the patch in pixels (default: the whole image)")
    parser.add_argument(
        "--tiles", type=int, help="tiles of 16 x 8 pixels to time instead of the whole image, 3 or more"
    )
    parser.add_argument("--sample", type=int, default=8, help="outputs that the plain side is timed on (default: 8)")
    parser.add_argument("--memory", type=int, default=1024, help="MiB that our side may work in (default: 1024)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to compute (default: cpu)")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    arguments = parser.parse_args()
    if arguments.tiles is not None and arguments.tiles < 3:
        parser.error(f"argument --tiles: expected 3 or more, found {arguments.tiles}")
    table = Table(
        "config", "outputs", "ours (s)", "one backward pass (s)", "all of them (s, extrapolated)", "times as fast",
        "memory (MiB)", "largest deviation",
    )  # fmt: skip
    figures: dict[str, Any] = {}
    for name in arguments.configs:
        found = figures[str(name)] = measured(str(name), arguments)
        plain = found["pass_seconds"].scaled(found["outputs"])
        table.add(
            name,
            found["outputs"],
            f"{found['seconds']:.3g}",
            found["pass_seconds"],
            plain,
            plain.scaled(1 / found["seconds"]),
            f"{found['bytes'] / 2**20:.0f}",
            f"{found['deviation']:.1e}",
        )
    print(f"mean attribution with three observations, {arguments.device}, at most {arguments.memory} MiB to work in")
    print(f"\n{table}")
    if arguments.json:
        write_json(arguments.json, figures)
    return 0


def measured(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return seconds and memory of our side for a whole patch, and seconds of single backward passes."""
    import torch
    from plain_attribution import PlainLoop
    from training_steps import device_growth, random_batch, resident_growth

    from cnsr.attribution.attributor import Attributor
    from cnsr.attribution.outputs import Patch
    from cnsr.config import load_config
    from cnsr.models.model import SceneModel

    torch.manual_seed(0)
    config = load_config(name)
    index = len(config.model.generators) - 1
    made = config.model.generators[index]
    size = arguments.patch or made.render_size
    model = SceneModel(config).to(arguments.device).eval()
    scene = random_batch(config, 1).to(arguments.device)
    patch = Patch(index, made.output_passes[0], 0, 0, size, size)
    parts = tiles(patch, arguments.tiles) if arguments.tiles else [patch]
    taken: list[float] = []

    def ours() -> None:
        start = time.perf_counter()
        attributor = Attributor(model, scene, memory=arguments.memory * 2**20)
        for part in parts:
            attributor.attribute(part)
            taken.append(time.perf_counter() - start)
            start = time.perf_counter()

    grown = (device_growth if arguments.device == "cuda" else resident_growth)(ours)
    loop = PlainLoop(model, scene)
    outputs = loop.outputs(patch)
    chosen = torch.linspace(0, len(outputs) - 1, arguments.sample).long().tolist()
    seconds = []
    loop.attribution(outputs[0])
    for place in chosen:
        start = time.perf_counter()
        loop.attribution(outputs[place])
        if arguments.device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    middle = Patch(index, patch.name, size // 2, size // 2, 2, 2)  # enough outputs for a GQN to take the fast way
    return {
        "outputs": patch.count,
        "seconds": taken[0] + (patch.count / parts[0].count - 1) * median(taken[1:] or [0.0]),
        "pass_seconds": Timing.of(seconds),
        "bytes": grown,
        "deviation": deviation(Attributor(model, scene).attribute(middle), loop.mean(middle)),
    }


def deviation(found: Any, expected: Mapping[str, Any]) -> float:
    """Return the largest distance of an attribution from that of the plain loop, relative to the latter's length."""
    from torch.linalg import vector_norm

    named = {f"query/{key}": values for key, values in found.queries.items()}
    named |= {f"observation/{key}": values for key, values in found.observations.items()}
    named |= {f"representation/{key}": values for key, values in enumerate(found.representations)}
    plain = {key: expected[key].cpu() for key in named}
    return max(
        float(vector_norm(values.double() - plain[key]) / vector_norm(plain[key])) for key, values in named.items()
    )


def tiles(patch: Any, count: int) -> list[Any]:
    """Return tiles of a patch, from its first corner to its last one."""
    (width, height), spread = TILE, [place / (count - 1) for place in range(count)]
    return [
        replace(
            patch,
            left=patch.left + round(share * (patch.width - width)),
            top=patch.top + round(share * (patch.height - height)),
            width=width,
            height=height,
        )
        for share in spread
    ]


if __name__ == "__main__":
    cli.run(main)
