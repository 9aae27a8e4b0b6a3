"""Renders 16 random ArchViz rooms: ``python docs/archviz_sheet.py`` writes docs/archviz.png."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from cnsr.cli import run
from cnsr.display import displayed
from cnsr.files import atomic_path
from cnsr.rendering import PathTracer
from cnsr.scenes.datasets import RANDOMIZERS, randomizer
from cnsr.scenes.randomizer import draw_batch

COLUMNS = 4
EXPOSURE = 0.5  # stops
CLAMP = 4.0  # less than data sets are rendered with: fewer bright specks for slightly too dark corners
GAP = 2  # pixels


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description="Renders one view of each of some random rooms.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "archviz.png")
    parser.add_argument("--dataset", choices=list(RANDOMIZERS), default="archviz")
    parser.add_argument("--size", type=int, default=256, help="width and height of each picture in pixels")
    parser.add_argument("--samples", type=int, default=256, help="samples a pixel")
    parser.add_argument("--seed", type=int, default=1, help="of the rooms")
    parser.add_argument("--rooms", type=int, default=16)
    parser.add_argument("--threads", type=int, default=0, help="0 is one for each core")
    arguments = parser.parse_args()
    tracer = PathTracer(threads=arguments.threads)
    batch = draw_batch(randomizer(arguments.dataset), arguments.seed, "test", 0, arguments.rooms, 1, partitioned=False)
    rows, step = -(-arguments.rooms // COLUMNS), arguments.size + GAP
    sheet = Image.new("RGB", (COLUMNS * step - GAP, rows * step - GAP), "white")
    for number, drawn in enumerate(batch.scenes):
        view = tracer.render(
            drawn.scenes[0], size=arguments.size, samples=arguments.samples, seed=drawn.seeds[0], clamp=CLAMP
        )
        picture = displayed("beauty", np.asarray(view.buffers["beauty"]), exposure=EXPOSURE)
        sheet.paste(Image.fromarray(picture), (number % COLUMNS * step, number // COLUMNS * step))
    with atomic_path(arguments.out) as temporary:
        sheet.save(temporary, optimize=True)


if __name__ == "__main__":
    run(main)
