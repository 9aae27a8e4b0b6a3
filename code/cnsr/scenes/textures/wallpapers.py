"""Four wallpapers: two that repeat, two that fill a wall. Their reflectance is gray; a scene's material tints it.

Tints are fully saturated, so the papers are dark: they become deep colors, not glaring ones.
"""

from __future__ import annotations

import numpy as np

from cnsr.scenes.textures.painting import (
    Array,
    blend,
    centered,
    inside,
    periodic_noise,
    pixel_centers,
    soft_step,
)

REPEAT_PIXELS = 512
MURAL_PIXELS = (384, 1024)  # rows, columns: the shape of a wall of 2.6 m by 7 m


def damask(rng: np.random.Generator) -> Array:
    """Return an ogee damask: a palmette in each frame of waves, every other column half a repeat lower."""
    size = REPEAT_PIXELS
    x, y = pixel_centers(size, size)
    # In half repeats, about the middles of the two columns.
    own = _palmette(centered(2.0 * x, 2.0), centered(2.0 * y, 2.0))
    other = _palmette(centered(2.0 * x + 1.0, 2.0), centered(2.0 * y + 1.0, 2.0))
    silk = 0.013 * periodic_noise(rng, size, size, 0.3, (0.3, 6.0)) + 0.010 * periodic_noise(rng, size, size, 1.0)
    return np.clip(blend(np.maximum(own, other), 0.24, 0.52) + silk, 0.0, 1.0)


def _palmette(x: Array, y: Array) -> Array:
    """Return one motif of the damask, mirror-symmetric, 1 where its thread shines; x and y in [-1, 1)."""
    pixel = 2.0 / REPEAT_PIXELS
    x = np.abs(x)
    # Frame: the waves of neighboring columns are the same curve, with a finer line on both sides.
    wave = x - 0.5 - 0.44 * np.cos(np.pi * y)
    true = wave / np.hypot(1.0, 0.44 * np.pi * np.sin(np.pi * y))  # from horizontal distance to distance
    figure = np.maximum(inside(np.abs(true) - 0.020, pixel), inside(np.abs(np.abs(true) - 0.055) - 0.007, pixel))
    # Flower: lobes that grow upwards, with two inner outlines.
    angle, radius = np.arctan2(x, y + 0.10), np.hypot(x, y + 0.10)
    lobes = 0.30 * (1.0 + 0.20 * np.cos(9.0 * angle)) * (1.0 + 0.34 * np.cos(angle))
    flower = inside(radius - lobes, pixel)
    flower = flower - inside(np.abs(radius - 0.74 * lobes) - 0.011, pixel)
    flower = flower - inside(np.abs(radius - 0.36 * lobes) - 0.010, pixel)
    # Stem, pairs of leaves below it, a crown of three leaves above.
    stem = inside(np.maximum(x - 0.012, np.abs(y + 0.52) - 0.26), pixel)
    figure = np.maximum(figure, np.maximum(flower, stem))
    for low, lean, length in (
        (-0.72, 1.05, 0.26),
        (-0.60, 0.95, 0.40),
        (-0.47, 1.25, 0.46),
        (0.36, 0.0, 0.36),
        (0.32, 0.62, 0.27),
        (0.22, 1.05, 0.24),
    ):
        figure = np.maximum(figure, _leaf(x, y - low, lean, length, 0.17, pixel))
    return figure


def _leaf(x: Array, y: Array, lean: float, length: float, breadth: float, pixel: float) -> Array:
    """Return the coverage of a pointed leaf from the origin, `lean` radians off upright; `breadth` per length."""
    along = (x * np.sin(lean) + y * np.cos(lean)) / length
    across = (x * np.cos(lean) - y * np.sin(lean)) / length
    half = breadth * np.sin(np.pi * np.clip(along, 0.0, 1.0)) ** 0.8
    distance = np.maximum(np.abs(across) - half, np.abs(along - 0.5) - 0.5)
    return inside(distance * length, pixel)


def fans(rng: np.random.Generator) -> Array:
    """Return overlapping fans in rows (seigaiha): rings and ribs, each row in front of the one above."""
    size = REPEAT_PIXELS
    columns, rows = 4, 8  # of fans a repeat: each is 1/4 wide and rises 1/8 above the next row
    x, y = pixel_centers(size, size)
    pixel = 1.0 / size
    radius = 0.5 / columns * 1.035  # neighbors overlap, so that no gap is left where three meet
    paint = np.zeros_like(x)
    for row in range(rows + 1, -4, -1):  # from the farthest to the nearest
        center = row / rows
        dx = centered(x - (row % 2) * 0.5 / columns, 1.0 / columns)
        dy = y - center
        distance = np.hypot(dx, dy)
        angle = np.arctan2(dx, dy)
        paint = blend(inside(distance - radius, pixel), paint, _fan(distance / radius, angle, pixel / radius))
    grain = 0.012 * periodic_noise(rng, size, size, 0.7)
    return np.clip(blend(paint, 0.20, 0.54) + grain, 0.0, 1.0)


def _fan(distance: Array, angle: Array, pixel: float) -> Array:
    """Return one fan by distance from its center (its rim is at 1) and angle: 0 is ground, 1 is line."""
    lines = inside(np.abs(distance - 0.955) - 0.03, pixel)
    lines = np.maximum(lines, inside(np.abs(distance - 0.80) - 0.014, pixel))
    ribs = np.abs(centered(angle, np.pi / 9.0)) * distance - 0.011
    lines = np.maximum(lines, inside(np.maximum(ribs, np.abs(distance - 0.56) - 0.21), pixel))
    lines = np.maximum(lines, inside(np.abs(distance - 0.35) - 0.014, pixel))
    return np.maximum(lines, inside(distance - 0.17, pixel))


def hills(rng: np.random.Generator) -> Array:
    """Return a mural of wooded hills in morning mist, ridge behind ridge; its left and right edges meet."""
    height, width = MURAL_PIXELS
    _, y = pixel_centers(height, width)
    pixel = 1.0 / height
    paint = 0.50 + 0.14 * soft_step(0.35, 1.0, y)
    ridges = 6
    for number in range(ridges):
        near = number / (ridges - 1)
        crest = 0.66 - 0.52 * near + (0.085 - 0.035 * near) * periodic_noise(rng, 1, width, 1.3, (width, 1.0))
        crest = crest + (0.002 + 0.012 * near) * _spruces(rng, width)
        tone = 0.47 - 0.36 * near**0.9
        # Mist gathers at the foot of each ridge but the nearest.
        depth = np.clip(crest - y, 0.0, None)
        mist = 0.16 * (1.0 - 0.6 * near) * soft_step(0.0, 0.34, depth)
        paint = blend(inside(y - crest, 1.5 * pixel), paint, tone + mist)
    return np.clip(paint + 0.008 * periodic_noise(rng, height, width, 0.8), 0.0, 1.0)


def _spruces(rng: np.random.Generator, width: int) -> Array:
    """Return the outline [1, W] of tree tops, about 0 to 2 high: sharp peaks of different height."""
    outline = np.zeros(width)
    columns = np.arange(width, dtype=np.float64)
    for _ in range(width // 5):
        half, top = rng.uniform(2.5, 6.0), rng.uniform(0.6, 2.0)
        offset = np.abs(centered(columns - rng.uniform(0, width), width)) / half
        outline = np.maximum(outline, top * np.clip(1.0 - offset, 0.0, None))
    return outline[None, :]


def vines(rng: np.random.Generator) -> Array:
    """Return a mural of climbing stems with leaves in three depths; its left and right edges meet."""
    height, width = MURAL_PIXELS
    paint = 0.58 + 0.02 * periodic_noise(rng, height, width, 1.3)
    for depth, (tone, stems) in enumerate(((0.46, 11), (0.29, 9), (0.14, 7))):
        for stem in range(stems):
            root = (stem + rng.uniform(0.15, 0.85)) * width / height / stems
            _paint_vine(rng, paint, root, tone, 0.7 + 0.25 * depth)
    return np.clip(paint + 0.008 * periodic_noise(rng, height, width, 0.6), 0.0, 1.0)


def _paint_vine(rng: np.random.Generator, paint: Array, root: float, tone: float, scale: float) -> None:
    """Paint one stem from the bottom at `root`, and its leaves, over `paint`."""
    height, width = paint.shape
    x, y = pixel_centers(height, width)
    top, sway, turns, phase = rng.uniform((0.55, 0.02, 1.0, 0.0), (1.05, 0.06, 2.2, 2.0 * np.pi)).tolist()
    middle = root + sway * np.sin(2.0 * np.pi * turns * y + phase)
    thickness = 0.0055 * scale * np.clip(1.15 - y / top, 0.0, 1.0)
    stem = np.maximum(np.abs(centered(x - middle, width / height)) - thickness, y - top)
    paint[...] = blend(inside(stem, 1.0 / height), paint, tone)
    level, side = rng.uniform(0.02, 0.08), 1.0
    while level < top:
        length = scale * rng.uniform(0.075, 0.115) * (1.1 - 0.5 * level / top)
        lean, shade = side * rng.uniform(0.65, 1.25), tone * rng.uniform(0.88, 1.12)
        place = root + sway * np.sin(2.0 * np.pi * turns * level + phase), level
        _paint_leaf(paint, place, lean, length, shade, 0.0012 * scale)
        level += rng.uniform(0.028, 0.05) * scale
        side = -side


def _paint_leaf(paint: Array, place: tuple[float, float], lean: float, length: float, tone: float, rib: float) -> None:
    """Paint a leaf with a light rib over `paint`; only pixels near it are looked at."""
    height, width = paint.shape
    reach = 1.1 * length
    columns = np.arange(int((place[0] - reach) * height), int((place[0] + reach) * height) + 1)
    rows = np.arange(height - int((place[1] + reach) * height) - 1, height - int((place[1] - reach) * height))
    rows = rows[(rows >= 0) & (rows < height)]
    window = np.ix_(rows, columns % width)
    dx, dy = np.meshgrid((columns + 0.5) / height - place[0], 1.0 - (rows + 0.5) / height - place[1])
    leaf = _leaf(dx, dy, lean, length, 0.24, 1.0 / height)
    middle = leaf * inside(np.abs(dx * np.cos(lean) - dy * np.sin(lean)) - rib, 1.0 / height)
    paint[window] = blend(middle, blend(leaf, paint[window], tone), 0.6 * tone + 0.23)
