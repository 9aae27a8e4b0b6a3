"""The project's own textures: wallpapers, wood, cloth. ``python -m cnsr.scenes.textures`` writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnsr.files import atomic_path
from cnsr.scenes.assets import ASSETS
from cnsr.scenes.textures import surfaces, wallpapers
from cnsr.scenes.textures.painting import Array

TEXTURES: Mapping[str, Callable[[np.random.Generator], Array]] = {
    "damask": wallpapers.damask,
    "fans": wallpapers.fans,
    "hills": wallpapers.hills,
    "vines": wallpapers.vines,
    "wood": surfaces.wood,
    "planks": surfaces.planks,
    "weave": surfaces.weave,
}
"""What paints each texture."""

FOLDER = ASSETS / "textures"

_LEVELS = 64  # steps of the stored values: hidden by the textures' own noise, and a third of the size of 255


def paint(name: str) -> NDArray[np.float16]:
    """Return the texture `name`: linear reflectance in [0, 1], [H, W], row 0 at the top; always the same."""
    image = TEXTURES[name](np.random.default_rng(list(name.encode())))
    steps: NDArray[np.float16] = (np.round(image * _LEVELS) / _LEVELS).astype(np.float16)
    return steps


def filename(name: str) -> str:
    """Return what scene files call the texture `name`. Raises ``KeyError`` if there is none."""
    if name not in TEXTURES:
        raise KeyError(name)
    return f"textures/{name}.exr"


def write_textures(folder: Path) -> None:
    """Write all textures to `folder` as EXR images of one channel. Raises ``StorageError``."""
    import OpenEXR  # slow to load, and not needed to name textures

    for name in TEXTURES:
        header = {"compression": OpenEXR.PIZ_COMPRESSION, "type": OpenEXR.scanlineimage}
        with atomic_path(folder / f"{name}.exr") as temporary, OpenEXR.File(header, {"Y": paint(name)}) as file:
            file.write(str(temporary))
