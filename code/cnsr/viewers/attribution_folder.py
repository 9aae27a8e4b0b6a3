"""Saved attributions: a folder with all that is shown as images and arrays, and what brings it back.

``settings.json`` and ``scene.json`` are what is read again; everything else is for other programs and for people.
"""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, ValidationError

from cnsr.attribution.attributor import Attribution
from cnsr.display import displayed
from cnsr.errors import ViewerError
from cnsr.files import storage_error
from cnsr.json_faults import Fault, faults_of, one_line, quote
from cnsr.json_text import JsonSyntaxError, KeyPath, parse_json
from cnsr.rendering import Camera
from cnsr.scenes.bounds import Bounds
from cnsr.scenes.description import Scene, compact_json, load_scene
from cnsr.viewers import heat_maps
from cnsr.viewers.attribution_engine import Explanation
from cnsr.viewers.attribution_figure import figure
from cnsr.viewers.attribution_pictures import AttributionPictures
from cnsr.viewers.attribution_settings import AttributionSettings
from cnsr.viewers.walk_scenes import WalkScene

VERSION = 1
SETTINGS, SCENE = "settings.json", "scene.json"

Point = tuple[float, float, float]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class SavedCamera(_Part):
    """Where an observation is taken from."""

    position: Point
    lookat: Point


class Saved(_Part):
    """What ``settings.json`` holds: how the window was, but for the scene.

    Attributes:
        version: of the format.
        job_name, iteration: of the networks that were explained; for people.
        title: of the scene.
        observations: where they are taken from.
        seeds: of the samples of the query view and of each observation.
        settings: the choices.
    """

    version: Literal[1] = 1
    job_name: str
    iteration: int
    title: str
    observations: tuple[SavedCamera, ...]
    seeds: tuple[int, ...]
    settings: AttributionSettings


def saved_folders(folder: Path) -> list[Path]:
    """Return the folders in `folder` that hold saved attributions, in the order of their names."""
    try:
        return sorted(path.parent for path in folder.glob(f"*/{SETTINGS}") if not path.parent.name.startswith("."))
    except OSError:
        return []


def save(
    folder: Path,
    saved: Saved,
    found: Explanation,
    pictures: AttributionPictures,
    title: str,
) -> Path:
    """Write everything to a new folder in `folder`, which appears whole or not at all, and return it.

    Args:
        folder: made if it is not there.
        saved: the settings.
        found: what was computed; with an attribution.
        pictures: of it.
        title: of what was explained.

    Raises:
        StorageError: it cannot be written.
    """
    temporary: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".saving.", dir=folder))
        (temporary / SETTINGS).write_text(saved.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (temporary / SCENE).write_text(compact_json(_movable(found.images.scene.description)), encoding="utf-8")
        figure(pictures, title).save(temporary / "figure.png")
        totals = {group: {entry.name: entry.value for entry in entries} for group, entries in pictures.totals}
        (temporary / "totals.json").write_text(json.dumps(totals, indent=2) + "\n", encoding="utf-8")
        _Writer(temporary, saved.settings, found.images.bounds).write(found, pictures)
        temporary.chmod(0o755)
        path = _next(folder)
        temporary.rename(path)
        temporary = None
    except OSError as error:
        raise storage_error(folder, error) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return path


def load(path: Path, number: int) -> tuple[Saved, WalkScene]:
    """Read what was saved.

    Args:
        path: the folder, or its ``settings.json``.
        number: that the scene shall have.

    Raises:
        ViewerError: there are no settings, or they are damaged or of another version.
        SceneError: the scene beside them is missing or damaged.
    """
    saved = load_settings(path)
    scene = load_scene(_settings_file(path).with_name(SCENE))
    cameras = tuple(Camera(camera.position, camera.lookat) for camera in saved.observations)
    return saved, WalkScene(number, saved.title, scene, cameras, saved.seeds)


def load_settings(path: Path) -> Saved:
    """Read the settings alone. Raises ``ViewerError`` as `load`."""
    return _read(_settings_file(path))


def saved_cameras(scene: WalkScene) -> tuple[SavedCamera, ...]:
    """Return the places of a scene's observations, as they are saved."""
    return tuple(
        SavedCamera(position=_point(camera.position), lookat=_point(camera.lookat)) for camera in scene.observations
    )


def _point(values: Any) -> Point:
    x, y, z = (float(value) for value in values)
    return x, y, z


def _settings_file(path: Path) -> Path:
    return path / SETTINGS if path.is_dir() else path


def _read(file: Path) -> Saved:
    try:
        text = file.read_bytes().decode("utf-8-sig")
        data, duplicates = parse_json(text)
    except FileNotFoundError:
        raise ViewerError(
            f"{file}: there are no saved settings; name a folder that visualize-attributions has saved"
        ) from None
    except OSError as error:
        raise ViewerError(f"{file}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ViewerError(f"{file}: expected JSON in UTF-8, but byte {error.start} is not UTF-8") from None
    except JsonSyntaxError as error:
        raise ViewerError(f"{file}:{error.line}:{error.column}: {error.message}") from None
    if not isinstance(data, dict) or "version" not in data:
        raise ViewerError(f"{file}: expected settings of visualize-attributions, but there is no version in it")
    if data["version"] != VERSION:
        found = f"has settings of version {quote(data['version'])}, this viewer reads version {VERSION}"
        raise ViewerError(f"{file}: {found}; choose them anew, and save")
    faults = [Fault(place, "the key stands twice") for place in duplicates]
    try:
        saved = Saved.model_validate_json(json.dumps(data))
    except ValidationError as error:
        faults += faults_of(error, _model_at, ())
        saved = None
    if saved is not None and len(saved.seeds) != len(saved.observations) + 1:
        faults.append(Fault(("seeds",), f"expected {len(saved.observations) + 1}, found {len(saved.seeds)}"))
    if saved is not None and not saved.observations:
        faults.append(Fault(("observations",), "expected one at least"))
    if faults or saved is None:
        raise ViewerError(one_line(str(file), faults, text))
    return saved


def _model_at(location: KeyPath) -> type[BaseModel]:
    match location:
        case ("settings", _):
            return AttributionSettings
        case ("observations", int(), _):
            return SavedCamera
        case _:
            return Saved


def _movable(scene: Scene) -> dict[str, Any]:
    """Return the JSON of a scene in which files beside the scene's own are named with all their folders."""
    data = scene.model_dump(mode="json")
    if scene.folder is not None:
        named = [(entry, "filename") for part in ("lights", "geometry") for entry in data[part] if "filename" in entry]
        named += [(entry, "texture") for entry in data["materials"].values() if entry.get("texture")]
        for entry, key in named:
            if (scene.folder / entry[key]).is_file():
                entry[key] = str((scene.folder / entry[key]).resolve())
    return data


def _next(folder: Path) -> Path:
    """Return the first free one of the folders 0001, 0002, ... ."""
    return next(path for count in itertools.count(1) if not (path := folder / f"{count:04}").exists())


class _Writer:
    """Writes buffers and attributions: each as an image and as the array behind it."""

    def __init__(self, folder: Path, settings: AttributionSettings, bounds: Bounds) -> None:
        self.folder, self.settings, self.bounds = folder, settings, bounds

    def write(self, found: Explanation, pictures: AttributionPictures) -> None:
        """Write all there is."""
        images, attribution = found.images, found.attribution
        for name, image in images.query.items():
            self._buffer(f"query/{name}", name, image)
        for index, view in enumerate(images.observations):
            for name, image in view.items():
                self._buffer(f"observation{index + 1}/{name}", name, image)
        for index, made in enumerate(images.predictions):
            for name, image in made.items():
                self._buffer(f"prediction{index}/{name}", name, image)
        if pictures.prediction is not None:
            self._image("prediction_marked", pictures.prediction.colors)
        for index, values in enumerate(images.representations):
            self._array(f"representation{index}", values)
        if attribution is not None:
            self._attributions(attribution, found)

    def _attributions(self, attribution: Attribution, found: Explanation) -> None:
        for name, values in attribution.queries.items():
            self._attribution("query", name, values.numpy(), found.images.query[name], float(values.sum(dim=0).max()))
        for name, values in attribution.observations.items():
            largest = float(values.sum(dim=1).max())
            for index, (one, view) in enumerate(zip(values.numpy(), found.images.observations, strict=True)):
                self._attribution(f"observation{index + 1}", name, one, view[name], largest)
        for index, part in enumerate(attribution.representations):
            self._array(f"representation{index}_attribution", part.numpy())

    def _buffer(self, place: str, name: str, image: NDArray[np.float32]) -> None:
        self._array(place, image)
        self._image(place, self._displayed(name, image))

    def _attribution(
        self, view: str, name: str, values: NDArray[np.float32], image: NDArray[np.float32], largest: float
    ) -> None:
        """Write an attribution [C, H, W] as an array [H, W, C], and its sum over channels as an image."""
        place, settings = f"{view}/{name}_attribution", self.settings
        self._array(place, np.moveaxis(values, 0, -1))
        share = heat_maps.shares(values.sum(axis=0), settings.range_min * largest, settings.range_max * largest)
        self._image(place, heat_maps.painted(share, self._displayed(name, image), settings))

    def _displayed(self, name: str, image: NDArray[np.float32]) -> NDArray[np.uint8]:
        return displayed(name, image, exposure=self.settings.exposure, extent=self.bounds)

    def _array(self, place: str, values: NDArray[np.float32]) -> None:
        file = self.folder / f"{place}.npy"
        file.parent.mkdir(exist_ok=True)
        np.save(file, np.ascontiguousarray(values))

    def _image(self, place: str, colors: NDArray[np.uint8]) -> None:
        Image.fromarray(colors).save(self.folder / f"{place}.png")
