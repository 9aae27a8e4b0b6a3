"""The files that pictures become. Each tells what it was made from, so that a second run knows what is finished.

The digest of a file is a hash of everything that decides about its content. PNG keeps it as text, EXR as the attribute
``cnsr:config``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cnsr.datasets.exr import Origin, Precision, read_header, write_batch
from cnsr.datasets.rendered import stored_batch
from cnsr.display import displayed
from cnsr.errors import DatasetError
from cnsr.files import atomic_path
from cnsr.rendering import View
from cnsr.scenes.bounds import Bounds

_VERSION = 1
_DIGEST = "cnsr:config"


def digest(*settings: Any) -> str:
    """Return a hash of JSON-like values."""
    return hashlib.sha256(json.dumps([_VERSION, *settings], sort_keys=True).encode()).hexdigest()[:16]


class StillFile(Protocol):
    """One file of one view."""

    @property
    def path(self) -> Path:
        """Where it goes."""

    @property
    def digest(self) -> str:
        """Of what it is made from."""

    @property
    def buffers(self) -> tuple[str, ...]:
        """The buffers that it shows."""

    def found(self) -> str | None:
        """Return the digest of what lies there: ``None`` if nothing does, empty if it has none."""

    def write(self, view: View) -> None:
        """Write it, whole or not at all. Raises ``StorageError``."""


@dataclass(frozen=True)
class PngFile:
    """A buffer as colors to look at (``cnsr.display``).

    Attributes:
        path, digest: see ``StillFile``.
        buffer: what is shown.
        exposure: stops.
        extent: of the scene, the scale of positions and distances.
    """

    path: Path
    digest: str
    buffer: str
    exposure: float
    extent: Bounds

    @property
    def buffers(self) -> tuple[str, ...]:
        """The buffer."""
        return (self.buffer,)

    def found(self) -> str | None:
        """See ``StillFile``."""
        if not self.path.exists():
            return None
        try:
            with Image.open(self.path, formats=("PNG",)) as image:
                return str(image.info.get(_DIGEST, ""))
        except (OSError, ValueError, SyntaxError):
            return ""

    def write(self, view: View) -> None:
        """See ``StillFile``."""
        pixels = displayed(self.buffer, view.buffers[self.buffer], exposure=self.exposure, extent=self.extent)
        text = PngInfo()
        text.add_text("Software", "cnsr")
        text.add_text(_DIGEST, self.digest)
        with atomic_path(self.path) as temporary:
            Image.fromarray(pixels).save(temporary, pnginfo=text)

    def read(self) -> NDArray[np.uint8]:
        """Return the pixels [H, W, 3] that were written."""
        with Image.open(self.path) as image:
            return np.asarray(image)


@dataclass(frozen=True)
class ExrFile:
    """Linear values of buffers, with the camera: a data set of one view (``cnsr.datasets.exr``).

    Attributes:
        path, digest, buffers: see ``StillFile``.
        precision: of the stored floats.
        seed: of the rendering, for the header.
        scene: hash of the scene, for the header.
    """

    path: Path
    digest: str
    buffers: tuple[str, ...]
    precision: Precision
    seed: int
    scene: str

    def found(self) -> str | None:
        """See ``StillFile``."""
        if not self.path.exists():
            return None
        try:
            return read_header(self.path)[1].config
        except DatasetError:
            return ""

    def write(self, view: View) -> None:
        """See ``StillFile``."""
        shown = View(**{**vars(view), "buffers": {name: view.buffers[name] for name in self.buffers}})
        origin = Origin(((view.samples,),), self.digest, ((self.seed,),), ((self.scene,),))
        write_batch(self.path, stored_batch([shown], 1, None, self.path.stem), origin, self.precision)
