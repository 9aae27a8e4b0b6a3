"""Own reference images of some scenes of the gallery: mean, and variance of one rendering, as EXR files.

    PYTHONPATH=code python tests/reference/reference_images.py

renders them anew. That is right after a change which is meant to change images, and only once `sh run_tests.sh -m
reference` has found the new images equal to Mitsuba's; a faster or less noisy renderer keeps the old ones.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR

FOLDER = Path(__file__).resolve().parent / "images"
if __name__ == "__main__":
    sys.path.append(str(FOLDER.parents[1] / "renderer"))

from image_statistics import Estimate  # noqa: E402 - the scenes that it may render lie in another folder
from scene_gallery import gallery, write_texture  # noqa: E402

NAMES = (
    "matt box",
    "glossy box 0.5",
    "textured",
    "many lights",
    "many hidden lights",
    "mirrors 0.05",
    "smooth glossy meshes",
)
SIZE = 32
SAMPLES = 32
RENDERINGS = 512
"""Independent renderings behind a reference, of SAMPLES a pixel each."""
FIRST_SEED = 1_000_000


def path(name: str) -> Path:
    """Return the file of a scene."""
    return FOLDER / f"{name.replace(' ', '_')}.exr"


def load(name: str) -> Estimate:
    """Return the reference of a scene."""
    with OpenEXR.File(str(path(name)), separate_channels=True) as file:
        channels = {name: channel.pixels for name, channel in file.channels().items()}
    mean, variance = (np.stack([channels[prefix + one] for one in "RGB"], -1) for prefix in ("", "variance."))
    return Estimate(mean.astype(np.float64), variance.astype(np.float64), RENDERINGS)


def save(name: str, estimate: Estimate) -> None:
    """Write the reference of a scene: channels R, G, B hold the mean, variance.R and so on the variance."""
    channels: dict[str, Any] = {}
    for number, one in enumerate("RGB"):
        channels[one] = np.ascontiguousarray(estimate.mean[..., number], np.float32)
        channels[f"variance.{one}"] = np.ascontiguousarray(estimate.variance[..., number], np.float32)
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, channels) as file:
        file.write(str(path(name)))


def main() -> None:
    """Render all references."""
    from cnsr.rendering import PathTracer

    tracer = PathTracer()
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        write_texture(Path(folder))
        scenes = gallery(Path(folder))
        for name in NAMES:
            seeds = range(FIRST_SEED, FIRST_SEED + RENDERINGS)
            views = tracer.render_views([scenes[name]] * RENDERINGS, SIZE, SAMPLES, list(seeds), clamp=None)
            save(name, Estimate.of([view.buffers["beauty"] for view in views]))
            print(f"{path(name).name}: {path(name).stat().st_size} bytes")


if __name__ == "__main__":
    main()
