"""Rendering for a walk, in the worker's thread: the walk's own view and the observations, better and better."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cnsr.rendering import Camera, LoadedScene, PathTracer
from cnsr.viewers.refinement import RefinedView, Refinement
from cnsr.viewers.walk_scenes import WalkScene
from cnsr.viewers.worker import Ticket


@dataclass(frozen=True)
class RenderRequest:
    """What is to be rendered.

    Attributes:
        scene: with the places of the observations.
        camera: of the walk.
        size: of all images in pixels.
        query_buffers, observation_buffers: of the walk's view and of the observations.
        query_samples, observation_samples: a pixel, in the end.
    """

    scene: WalkScene
    camera: Camera
    size: int
    query_buffers: tuple[str, ...]
    observation_buffers: tuple[str, ...]
    query_samples: int
    observation_samples: int


@dataclass(frozen=True, eq=False)
class Rendered:
    """What has been rendered so far for a request.

    Attributes:
        request: the request.
        query: the walk's own view.
        observations: one view each; the same object as long as nothing about them changes.
        query_samples, observation_samples: a pixel, so far.
    """

    request: RenderRequest
    query: RefinedView
    observations: tuple[RefinedView, ...]
    query_samples: int
    observation_samples: int

    @property
    def finished(self) -> bool:
        """Whether all samples are there."""
        wanted = (self.request.query_samples, self.request.observation_samples)
        return (self.query_samples, self.observation_samples) == wanted


class WalkRenderer:
    """Renders one request after the other.

    It keeps of the last one what the next can use: the loaded scene, and views whose camera and buffers are the same.

    Args:
        tracer: renders.
    """

    def __init__(self, tracer: PathTracer) -> None:
        self._tracer = tracer
        self._scene: tuple[WalkScene, LoadedScene] | None = None
        self._query: tuple[object, Refinement] | None = None
        self._observed: tuple[object, Refinement] | None = None

    def run(self, request: RenderRequest, ticket: Ticket[Rendered]) -> None:
        """Render until all samples are there, publishing every pass.

        The first pass of each view is rendered whatever happens, so that a camera that moves all the time is followed;
        from then on a newer request ends this one at once.

        Raises:
            JobCancelledError: a newer request waits.
            UserError: the scene cannot be loaded or rendered.
        """
        query, observed = self._refinements(request)
        for part, target in ((query, request.query_samples), (observed, request.observation_samples)):
            if part.samples == 0:
                part.refine(target)
        ticket.publish(_so_far(request, query, observed))
        for part, target in _in_turns(request, query, observed):
            ticket.check()
            part.refine(target, progress=ticket.check)
            ticket.publish(_so_far(request, query, observed))

    def _refinements(self, request: RenderRequest) -> tuple[Refinement, Refinement]:
        scene = self._loaded(request.scene)
        own = (scene, request.camera, request.size, request.query_buffers)
        if self._query is None or self._query[0] != own:
            seeds = request.scene.seeds[:1]
            made = Refinement(self._tracer, scene, [request.camera], seeds, request.size, request.query_buffers)
            self._query = own, made
        places = (scene, request.scene.observations, request.size, request.observation_buffers)
        if self._observed is None or self._observed[0] != places:
            seeds, cameras = request.scene.seeds[1:], request.scene.observations
            made = Refinement(self._tracer, scene, cameras, seeds, request.size, request.observation_buffers)
            self._observed = places, made
        return self._query[1], self._observed[1]

    def _loaded(self, scene: WalkScene) -> LoadedScene:
        if self._scene is None or self._scene[0].description is not scene.description:
            self._scene = scene, self._tracer.load_scene(scene.description)
        return self._scene[1]


def _in_turns(request: RenderRequest, query: Refinement, observed: Refinement) -> Iterator[tuple[Refinement, int]]:
    """Yield what to refine next, and how far, until both are done: what is less complete, the query first."""
    targets = {query: request.query_samples, observed: request.observation_samples}
    while waiting := [part for part, target in targets.items() if part.samples != target]:
        part = min(waiting, key=lambda one: one.samples / targets[one])
        yield part, targets[part]


def _so_far(request: RenderRequest, query: Refinement, observed: Refinement) -> Rendered:
    return Rendered(request, query.views[0], observed.views, query.samples, observed.samples)
