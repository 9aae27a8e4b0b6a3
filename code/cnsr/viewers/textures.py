"""Images on the graphics card."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from imgui_bundle import imgui, immvision
from numpy.typing import NDArray

LARGEST_EDGE = 2048
"""Pixels along an edge of a texture at most, which every graphics card can hold."""


@dataclass
class _Texture:
    image: NDArray[np.uint8]  # also keeps the array alive, so that no other can take its identity
    factor: int
    native: immvision.GlTexture
    drawn: bool = True


class Textures:
    """Textures by name; each is updated only when another array is shown under its name."""

    def __init__(self) -> None:
        immvision.use_rgb_color_order()
        self._textures: dict[str, _Texture] = {}
        self.updates = 0

    def get(self, name: str, image: NDArray[np.uint8], edge: float) -> imgui.ImTextureRef:
        """Return the texture of an image, to be drawn in this frame.

        Pixels are enlarged to whole squares before the card's bilinear filter sees them, so that they stay crisp.

        Args:
            name: of the place where it is shown.
            image: [H, W, 3]; must not be changed afterwards.
            edge: how many pixels of the screen its longer side will take about, zoomed parts enlarged accordingly.
        """
        factor = _enlargement(max(image.shape[:2]), edge)
        known = self._textures.get(name)
        if known is None or known.image is not image or known.factor != factor:
            native = known.native if known is not None else immvision.GlTexture()
            native.update_from_image(np.ascontiguousarray(image.repeat(factor, axis=0).repeat(factor, axis=1)))
            known = self._textures[name] = _Texture(image, factor, native)
            self.updates += 1
        known.drawn = True
        return imgui.ImTextureRef(known.native.texture_id)

    def end_frame(self) -> None:
        """Release what was not drawn since the last call."""
        self._textures = {name: texture for name, texture in self._textures.items() if texture.drawn}
        for texture in self._textures.values():
            texture.drawn = False

    def release(self) -> None:
        """Release all; to be called while OpenGL is still there."""
        self._textures.clear()


def _enlargement(pixels: int, edge: float) -> int:
    """Return the smallest power of two that brings `pixels` to `edge`, within `LARGEST_EDGE`."""
    wanted = 2 ** math.ceil(math.log2(max(edge / pixels, 1.0)))
    while wanted > 1 and wanted * pixels > LARGEST_EDGE:
        wanted //= 2
    return int(wanted)
