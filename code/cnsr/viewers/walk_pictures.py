"""The pictures of a walk: what was rendered and predicted, as colors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnsr.buffers import BUFFERS, Display
from cnsr.config import Config
from cnsr.display import displayed
from cnsr.scenes.bounds import Bounds
from cnsr.training.evaluation import outputs_of_generators
from cnsr.viewers.picture import Legend, Picture
from cnsr.viewers.predictor import Predicted
from cnsr.viewers.walk_rendering import Rendered

_GREYS: NDArray[np.uint8] = np.repeat(np.arange(0, 256, 4, dtype=np.uint8)[:, None], 3, axis=1)


@dataclass(frozen=True)
class Look:
    """How the user wants to see things.

    Attributes:
        output: which image of the generators to show, an index into ``outputs_of_generators``.
        reference, observation: the buffers to show of the walk's view and of the observations.
        exposure: stops.
    """

    output: int
    reference: str
    observation: str
    exposure: float


@dataclass(frozen=True)
class WalkPictures:
    """Everything to show. Before the first rendering there is nothing.

    Attributes:
        reference: path traced.
        prediction: of the network, if there is one.
        psnr: of the prediction in dB against what was rendered of it so far, of passes that hold light.
        observations: what the network sees of the scene.
        given: what the last generator is given of the walk's view.
    """

    reference: Picture | None = None
    prediction: Picture | None = None
    psnr: float | None = None
    observations: tuple[Picture, ...] = ()
    given: tuple[Picture, ...] = ()


def pictures_of(config: Config, rendered: Rendered, predicted: Predicted | None, look: Look) -> WalkPictures:
    """Return the pictures of what was rendered and predicted.

    Positions and distances are scaled to the scene, so that colors keep their meaning while the camera moves.

    Args:
        config: of the networks.
        rendered: so far; a buffer that has just been chosen may be missing yet, and is then left out.
        predicted: of the networks, if there are any.
        look: how to show it.
    """

    def picture(name: str, image: NDArray[np.float32]) -> Picture:
        colors = displayed(name, image, exposure=look.exposure, extent=rendered.bounds)
        return Picture(name, colors, image, legend=_legend(name, rendered.bounds))

    seen, reference = rendered.query.images, rendered.reference.images
    prediction, psnr = None, None
    if predicted is not None:
        generator, made = outputs_of_generators(config)[look.output]
        prediction = picture(made, predicted.outputs[generator][made])
        if BUFFERS[made].display is Display.RADIANCE:
            psnr = predicted.psnr[generator][made]
        given = predicted.given
    else:
        given = {name: seen[name] for name in config.model.generators[-1].query_passes}
    return WalkPictures(
        reference=picture(look.reference, reference[look.reference]) if look.reference in reference else None,
        prediction=prediction,
        psnr=psnr,
        observations=tuple(
            picture(look.observation, view.images[look.observation])
            for view in rendered.observations
            if look.observation in view.images
        ),
        given=tuple(picture(name, image) for name, image in given.items()),
    )


def _legend(name: str, bounds: Bounds) -> Legend | None:
    """Return the scale of buffers that are shown as greys."""
    match BUFFERS[name].display:
        case Display.FRACTION:
            return Legend(_GREYS, 0.0, 1.0)
        case Display.DISTANCE:
            return Legend(_GREYS, 0.0, float(np.linalg.norm(bounds.high - bounds.low)), "m")
        case _:
            return None
