"""Renders every piece of furniture in a white studio: ``python docs/furniture_sheet.py`` writes docs/furniture.png."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cnsr.cli import run
from cnsr.display import displayed
from cnsr.files import atomic_path
from cnsr.rendering import PathTracer
from cnsr.scenes.furniture.catalog import PIECES, Piece
from cnsr.scenes.furniture.piece import Furniture

COLUMNS = 6
EXPOSURE = 0.7  # stops
FOV = 24.0
FILLED = 0.9  # share of the image that a piece spans
LABEL = 18  # pixels
# Radiance of the light at the front left, and of all that metal and glass reflect.
KEY, FRONT = 6.0, 0.3
# Color and roughness of what pieces are made of.
MATERIALS = {
    "wood": ((0.36, 0.17, 0.075), 0.6),
    "fabric": ((0.06, 0.13, 0.17), 1.0),
    "piping": ((0.035, 0.08, 0.11), 1.0),
    "pillow": ((0.62, 0.3, 0.05), 1.0),
    "metal": ((0.65, 0.5, 0.25), 0.3),
    "shade": ((0.05, 0.14, 0.11), 0.6),
    "china": ((0.85, 0.85, 0.82), 0.7),
    "pile": ((0.42, 0.06, 0.05), 1.0),
    "frame": ((0.6, 0.4, 0.13), 0.6),
    "glass": ((0.9, 0.9, 0.9), 0.05),
    "rush": ((0.5, 0.37, 0.17), 1.0),
}
METALS = ("metal", "frame", "glass")
SEEN = PIECES["armchair"]
"""What stands before the mirror."""

_IDENTITY = np.eye(4).tolist()
_ON_WALL = ("mirror", "mirror_frame")


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description="Renders a picture of every piece of furniture.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "furniture.png")
    parser.add_argument("--size", type=int, default=256, help="width and height of each picture in pixels")
    parser.add_argument("--samples", type=int, default=256, help="samples a pixel")
    parser.add_argument("--seed", type=int, help="draw the proportions at random instead of taking the defaults")
    parser.add_argument("--only", choices=list(PIECES), nargs="+", default=list(PIECES), help="only these pieces")
    parser.add_argument("--columns", type=int, default=COLUMNS)
    parser.add_argument("--threads", type=int, default=0, help="0 is one for each core")
    arguments = parser.parse_args()
    tracer = PathTracer(threads=arguments.threads)
    pictures = {}
    for number, name in enumerate(arguments.only):
        piece = PIECES[name]
        drawn = arguments.seed is not None
        parameters = piece.draw(np.random.default_rng((arguments.seed, number))) if drawn else piece.defaults
        pictures[name] = photographed(tracer, piece, parameters, arguments.size, arguments.samples)
    with atomic_path(arguments.out) as temporary:
        sheet(pictures, arguments.columns).save(temporary, optimize=True)


def photographed(tracer: PathTracer, piece: Piece, parameters: Furniture, size: int, samples: int) -> NDArray[np.uint8]:
    """Return a picture [size, size, 3] of a piece."""
    view = tracer.render(studio(piece, parameters), size=size, samples=samples, clamp=4.0)
    return displayed("beauty", view.buffers["beauty"], exposure=EXPOSURE)


def sheet(pictures: dict[str, NDArray[np.uint8]], columns: int) -> Image.Image:
    """Return the pictures in rows, each with its name below, in 256 colors."""
    size = len(next(iter(pictures.values())))
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    image = Image.new("RGB", (columns * size, rows * (size + LABEL)), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=12)
    for number, (name, picture) in enumerate(pictures.items()):
        x, y = number % columns * size, number // columns * (size + LABEL)
        image.paste(Image.fromarray(picture), (x, y))
        draw.text((x + size // 2, y + size + LABEL // 2), name, fill="black", font=font, anchor="mm")
    return _in_256_colors(image)


def _in_256_colors(image: Image.Image) -> Image.Image:
    """Return an image with a palette, a third of the size.

    White walls fill most of the sheet; so that they do not fill the palette, a color counts less than it is frequent.
    """
    pixels = np.asarray(image).reshape(-1, 3)
    _, first, count = np.unique(pixels >> 2, axis=0, return_index=True, return_counts=True)
    sample = np.repeat(pixels[first], np.maximum(1, np.round(count**0.35)).astype(int), axis=0)
    palette = Image.fromarray(sample[None]).quantize(256, kmeans=3)
    return image.quantize(palette=palette, dither=Image.Dither.NONE)


def studio(piece: Piece, parameters: Furniture) -> dict[str, Any]:
    """Return a scene: the piece on a white floor before a white wall, or on the wall."""
    low, high = (np.array(corner) for corner in piece.bounds(parameters))
    center, half = 0.5 * (low + high), 0.5 * (high - low)
    # The studio grows with the piece, so that light falls on all of them alike.
    unit = float(np.linalg.norm(half))
    wall, floor = center[2] - 3.5 * unit, low[1]
    if piece.kind in _ON_WALL:
        wall, floor = low[2], center[1] - 4.0 * unit
    elif piece.kind == "lamp":
        floor -= 0.5
    key, front = center + unit * np.array((-2.6, 4.0, 3.4)), center + unit * np.array((0.0, 0.0, 30.0))
    lights = [
        _grid("key", key, center - key, (3.4 * unit, 0.0, 3.4 * unit)),
        _grid("front", front, (0, 0, -1), (60.0 * unit, 60.0 * unit, 0.0)),
    ]
    room = [
        _grid("white", (center[0], floor, center[2]), (0, 1, 0), (24.0 * unit, 0.0, 24.0 * unit)),
        _grid("white", (center[0], center[1], wall), (0, 0, 1), (24.0 * unit, 16.0 * unit, 0.0)),
    ]
    materials = {
        "white": _material((0.78, 0.77, 0.75), 1.0),
        "key": _light(KEY, lights[0]),
        "front": _light(FRONT, lights[1]),
    }
    for part in piece.parts:
        materials[part] = _painted("rush" if (piece.name, part) == ("chair_ladder_back", "fabric") else part)
    geometry = [*room, *_meshes(piece, parameters, _IDENTITY)]
    if piece.kind == "mirror":  # shows an armchair beside the camera
        materials |= {part: _painted(part) for part in SEEN.parts}
        turned = [[-1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.0], [-0.75, -0.45, 1.7, 1.0]]
        geometry += _meshes(SEEN, SEEN.defaults, turned)
    return {
        "seed": 0,
        "bounces": 6,
        "hide_lights": True,
        "camera": {
            "position": (center + _toward_camera(piece.kind, half)).tolist(),
            "lookat": center.tolist(),
            "fov": FOV,
            "near": 0.01,
            "far": 100.0,
        },
        "materials": materials,
        "lights": lights,
        "geometry": geometry,
    }


def _toward_camera(kind: str, half: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the vector from the center of a box with extents 2 `half` to a camera whose image the box fills."""
    degrees = {"rug": (34, 24), "lamp": (-4, 20), "mirror": (3, 24), "mirror_frame": (3, 24), "teapot": (20, 25)}
    elevation, azimuth = map(math.radians, degrees.get(kind, (19, 32)))
    axes = np.array(  # right, up, backward
        [
            (math.cos(azimuth), 0.0, -math.sin(azimuth)),
            (-math.sin(elevation) * math.sin(azimuth), math.cos(elevation), -math.sin(elevation) * math.cos(azimuth)),
            (math.cos(elevation) * math.sin(azimuth), math.sin(elevation), math.cos(elevation) * math.cos(azimuth)),
        ]
    )
    corners = half * (2 * np.indices((2, 2, 2)).reshape(3, -1).T - 1) @ axes.T
    distance = np.abs(corners[:, :2]).max(axis=1) / (FILLED * math.tan(math.radians(FOV / 2))) + corners[:, 2]
    toward: NDArray[np.float64] = axes[2] * distance.max()
    return toward


def _meshes(piece: Piece, parameters: Furniture, transform: list[list[float]]) -> list[dict[str, Any]]:
    return [
        {"type": "file", "transform": transform, "material": part, "filename": piece.filename(part, parameters)}
        for part in piece.parts
    ]


def _painted(part: str) -> dict[str, Any]:
    color, roughness = MATERIALS[part]
    return _material(color, roughness, 15.0 if part in METALS else 1.5)


def _material(color: tuple[float, float, float], roughness: float, ior: float = 1.5) -> dict[str, Any]:
    return {"color": list(color), "emission": [0.0, 0.0, 0.0], "roughness": roughness, "ior": ior, "id": 0}


def _light(radiance: float, grid: dict[str, Any]) -> dict[str, Any]:
    area = math.prod(extent for extent in grid["size"] if extent > 0.0)
    return {"color": [0.0, 0.0, 0.0], "emission": [radiance * area] * 3, "roughness": 1.0, "id": 0}


def _grid(material: str, position: Any, normal: Any, size: tuple[float, float, float]) -> dict[str, Any]:
    grid = {"type": "grid", "transform": _IDENTITY, "material": material}
    return grid | {"position": list(map(float, position)), "normal": list(map(float, normal)), "size": list(size)}


if __name__ == "__main__":
    run(main)
