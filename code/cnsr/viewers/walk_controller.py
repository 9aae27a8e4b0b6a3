"""The walk through scenes without a window: what the user has chosen, what to compute for it, what there is to show."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from cnsr.config import Config
from cnsr.rendering import PathTracer
from cnsr.training.evaluation import outputs_of_generators
from cnsr.viewers.controller import ViewerController
from cnsr.viewers.predictor import Predicted, Predictor
from cnsr.viewers.tour import FirstScene
from cnsr.viewers.walk_camera import Point, WalkCamera
from cnsr.viewers.walk_pictures import Look, WalkPictures, pictures_of
from cnsr.viewers.walk_rendering import STILL, Rendered, RenderRequest, WalkRenderer
from cnsr.viewers.walk_scenes import SceneSupply
from cnsr.viewers.worker import Worker

SAMPLES = 256
"""Samples a pixel at first, of the walk's view and of the observations."""
SAMPLES_STEP = 10
SIZES = (128, 256, 512)
"""Pixels along an edge that the reference can have, besides the networks' own."""
FINE_SIZE = 128
"""That of the reference where no prediction stands beside it."""
EXPOSURES = (-6.0, 6.0)
"""Stops that the exposure can be set to."""
_SPEED = 0.2  # share of the room's diagonal that one walks in a second
_UNKNOWN_ROOM = 10.0  # metres
_TO_WALLS = 0.1  # metres that the camera keeps from the walls, as those of datasets do


@dataclass(frozen=True, eq=False)
class _Prediction:
    """A prediction, and what it was made of."""

    rendered: Rendered
    predicted: Predicted


_Sources = tuple[Rendered, _Prediction | None, Look]


class WalkController(ViewerController[RenderRequest, _Sources, WalkPictures]):
    """A walk through scenes of a dataset, or through one of a file; rendering and networks run in two threads.

    Args:
        config: names the dataset and the networks.
        tracer: renders.
        supply: where scenes and the places of observations come from.
        predictor: the trained networks, if there are any.
        scene: to begin with, instead of a random one; with what to call it.
        still: seconds without a change after which pictures are refined.

    Attributes:
        camera: of the walk.
        query_samples, observation_samples: a pixel, in the end.
        exposure: stops, for all that shows light.
        output: which image of which generator is shown, an index into `outputs`.
        outputs: (generator, pass) of every image that the generators make.
        reference_buffer: what the reference shows; None for what the prediction shows.
        reference_size: of the reference in pixels; one of `reference_sizes`.
        reference_sizes: the first is what the networks see.
        observation_buffer: what the observations show.
    """

    def __init__(
        self,
        config: Config,
        tracer: PathTracer,
        supply: SceneSupply,
        predictor: Predictor | None = None,
        scene: FirstScene | None = None,
        still: float = STILL,
    ) -> None:
        super().__init__(supply, WalkPictures(), scene)
        self.config = config
        self.predictor = predictor
        self.query_samples = self.observation_samples = SAMPLES
        self.exposure = 0.0
        self.outputs = outputs_of_generators(config)
        self.output = _shown_first(config, self.outputs)
        self.reference_buffer: str | None = None
        self.reference_sizes = (config.render_size, *(size for size in SIZES if size > config.render_size))
        # With nothing to compare it with, the reference may as well be fine.
        self.reference_size = config.render_size if predictor else max(config.render_size, FINE_SIZE)
        seen = config.observation_passes
        self.observation_buffer = config.model.output_pass if config.model.output_pass in seen else seen[0]
        self.camera: WalkCamera
        self._renderer = WalkRenderer(tracer, still)
        self._rendering: Worker[Rendered] = self._new_worker("rendering")
        self._predicting: Worker[_Prediction] = self._new_worker("predicting")
        self._rendered: Rendered | None = None
        self._prediction: _Prediction | None = None
        self.return_to_start()

    @property
    def samples_done(self) -> tuple[int, int]:
        """Samples a pixel so far, of the walk's view and of the observations."""
        if self._rendered is None:
            return 0, 0
        return self._rendered.reference_samples, self._rendered.observation_samples

    def return_to_start(self) -> None:
        """Put the camera where the walk through this scene began."""
        own = self.scene.description.camera
        self.camera = WalkCamera.looking(own.position, own.lookat)

    def change_query_samples(self, by: int) -> None:
        """Render the walk's view with more or fewer samples a pixel, never below 1."""
        self.query_samples = max(1, self.query_samples + by)

    def change_observation_samples(self, by: int) -> None:
        """Render the observations with more or fewer samples a pixel, never below 1."""
        self.observation_samples = max(1, self.observation_samples + by)

    def walk(self, right: float, forward: float, seconds: float) -> None:
        """Walk for some time in a direction, given by its components; all directions are equally fast.

        A walk that begins inside a room does not leave it.
        """
        length = math.hypot(right, forward)
        if length > 0.0:
            step = _SPEED * self._room_size() * seconds / length
            moved = self.camera.moved(right * step, forward * step)
            self.camera = replace(moved, position=self._inside(moved.position))

    def look(self, right: float, down: float) -> None:
        """Turn the camera by shares of its field of view."""
        angle = math.radians(self.scene.description.camera.fov)
        self.camera = self.camera.turned(right * angle, -down * angle)

    def _begin_scene(self) -> None:
        self._rendered = self._prediction = None
        self.return_to_start()

    def _room_size(self) -> float:
        """Return the diagonal of the scene in metres; a guess as long as that is not known."""
        if self._rendered is None:
            return _UNKNOWN_ROOM
        bounds = self._rendered.bounds
        return float(np.linalg.norm(bounds.high - bounds.low)) or _UNKNOWN_ROOM

    def _inside(self, position: Point) -> Point:
        """Return `position`, or the nearest one inside the room, if the walk began in one."""
        begin = self.scene.description.camera.position
        if self._rendered is None or not self._rendered.bounds.holds(begin):
            return position
        low, high = self._rendered.bounds
        least = np.minimum(low + _TO_WALLS, begin)
        x, y, z = np.clip(position, least, np.maximum(high - _TO_WALLS, begin)).tolist()
        return x, y, z

    def _failed(self, error: Exception) -> None:
        super()._failed(error)
        if self._rendered is None:  # what is still shown is of another scene
            self.pictures = WalkPictures()

    def _request(self) -> RenderRequest:
        config = self.config
        return RenderRequest(
            scene=self.scene,
            camera=self.camera.for_rendering(),
            size=config.render_size,
            reference_size=self.reference_size,
            reference_buffer=self._look().reference,
            query_buffers=config.query_passes,
            observation_buffers=tuple(dict.fromkeys((*config.observation_passes, self.observation_buffer))),
            query_samples=self.query_samples,
            observation_samples=self.observation_samples,
        )

    def _submit(self, request: RenderRequest) -> None:
        self._rendering.submit(lambda ticket: self._renderer.run(request, ticket))

    def _collect(self) -> None:
        for rendered in self._rendering.collect():
            if rendered.request.scene.number == self.scene.number:
                self._rendered = rendered
                self._predict(rendered)
        for prediction in self._predicting.collect():
            if prediction.rendered.request.scene.number == self.scene.number:
                self._prediction = prediction

    def _predict(self, rendered: Rendered) -> None:
        predictor = self.predictor
        if predictor is not None:
            self._predicting.submit(
                lambda ticket: ticket.publish(
                    _Prediction(rendered, predictor.predict(rendered.query, rendered.observations))
                )
            )

    def _look(self) -> Look:
        _, made = self.outputs[self.output]
        return Look(self.output, self.reference_buffer or made, self.observation_buffer, self.exposure)

    def _sources(self) -> _Sources | None:
        return None if self._rendered is None else (self._rendered, self._prediction, self._look())

    def _pictures_of(self, sources: _Sources) -> WalkPictures:
        rendered, prediction, look = sources
        predicted = prediction.predicted if prediction is not None else None
        return pictures_of(self.config, rendered, predicted, look)


def _shown_first(config: Config, outputs: list[tuple[int, str]]) -> int:
    """Return the last output that is the config's output pass, or the last one."""
    wanted = [place for place, (_, made) in enumerate(outputs) if made == config.model.output_pass]
    return wanted[-1] if wanted else len(outputs) - 1
