"""Renders 16 random ArchViz rooms: ``python docs/archviz_sheet.py`` writes docs/archviz.png."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnsr.cli import run
from cnsr.display import displayed
from cnsr.files import atomic_path
from cnsr.rendering import PathTracer
from cnsr.scenes.datasets import RANDOMIZERS, randomizer
from cnsr.scenes.randomizer import DrawnScene, draw_batch

COLUMNS = 4
EXPOSURE = 0.75  # stops
CLAMP = 4.0  # less than data sets are rendered with: fewer bright specks for slightly too dark corners
GAP = 2  # pixels
LEVELS = 40  # of each channel: the steps drown in the noise, and the file is a third smaller


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description="Renders one view of each of some random rooms.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "archviz.png")
    parser.add_argument("--dataset", choices=list(RANDOMIZERS), default="archviz")
    parser.add_argument("--size", type=int, default=256, help="width and height of each picture in pixels")
    parser.add_argument("--samples", type=int, default=64, help="samples a pixel")
    parser.add_argument("--seed", type=int, default=44, help="of the rooms")
    parser.add_argument("--rooms", type=int, default=16)
    parser.add_argument("--threads", type=int, default=0, help="0 is one for each core")
    arguments = parser.parse_args()
    tracer = PathTracer(threads=arguments.threads)
    batch = draw_batch(randomizer(arguments.dataset), arguments.seed, "test", 0, arguments.rooms, 1, partitioned=False)
    pictures = [picture(tracer, drawn, arguments.size, arguments.samples) for drawn in batch.scenes]
    with atomic_path(arguments.out) as temporary:
        sheet(pictures).save(temporary, optimize=True)


def picture(tracer: PathTracer, drawn: DrawnScene, size: int, samples: int) -> NDArray[np.uint8]:
    """Return the first view of a room as sRGB, [size, size, 3]."""
    view = tracer.render(drawn.scenes[0], size=size, samples=samples, seed=drawn.seeds[0], clamp=CLAMP)
    return displayed("beauty", view.buffers["beauty"], exposure=EXPOSURE)


def sheet(pictures: Sequence[NDArray[np.uint8]]) -> Image.Image:
    """Return the pictures in rows, on white, in few colors."""
    step = len(pictures[0]) + GAP
    image = Image.new("RGB", (COLUMNS * step - GAP, -(-len(pictures) // COLUMNS) * step - GAP), "white")
    for number, pixels in enumerate(pictures):
        few = np.round(np.round(pixels / 255.0 * LEVELS) / LEVELS * 255.0).astype(np.uint8)
        image.paste(Image.fromarray(few), (number % COLUMNS * step, number // COLUMNS * step))
    return image


if __name__ == "__main__":
    run(main)
