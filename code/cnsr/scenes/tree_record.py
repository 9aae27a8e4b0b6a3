"""``dataset.json``: which seed and config a tree of scene files is made with, agreed on by all runs that share it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cnsr.config import Config
from cnsr.errors import DatasetError
from cnsr.files import create_text

NAME = "dataset.json"
FORMAT = "cnsr scene files 1"
# Settings that decide what is in the files.
_DECISIVE = ("dataset", "batch_size", "test_batch_size", "views_per_scene", "latent_separation")


def agreed_seed(out: Path, config: Config, seed: int) -> int:
    """Return the seed of the tree in `out`, and record it with the config if no run has done so yet.

    Several runs may do this at the same moment: the first one's seed is everybody's.

    Args:
        out: an existing folder.
        config: of this run.
        seed: of this run; -1 for the recorded one, or else one that is drawn.

    Raises:
        DatasetError: the folder is of another seed or config, or holds scene files but no record of them.
        StorageError: the record could not be written.
    """
    path = out / NAME
    # Looked for before the record: another run that starts now writes its record first.
    has_files = any(out.glob("*/batch*"))
    if not path.exists():
        if has_files:
            raise DatasetError(f"{out}: holds scene files but no {NAME} that says how they were made; choose another")
        record = {
            "format": FORMAT,
            "seed": secrets.randbits(31) if seed < 0 else seed,
            "config": config.model_dump(mode="json", exclude={"train_data_dir", "test_data_dir"}),
        }
        create_text(path, json.dumps(record, indent=4) + "\n")
    recorded = _read(path)
    conflicts = [
        f"{key} is {recorded['config'].get(key)!r} there and {getattr(config, key)!r} here"
        for key in _DECISIVE
        if recorded["config"].get(key) != getattr(config, key)
    ]
    if seed >= 0 and seed != recorded["seed"]:
        conflicts.append(f"seed is {recorded['seed']} there and {seed} here")
    if conflicts:
        raise DatasetError(f"{path}: was made with another config: {'; '.join(conflicts)}; choose another folder")
    return int(recorded["seed"])


def _read(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from None
    seed = record.get("seed") if isinstance(record, dict) else None
    if (
        not isinstance(record, dict)
        or record.get("format") != FORMAT
        or not isinstance(record.get("config"), Mapping)
        or not isinstance(seed, int)
        or seed < 0
    ):
        raise DatasetError(f"{path}: is not the record of a folder of scene files; choose another folder")
    return record
