"""The JSON Schema of scene files as a shipped file; ``python -m cnsr.scenes.schema`` writes it."""

from __future__ import annotations

import json
from pathlib import Path

from cnsr.files import write_text
from cnsr.scenes.assets import ASSETS
from cnsr.scenes.description import scene_schema

SCHEMA_FILE = ASSETS / "scene.schema.json"
"""For editors and other programs; agrees with ``description.scene_schema``."""


def schema_text() -> str:
    """Return what the shipped file holds."""
    return json.dumps(scene_schema(), indent=2) + "\n"


def write_schema(path: Path) -> None:
    """Write the schema to `path`. Raises ``StorageError``."""
    write_text(path, schema_text())


if __name__ == "__main__":
    write_schema(SCHEMA_FILE)
