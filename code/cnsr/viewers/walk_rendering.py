"""Rendering for a walk, in the worker's thread: the walk's own view and the observations, better and better."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cnsr.rendering import Camera, LoadedScene, PathTracer
from cnsr.scenes import description
from cnsr.scenes.bounds import Bounds
from cnsr.viewers.refinement import RefinedView, Refinement
from cnsr.viewers.walk_scenes import WalkScene
from cnsr.viewers.worker import Ticket

STILL = 0.15
"""Seconds; longer than a frame of a slow machine."""


@dataclass(frozen=True)
class RenderRequest:
    """What is to be rendered.

    Attributes:
        scene: with the places of the observations.
        camera: of the walk.
        size: of what the networks see, in pixels.
        reference_size: of the reference. The reference and what the networks see of the view are one if it is `size`.
        reference_buffer: what the reference shows.
        query_buffers, observation_buffers: of the walk's view and of the observations.
        query_samples, observation_samples: a pixel, in the end.
    """

    scene: WalkScene
    camera: Camera
    size: int
    reference_size: int
    reference_buffer: str
    query_buffers: tuple[str, ...]
    observation_buffers: tuple[str, ...]
    query_samples: int
    observation_samples: int


@dataclass(frozen=True, eq=False)
class Rendered:
    """What has been rendered so far for a request.

    Attributes:
        request: the request.
        bounds: of the scene.
        reference: the walk's own view, to be looked at.
        query: the same, as the networks see it.
        observations: one view each; the same object as long as nothing about them changes.
        reference_samples, observation_samples: a pixel, so far.
    """

    request: RenderRequest
    bounds: Bounds
    reference: RefinedView
    query: RefinedView
    observations: tuple[RefinedView, ...]
    reference_samples: int
    observation_samples: int


class WalkRenderer:
    """Renders one request after the other.

    It keeps of the last one what the next can use: the loaded scene, and views whose camera and buffers are the same.

    Args:
        tracer: renders.
        still: seconds without another request after which a view is taken to stand still.
    """

    def __init__(self, tracer: PathTracer, still: float = STILL) -> None:
        self._tracer = tracer
        self._still = still
        self._scene: tuple[description.Scene, LoadedScene, Bounds] | None = None
        self._parts: dict[str, tuple[object, Refinement]] = {}

    def run(self, request: RenderRequest, ticket: Ticket[Rendered]) -> None:
        """Render until all samples are there, publishing every pass.

        The first pass of each view is rendered whatever happens, so that a camera that moves all the time is followed;
        from then on a newer request ends this one at once. The second pass waits until the view stands still: until
        then it would be wasted, and slow down the window.

        Raises:
            JobCancelledError: a newer request waits.
            UserError: the scene cannot be loaded or rendered.
        """
        parts = self._parts_of(request)
        for part, target in parts.targets():
            if part.samples == 0:
                part.refine(target)
        ticket.publish(parts.so_far())
        if any(parts.in_turns()):
            ticket.pause(self._still)
        for part, target in parts.in_turns():
            ticket.check()
            part.refine(target, progress=ticket.check)
            ticket.publish(parts.so_far())

    def _parts_of(self, request: RenderRequest) -> _Parts:
        scene, bounds = self._loaded(request.scene.description)
        own, others = request.scene.seeds[:1], request.scene.seeds[1:]
        buffers = request.query_buffers
        if request.reference_size == request.size:
            buffers = tuple(dict.fromkeys((*buffers, request.reference_buffer)))
        query = self._part("query", scene, (request.camera,), own, request.size, buffers)
        reference = query
        if request.reference_size != request.size:
            shown = (request.reference_buffer,)
            reference = self._part("reference", scene, (request.camera,), own, request.reference_size, shown)
        places, seen = request.scene.observations, request.observation_buffers
        observed = self._part("observed", scene, places, others, request.size, seen)
        return _Parts(request, bounds, reference, query, observed)

    def _part(
        self,
        name: str,
        scene: LoadedScene,
        cameras: tuple[Camera, ...],
        seeds: tuple[int, ...],
        size: int,
        buffers: tuple[str, ...],
    ) -> Refinement:
        wanted = (cameras, seeds, size, buffers)
        known = self._parts.get(name)
        if known is None or known[0] != wanted:
            known = self._parts[name] = wanted, Refinement(self._tracer, scene, cameras, seeds, size, buffers)
        return known[1]

    def _loaded(self, scene: description.Scene) -> tuple[LoadedScene, Bounds]:
        if self._scene is None or self._scene[0] is not scene:
            self._parts = {}
            loaded = self._tracer.load_scene(scene)
            self._scene = scene, loaded, self._tracer.bounds(loaded)
        return self._scene[1:]


@dataclass(frozen=True)
class _Parts:
    """What is refined for a request; `reference` may be `query` itself."""

    request: RenderRequest
    bounds: Bounds
    reference: Refinement
    query: Refinement
    observed: Refinement

    def targets(self) -> list[tuple[Refinement, int]]:
        """Return the parts with the samples that they shall have, the most urgent first."""
        samples = self.request.query_samples
        walk = [self.reference] if self.reference is self.query else [self.reference, self.query]
        return [*((part, samples) for part in walk), (self.observed, self.request.observation_samples)]

    def in_turns(self) -> Iterator[tuple[Refinement, int]]:
        """Yield what to refine next, and how far, until all is done: what is least complete."""
        while waiting := [(part, target) for part, target in self.targets() if part.samples != target]:
            yield min(waiting, key=lambda one: one[0].samples / one[1])

    def so_far(self) -> Rendered:
        """Return what there is."""
        return Rendered(
            self.request,
            self.bounds,
            self.reference.views[0],
            self.query.views[0],
            self.observed.views,
            self.reference.samples,
            self.observed.samples,
        )
