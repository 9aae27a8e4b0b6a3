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
from cnsr.files import atomic_path
from cnsr.rendering import PathTracer
from cnsr.scenes.furniture.catalog import PIECES, Piece
from cnsr.scenes.furniture.piece import Furniture

COLUMNS = 6
EXPOSURE = 1.5
FOV = 24.0
FILLED = 0.9  # share of the image that a piece spans
LABEL = 18  # pixels
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
    "frame": ((0.7, 0.5, 0.16), 0.4),
    "glass": ((0.9, 0.9, 0.9), 0.05),
}
METALS = ("metal", "frame", "glass")
RUSH = ((0.5, 0.37, 0.17), 1.0)  # the woven seat
_IDENTITY = np.eye(4).tolist()


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description="Renders a picture of every piece of furniture.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "furniture.png")
    parser.add_argument("--size", type=int, default=256, help="width and height of each picture in pixels")
    parser.add_argument("--samples", type=int, default=256, help="samples a pixel")
    parser.add_argument("--seed", type=int, help="draw the proportions at random instead of taking the defaults")
    parser.add_argument("--only", choices=list(PIECES), nargs="+", default=list(PIECES), help="only these pieces")
    parser.add_argument("--columns", type=int, default=COLUMNS)
    arguments = parser.parse_args()
    tracer = PathTracer()
    pictures = []
    for number, name in enumerate(arguments.only):
        piece = PIECES[name]
        parameters = piece.defaults
        if arguments.seed is not None:
            parameters = piece.draw(np.random.default_rng((arguments.seed, number)))
        view = tracer.render(studio(piece, parameters), size=arguments.size, samples=arguments.samples)
        pictures.append((name, developed(view.buffers["beauty"])))
    with atomic_path(arguments.out) as temporary:
        sheet(pictures, arguments.columns).save(temporary, optimize=True)


def studio(piece: Piece, parameters: Furniture) -> dict[str, Any]:
    """Return a scene: the piece on a white floor before a white wall, with a large light at the front left."""
    low, high = (np.array(corner) for corner in piece.bounds(parameters))
    center, reach = 0.5 * (low + high), 0.5 * float(np.linalg.norm(high - low))
    camera = center + _toward_camera(piece.kind, 0.5 * (high - low))
    # The studio grows with the piece, so that light falls on all of them alike.
    unit = max(reach, 0.1)
    floor = low[1] if piece.kind != "lamp" else low[1] - 0.5
    surfaces: list[dict[str, Any]] = []
    if piece.kind not in ("mirror", "mirror_frame"):
        surfaces.append(_grid("floor", (center[0], floor, center[2]), (0, 1, 0), (24 * unit, 0, 24 * unit)))
        wall = center[2] - 3.5 * unit
    else:
        wall = float(low[2])
    surfaces.append(_grid("floor", (center[0], center[1], wall), (0, 0, 1), (24 * unit, 16 * unit, 0)))
    # What mirrors see.
    surfaces.append(
        _grid("floor", (center[0], center[1], center[2] + 40 * unit), (0, 0, -1), (80 * unit, 80 * unit, 0))
    )
    key = center + unit * np.array((-2.6, 4.0, 3.4))
    lights = [_grid("key", key, center - key, (3.4 * unit, 0, 3.4 * unit))]
    area = lights[0]["size"][0] ** 2
    fill = center + unit * np.array((6.0, 3.0, 6.0))
    lights.append(_grid("fill", fill, center - fill, (0, 6 * unit, 6 * unit)))
    materials = {"floor": _material((0.78, 0.77, 0.75), 1.0, 1.5)}
    materials |= {"key": _light(4.6 * area), "fill": _light(0.55 * 36 * unit**2)}
    for part in piece.parts:
        color, roughness = MATERIALS[part] if (piece.name, part) != ("chair_ladder_back", "fabric") else RUSH
        materials[part] = _material(color, roughness, 15.0 if part in METALS else 1.5)
    geometry = [
        {"type": "file", "transform": _IDENTITY, "material": part, "filename": piece.filename(part, parameters)}
        for part in piece.parts
    ]
    return {
        "seed": 0,
        "bounces": 6,
        "hide_lights": True,
        "camera": {"position": camera.tolist(), "lookat": center.tolist(), "fov": FOV, "near": 0.01, "far": 100.0},
        "materials": materials,
        "lights": lights,
        "geometry": [*surfaces, *geometry],
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


def developed(radiance: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return linear radiance [H, W, 3] as sRGB."""
    linear = np.clip(radiance * EXPOSURE, 0.0, 1.0)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(255 * encoded).astype(np.uint8)


def sheet(pictures: list[tuple[str, NDArray[np.uint8]]], columns: int) -> Image.Image:
    """Return the pictures in rows, each with its name below."""
    size = pictures[0][1].shape[0]
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    image = Image.new("RGB", (columns * size, rows * (size + LABEL)), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=12)
    for number, (name, picture) in enumerate(pictures):
        x, y = number % columns * size, number // columns * (size + LABEL)
        image.paste(Image.fromarray(picture), (x, y))
        draw.text((x + size // 2, y + size + LABEL // 2), name, fill="black", font=font, anchor="mm")
    return image


def _material(color: tuple[float, float, float], roughness: float, ior: float) -> dict[str, Any]:
    return {"color": list(color), "emission": [0.0, 0.0, 0.0], "roughness": roughness, "ior": ior, "id": 0}


def _light(emission: float) -> dict[str, Any]:
    return {"color": [0.0, 0.0, 0.0], "emission": [emission] * 3, "roughness": 1.0, "id": 0}


def _grid(material: str, position: Any, normal: Any, size: tuple[float, float, float]) -> dict[str, Any]:
    vectors = {
        name: [float(x) for x in vector]
        for name, vector in (("position", position), ("normal", normal), ("size", size))
    }
    return {"type": "grid", "transform": _IDENTITY, "material": material, **vectors}


if __name__ == "__main__":
    run(main)
