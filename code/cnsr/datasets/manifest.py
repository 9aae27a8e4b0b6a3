"""What shapes the pixels of a rendered data set, and the file that says so beside them (``dataset.json``)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from cnsr.config import Config
from cnsr.datasets.exr import Precision
from cnsr.errors import ConfigError, DatasetError
from cnsr.files import create_text, write_text
from cnsr.rendering import MAX_SAMPLES

FORMAT_VERSION = 1
NAME = "dataset.json"


@dataclass(frozen=True)
class RenderSettings:
    """Everything but the scenes that decides about the pixels. Networks and learning rates do not.

    Attributes:
        passes: the rendered buffers, in table order.
        size: pixels along an edge.
        samples: per pixel; with `target_error` those to start with.
        precision: of the stored floats.
        target_error: relative standard error that each view is rendered to; ``None`` for none.
        max_samples: per pixel, with `target_error`.
    """

    passes: tuple[str, ...]
    size: int
    samples: int
    precision: Precision
    target_error: float | None = None
    max_samples: int | None = None

    @classmethod
    def of(
        cls,
        config: Config,
        precision: Precision = "half",
        target_error: float | None = None,
        max_samples: int | None = None,
    ) -> RenderSettings:
        """Return what `config` asks for, and to which error it is rendered.

        Raises:
            ConfigError: an error is asked for that the renderer cannot tell.
        """
        samples = config.samples_per_pixel
        if target_error is None:
            return cls(config.passes, config.render_size, samples, precision)
        if "beauty" not in config.passes:
            raise ConfigError("target_error: is the error of beauty, which no network of this config reads or aims at")
        limit = max(MAX_SAMPLES, samples) if max_samples is None else max_samples
        if limit < samples:
            raise ConfigError(
                f"max_samples: expected at least the config's samples_per_pixel, {samples}, found {limit}"
            )
        return cls(config.passes, config.render_size, samples, precision, target_error, limit)

    def record(self) -> dict[str, Any]:
        """Return the settings that are made, by name, as ``dataset.json`` holds them."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def options(self) -> dict[str, Any]:
        """Return the arguments of ``PathTracer.render_views`` that follow from these settings."""
        options: dict[str, Any] = {"size": self.size, "samples": self.samples, "buffers": self.passes}
        options["half"] = self.precision == "half"
        if self.target_error is not None:
            options |= {"target_error": self.target_error, "max_samples": self.max_samples}
        return options

    def digest(self) -> str:
        """Return the hash that each part's ``cnsr:config`` attribute carries."""
        return hashlib.sha256(json.dumps([FORMAT_VERSION, self.record()], sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Manifest:
    """``dataset.json``: a rendered data set as a whole.

    Attributes:
        render: what shapes the pixels.
        batches: how many there are when all are finished.
        scenes_per_batch: of the first batch.
        views_per_scene: of the first batch.
        seed: that the scenes were drawn with, or ``None`` where nobody knows.
        config: all settings of the config that was used.
    """

    render: RenderSettings
    batches: int
    scenes_per_batch: int
    views_per_scene: int
    seed: int | None
    config: dict[str, Any]

    def write(self, folder: Path) -> None:
        """Write ``dataset.json`` into `folder`; one that says something else of the same settings is replaced.

        Raises:
            DatasetError: another run has described the folder with other settings.
            StorageError: it cannot be written.
        """
        content = {"format": "cnsr-exr", "version": FORMAT_VERSION, "digest": self.render.digest(), **asdict(self)}
        content["render"] = self.render.record()
        path, text = folder / NAME, json.dumps(content, indent=2) + "\n"
        if not create_text(path, text):
            check_folder(folder, self.render)
            if path.read_text(encoding="utf-8") != text:
                write_text(path, text)


def check_folder(folder: Path, render: RenderSettings) -> None:
    """Check that what ``dataset.json`` in `folder` (if any) says agrees with `render`.

    Raises:
        DatasetError: it was rendered with other settings, or by a later version; or the file is no such description.
    """
    path = folder / NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version, there = content["version"], content["render"]
        pairs = [
            (field.name, there.get(field.name) if field.default is None else there[field.name])
            for field in fields(render)
        ]
        differing = [
            f"{name} is {_text(value)} there, now {_text(getattr(render, name))}"
            for name, value in pairs
            if _text(value) != _text(getattr(render, name))
        ]
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{path}: is no description of a data set; choose another folder or delete it") from error
    if version != FORMAT_VERSION:
        raise DatasetError(
            f"{path}: has version {version}, this program writes {FORMAT_VERSION}; choose another folder"
        )
    if differing:
        raise DatasetError(
            f"{folder}: was rendered with other settings ({'; '.join(differing)}); choose another --out_folder, "
            "or render it anew with --overwrite"
        )


def scene_seed(in_folder: Path) -> int | None:
    """Return the seed that ``dataset.json`` of the scene files (beside or above `in_folder`) records, if it does."""
    for folder in (in_folder, in_folder.parent):
        try:
            seed = json.loads((folder / NAME).read_text(encoding="utf-8"))["seed"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if isinstance(seed, int):
            return seed
    return None


def _text(value: Any) -> str:
    if value is None:
        return "not set"
    return ", ".join(value) if isinstance(value, (list, tuple)) else str(value)
