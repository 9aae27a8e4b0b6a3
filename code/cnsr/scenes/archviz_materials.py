"""What ArchViz rooms are made of: wallpapers, woods, cloths, metals."""

from __future__ import annotations

import colorsys
import math

import numpy as np

from cnsr.scenes.archviz_layout import HIGH, LOW
from cnsr.scenes.elements import WALLS, WHITE, Color, Json, material
from cnsr.scenes.textures import filename

MATERIAL_IDS = {
    "ground": 0,
    "ceiling": 1,
    "back": 2,
    "left": 3,
    "right": 4,
    "front": 5,
    "window_light": 6,
    "ceiling_light": 7,
    "chair": 8,
    "dining_table": 9,
    "sofa": 10,
    "armchair": 11,
    "rug": 12,
    "lamp": 13,
    "coffee_table": 14,
    "teapot": 15,
    "mirror_frame": 16,
    "mirror": 17,
}

WALLPAPERS = {"damask": 0.9, "fans": 0.84, "hills": None, "vines": None}
"""Texture of each, with the metres that it repeats at; None fills a wall."""

WALL_ROUGHNESS = 0.75  # paper with a sheen of silk: its white reflection softens the saturated tints
ROUGHNESSES = (1.0, 0.5, 0.05)
_BOARDS, _GRAIN, _CLOTH, _KNOTS = 1.4, 0.6, 0.12, 0.20  # metres that the textures repeat at


def cosine_palette(u: float, mean: Color, swing: Color, phase: Color) -> Color:
    """Return mean + swing * cos(2 pi (u + phase)), channel by channel (I. Quilez, "Palettes")."""
    r, g, b = (m + s * math.cos(2.0 * math.pi * (u + p)) for m, s, p in zip(mean, swing, phase, strict=True))
    return r, g, b


def light_color(u: float) -> Color:
    """Return a color of lamps and windows, from 0 to 1."""
    return cosine_palette(u, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), (0.5, 0.35, 0.2))


def _wood_color(u: float) -> Color:
    """Return a color between walnut and light oak."""
    return cosine_palette(u, (0.60, 0.39, 0.235), (0.28, 0.22, 0.155), (0.0, 0.02, 0.05))


def _cloth_color(u: float) -> Color:
    """Return a muted color of upholstery, of any hue."""
    return cosine_palette(u, (0.46, 0.41, 0.38), (0.25, 0.18, 0.21), (0.0, 0.22, 0.48))


def _rug_color(u: float) -> Color:
    """Return a color of carpets: ochre, wine, blue, olive, and those between them."""
    return cosine_palette(u, (0.54, 0.42, 0.37), (0.26, 0.16, 0.20), (0.0, 0.15, 0.50))


def _scaled(color: Color, factor: float) -> Color:
    r, g, b = color
    return factor * r, factor * g, factor * b


def draw_surfaces(rng: np.random.Generator) -> dict[str, Json]:
    """Draw all materials but those of lights, also for furniture that is not there."""
    return _room_surfaces(rng) | {f"{kind}_{part}": surface for (kind, part), surface in _furniture(rng).items()}


def _room_surfaces(rng: np.random.Generator) -> dict[str, Json]:
    """Draw floor, ceiling and walls; all walls have the same paper in one tint."""
    texture = list(WALLPAPERS)[rng.integers(len(WALLPAPERS))]
    hue, floor = rng.random(2).tolist()
    tint, repeat = colorsys.hsv_to_rgb(hue, 1.0, 1.0), WALLPAPERS[texture]
    width, height, depth = (high - low for low, high in zip(LOW, HIGH, strict=True))
    boards = filename("planks"), (width / _BOARDS, depth / _BOARDS)
    surfaces = {
        "ground": material(MATERIAL_IDS["ground"], _wood_color(floor), 0.9, texture=boards[0], frequency=boards[1]),
        "ceiling": material(MATERIAL_IDS["ceiling"], (0.85, 0.85, 0.85), 1.0),
    }
    for wall in WALLS:
        across = depth if wall in ("left", "right") else width
        repeats = (1.0, 1.0) if repeat is None else (across / repeat, height / repeat)
        surfaces[wall] = material(
            MATERIAL_IDS[wall], tint, WALL_ROUGHNESS, texture=filename(texture), frequency=repeats
        )
    return surfaces


def _furniture(rng: np.random.Generator) -> dict[tuple[str, str], Json]:
    """Draw the material of each part of each kind of furniture."""
    surfaces: dict[tuple[str, str], Json] = {}

    def add(kind: str, part: str, color: Color, roughness: float, texture: str = "", repeat: float = 1.0) -> None:
        name, frequency = (filename(texture), 1.0 / repeat) if texture else ("", 1.0)
        label = MATERIAL_IDS[kind]
        surfaces[kind, part] = material(label, color, roughness, texture=name, frequency=(frequency, frequency))

    def add_wood(kind: str) -> None:
        u, polished = rng.random(2).tolist()
        add(kind, "wood", _wood_color(u), 0.5 if polished < 0.5 else 1.0, "wood", _GRAIN)

    for kind in ("dining_table", "chair", "coffee_table"):
        add_wood(kind)
    seat, *seating = rng.random(3).tolist()
    add("chair", "fabric", _cloth_color(seat), 1.0, "weave", _CLOTH)
    add("chair", "piping", _scaled(_cloth_color(seat), 0.7), 1.0)
    for kind, u in zip(("sofa", "armchair"), seating, strict=True):
        add(kind, "fabric", _cloth_color(u), 1.0, "weave", _CLOTH)
        add(kind, "piping", _scaled(_cloth_color(u), 0.7), 1.0)
        add(kind, "wood", _wood_color(rng.uniform(0.3, 0.6)), 1.0, "wood", _GRAIN)
    add("sofa", "pillow", _cloth_color(seating[0] + 0.42), 1.0, "weave", _CLOTH)
    rug, shade, brass, pot = rng.random(4).tolist()
    add("rug", "pile", _rug_color(rug), 1.0, "weave", _KNOTS)
    add("rug", "piping", (0.80, 0.74, 0.62), 1.0)
    add("lamp", "shade", _cloth_color(shade), 1.0)
    add("lamp", "metal", cosine_palette(brass, (0.5, 0.45, 0.36), (0.2, 0.2, 0.16), (0.0, 0.03, 0.08)), 0.5)
    gloss = ROUGHNESSES[rng.integers(len(ROUGHNESSES))]
    add("teapot", "china", colorsys.hsv_to_rgb(pot, 1.0, 1.0), gloss)
    add("mirror_frame", "frame", (0.5, 0.5, 0.5), 0.5)
    add("mirror", "glass", WHITE, 0.05)
    return surfaces
