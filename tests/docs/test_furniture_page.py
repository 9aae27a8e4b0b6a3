"""The page about furniture lists what the catalog holds, and its picture can be made."""

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnsr.scenes.furniture.catalog import PIECES, furniture_mesh

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "archviz.md").read_text(encoding="utf-8")
ROWS = {
    name: (parts, rest) for name, parts, rest in re.findall(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", PAGE, re.MULTILINE)
}


@pytest.mark.parametrize("name", PIECES)
def test_every_piece_is_listed_with_its_parts_and_parameters(name):
    piece = PIECES[name]
    parts, parameters = ROWS[name]
    assert parts == ", ".join(piece.parts)
    assert parameters == ", ".join(
        f"`{one.name}` {one.default:g} ({one.metadata['low']:g} – {one.metadata['high']:g})"
        for one in fields(piece.type)
    )


def test_the_names_of_the_page_are_names():
    names = re.findall(r'"filename": "(.+?)"', PAGE)
    assert names
    assert all(furniture_mesh(name) is not None for name in names)


def test_the_shipped_picture_is_small_and_shows_all():
    path = DOCS / "furniture.png"
    assert path.stat().st_size < 600_000
    with Image.open(path) as image:
        assert image.size == (6 * 256, -(-len(PIECES) // 6) * (256 + 18))


def test_the_picture_can_be_made(tmp_path):
    out = tmp_path / "sheet.png"
    command = [sys.executable, DOCS / "furniture_sheet.py", "--out", out, "--size", "48", "--samples", "4"]
    command += ["--only", "mirror", "chair_ladder_back", "lamp", "--columns", "2", "--seed", "1", "--threads", "1"]
    subprocess.run(command, check=True)
    with Image.open(out) as image:
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.shape == (2 * (48 + 18), 2 * 48, 3)
    chair = pixels[:48, 48:]
    assert np.ptp(chair.astype(int), axis=(0, 1)).min() > 60, "a piece before a white wall"
