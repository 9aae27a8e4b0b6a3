"""The result picture: a row a scene, images side by side under their titles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cnsr.files import atomic_path

_EDGE, _GAP, _TITLE = 160, 6, 26
_BACKGROUND, _INK = (250, 250, 250), (30, 30, 30)


def save_picture(path: Path, titles: Sequence[str], rows: Sequence[Sequence[NDArray[np.uint8]]]) -> None:
    """Write a PNG with one row of images for each scene.

    Args:
        path: where the PNG goes.
        titles: one a column.
        rows: images ``[H, W, 3]``, sRGB; as many in each row as there are titles.

    Raises:
        StorageError: the file could not be written.
    """
    width = _GAP + len(titles) * (_EDGE + _GAP)
    height = _TITLE + len(rows) * (_EDGE + _GAP)
    sheet = Image.new("RGB", (width, height), _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=13)
    for column, title in enumerate(titles):
        left = _GAP + column * (_EDGE + _GAP)
        draw.text((left + _EDGE / 2, _TITLE / 2), title, fill=_INK, font=font, anchor="mm")
        for row, images in enumerate(rows):
            # Nearest neighbour: pixels are shown as they are.
            tile = Image.fromarray(images[column]).resize((_EDGE, _EDGE), Image.Resampling.NEAREST)
            sheet.paste(tile, (left, _TITLE + row * (_EDGE + _GAP)))
    with atomic_path(path) as temporary:
        sheet.save(temporary)
