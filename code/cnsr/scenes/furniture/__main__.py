"""``python -m cnsr.scenes.furniture``: makes all pieces of the catalog, for the cache or as OBJ files."""

from __future__ import annotations

import argparse
from pathlib import Path

from cnsr.cli import run
from cnsr.files import write_text
from cnsr.scenes.furniture.catalog import PIECES
from cnsr.scenes.furniture.storage import FurnitureStorage
from cnsr.scenes.meshes import format_obj


def main() -> None:
    """Make all pieces."""
    parser = argparse.ArgumentParser(
        prog="python -m cnsr.scenes.furniture",
        description="Makes all pieces of furniture with their default proportions, so that scenes find them in the "
        "user's cache folder (environment variable CNSR_CACHE: another folder).",
    )
    parser.add_argument(
        "--export", type=Path, metavar="DIR", help="also write OBJ files for other programs: DIR/PIECE/PART.obj"
    )
    arguments = parser.parse_args()
    storage = FurnitureStorage()
    for piece in PIECES.values():
        first = piece.mesh(piece.parts[0], piece.defaults)
        meshes = storage.meshes(first)
        if arguments.export is not None:
            for part, mesh in meshes.items():
                comment = f"{piece.name}: {part}. Metres, y up. Made by cnsr.scenes.furniture."
                write_text(arguments.export / piece.name / f"{part}.obj", format_obj(mesh, comment))
    where = storage.folder if arguments.export is None else arguments.export
    print(f"{len(PIECES)} pieces of furniture in {where}")


if __name__ == "__main__":
    run(main)
