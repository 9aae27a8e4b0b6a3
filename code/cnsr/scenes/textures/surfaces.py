"""Wood, planks and cloth; all repeat. Their reflectance is gray; a scene's material tints it."""

from __future__ import annotations

import numpy as np

from cnsr.scenes.textures.painting import (
    Array,
    centered,
    inside,
    periodic_noise,
    pixel_centers,
)

SIZE = 512
BOARDS = 8  # of planks, a repeat
_CLOTH = 128
_THREADS = 16


def wood(rng: np.random.Generator) -> Array:
    """Return wood whose grain runs along y."""
    tone: Array = 0.80 - 0.34 * np.ascontiguousarray(_grain(rng, SIZE, SIZE, 6).T)
    return tone


def _grain(rng: np.random.Generator, height: int, width: int, rings: int) -> Array:
    """Return how dark wood is, about 0 to 1, with grain along x: `rings` year rings and fibers."""
    _, y = pixel_centers(height, width)
    warped = y * rings + 0.40 * periodic_noise(rng, height, width, 1.9, (4.0, 1.0))
    ring = warped % 1.0
    # Early wood darkens slowly towards the late wood, which ends at once.
    late = np.where(ring < 0.82, (ring / 0.82) ** 2.2, (1.0 - ring) / 0.18)
    fibers = periodic_noise(rng, height, width, 0.55, (8.0, 0.3))
    flame = periodic_noise(rng, height, width, 1.4, (5.0, 1.0))
    grain: Array = np.clip(0.25 + 0.42 * late + 0.09 * fibers + 0.11 * flame, 0.0, 1.0)
    return grain


def planks(rng: np.random.Generator) -> Array:
    """Return a floor of boards along x, each of its own tone, with dark joints."""
    x, y = pixel_centers(SIZE, SIZE)
    pixel = 1.0 / SIZE
    rows = SIZE // BOARDS
    board = np.minimum((y * BOARDS).astype(np.int64), BOARDS - 1)
    # One image of grain, of which every row of boards shows another piece.
    source = _grain(rng, SIZE, SIZE, 14)
    grain = np.concatenate(
        [np.roll(source, shift, axis=(0, 1))[:rows] for shift in rng.integers(SIZE, size=(BOARDS, 2))]
    )
    # Two boards in each row, which meet at random places, no two rows' joints near each other.
    first = (np.arange(BOARDS) * 0.381966 + rng.uniform(0.0, 0.1, BOARDS)) % 1.0
    along = (x - first[board]) % 1.0
    second = 0.40 + 0.2 * rng.random(BOARDS)
    half = (along > second[board]).astype(np.int64)
    tone = rng.normal(0.0, 0.055, (BOARDS, 2))[board, half]
    joint = np.minimum(np.abs(centered(y, 1.0 / BOARDS)), np.abs(centered(along)))
    joint = np.minimum(joint, np.abs(along - second[board]))
    paint = 0.80 - 0.30 * grain + tone
    return np.clip(paint * (1.0 - 0.6 * inside(joint - 1.2 * pixel, pixel)), 0.0, 1.0)


def weave(rng: np.random.Generator) -> Array:
    """Return a plain weave of threads, over and under in turn."""
    x, y = pixel_centers(_CLOTH, _CLOTH)
    x, y = x * _THREADS, y * _THREADS
    over = (np.floor(x) + np.floor(y)) % 2 > 0
    warp, weft = np.abs(np.sin(np.pi * x)), np.abs(np.sin(np.pi * y))
    height = np.where(over, warp**0.6 * (0.6 + 0.4 * weft), weft**0.6 * (0.6 + 0.4 * warp))
    slub = periodic_noise(rng, _CLOTH, _CLOTH, 0.6)
    return np.clip(0.68 + 0.26 * height + 0.04 * slub, 0.0, 1.0)
