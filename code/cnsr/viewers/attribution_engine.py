"""The slow work of visualize-attributions, for the worker's thread: rendering, prediction, attribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cnsr.attribution.attributor import Attribution, Attributor
from cnsr.attribution.outputs import Outputs
from cnsr.buffers import BUFFERS
from cnsr.datasets.batch import Batch
from cnsr.rendering import Camera, PathTracer, View
from cnsr.scenes.bounds import Bounds
from cnsr.training.evaluation import predict
from cnsr.training.inference import TrainedModel
from cnsr.viewers.walk_scenes import WalkScene
from cnsr.viewers.worker import Ticket

Images = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class AttributionRequest:
    """What is to be computed.

    Attributes:
        scene: with its camera and the places of the observations.
        samples: a pixel.
        outputs: to be explained.
    """

    scene: WalkScene
    samples: int
    outputs: Outputs


@dataclass(frozen=True, eq=False)
class SceneImages:
    """A scene as it was rendered, and what the networks make of it.

    Attributes:
        scene: what was rendered.
        bounds: of the scene, the scale of positions and distances.
        samples: a pixel.
        query: {pass: [S, S, C]}: beauty, and all that the generators read or aim at.
        observations: {pass: [S, S, C]} of each.
        predictions: {pass: [S, S, C]} of each generator.
        representations: [R, h, w] of each encoder.
    """

    scene: WalkScene
    bounds: Bounds
    samples: int
    query: Images
    observations: tuple[Images, ...]
    predictions: tuple[Images, ...]
    representations: tuple[NDArray[np.float32], ...]


@dataclass(frozen=True, eq=False)
class Explanation:
    """Result of a request; as long as the attribution is being computed there is none.

    Attributes:
        request: what was asked for.
        images: of the scene.
        attribution: of the outputs.
    """

    request: AttributionRequest
    images: SceneImages
    attribution: Attribution | None


class AttributionEngine:
    """Renders scenes and explains outputs, keeping what the next request may need again.

    Args:
        tracer: renders.
        trained: the networks.

    Attributes:
        stage: what is going on, in words.
        share: of it that is done.
    """

    def __init__(self, tracer: PathTracer, trained: TrainedModel) -> None:
        self._tracer = tracer
        self._trained = trained
        self._images: SceneImages | None = None
        self._attributor: Attributor | None = None
        self.stage, self.share = "", 0.0

    def run(self, request: AttributionRequest, ticket: Ticket[Explanation]) -> None:
        """Compute what is asked for; the images of the scene are published first. A job of a ``Worker``."""
        images, attributor = self._scene(request, ticket)
        ticket.publish(Explanation(request, images, None))
        self._begin("explaining")
        ticket.check()
        attribution = attributor.attribute(request.outputs, lambda share: self._go_on(share, ticket))
        ticket.publish(Explanation(request, images, attribution))

    def _scene(self, request: AttributionRequest, ticket: Ticket[Explanation]) -> tuple[SceneImages, Attributor]:
        known, attributor = self._images, self._attributor
        if known is not None and attributor is not None:
            if known.scene is request.scene and known.samples == request.samples:
                return known, attributor
        self._begin("rendering")
        config, scene = self._trained.config, request.scene
        # Beauty is shown whatever the networks are about.
        query = self._render(request, [None], scene.seeds[:1], {*config.query_passes, "beauty"}, ticket)
        seen = self._render(request, scene.observations, scene.seeds[1:], set(config.observation_passes), ticket)
        self._begin("predicting")
        batch = self._batch(query[0], seen)
        made = predict(self._trained.model, batch, self._trained.iteration)
        attributor = Attributor(self._trained.model, batch, self._trained.iteration)
        images = SceneImages(
            scene,
            self._tracer.bounds(scene.description),
            request.samples,
            dict(query[0].buffers),
            tuple(dict(view.buffers) for view in seen),
            tuple({name: _image(tensor[0]) for name, tensor in outputs.items()} for outputs in made),
            tuple(part.float().cpu().numpy() for part in attributor.representations),
        )
        self._images, self._attributor = images, attributor
        return images, attributor

    def _render(
        self,
        request: AttributionRequest,
        cameras: Sequence[Camera | None],
        seeds: Sequence[int],
        buffers: set[str],
        ticket: Ticket[Explanation],
    ) -> list[View]:
        return self._tracer.render_views(
            [self._tracer.load_scene(request.scene.description)] * len(cameras),
            size=self._trained.config.render_size,
            samples=request.samples,
            seeds=seeds,
            buffers=[name for name in BUFFERS if name in buffers],
            cameras=cameras,
            progress=lambda share: self._go_on(share, ticket),
        )

    def _batch(self, query: View, observations: Sequence[View]) -> Batch:
        passes = self._trained.config.observation_passes
        return Batch(
            observations={
                name: _tensor(np.stack([view.buffers[name] for view in observations]))[None] for name in passes
            },
            observation_poses=torch.from_numpy(np.stack([view.pose for view in observations])).float()[None],
            queries={name: _tensor(image[None]) for name, image in query.buffers.items()},
            query_poses=torch.from_numpy(query.pose[None]).float(),
            factor=None,
            name="scene",
        ).to(self._trained.device)

    def _go_on(self, share: float, ticket: Ticket[Explanation]) -> None:
        self.share = share
        ticket.check()

    def _begin(self, stage: str) -> None:
        self.stage, self.share = stage, 0.0


def _tensor(images: NDArray[np.float32]) -> Tensor:
    """Return images [M, H, W, C] as a tensor [M, C, H, W]."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(images, -1, 1)))


def _image(tensor: Tensor) -> NDArray[np.float32]:
    """Return a tensor [C, H, W] as an image [H, W, C]."""
    image: NDArray[np.float32] = tensor.float().movedim(0, -1).cpu().numpy().copy()
    return image
