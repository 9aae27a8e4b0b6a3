"""The walk through scenes without a window: what the user has chosen, what to compute for it, what there is to show."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from cnsr.config import Config
from cnsr.rendering import PathTracer
from cnsr.scenes import description
from cnsr.training.evaluation import outputs_of_generators
from cnsr.viewers.predictor import Predicted, Predictor
from cnsr.viewers.walk_camera import Point, WalkCamera
from cnsr.viewers.walk_pictures import Look, WalkPictures, pictures_of
from cnsr.viewers.walk_rendering import STILL, Rendered, RenderRequest, WalkRenderer
from cnsr.viewers.walk_scenes import SceneSupply, WalkScene
from cnsr.viewers.worker import Worker, message_of, report

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


class WalkController:
    """A walk through scenes of a dataset, or through one of a file.

    All methods are for one thread, that of the window, and return at once; rendering and networks run in two others.
    `update`, called every frame, takes what they have made and gives them what the user's choices ask for.

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
        error: what went wrong last, until it is dismissed.
        pictures: what there is to show.
    """

    def __init__(
        self,
        config: Config,
        tracer: PathTracer,
        supply: SceneSupply,
        predictor: Predictor | None = None,
        scene: tuple[description.Scene, str] | None = None,
        still: float = STILL,
    ) -> None:
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
        self.error: str | None = None
        self.pictures = WalkPictures()
        self._scene: WalkScene
        self.camera: WalkCamera
        self._supply = supply
        self._numbers = 0  # scenes so far
        self._index = -1  # of the dataset's scene
        self._draws = 0  # of observations of this scene
        self._renderer = WalkRenderer(tracer, still)
        self._rendering: Worker[Rendered] = Worker("rendering")
        self._predicting: Worker[_Prediction] = Worker("predicting")
        self._submitted: RenderRequest | None = None
        self._rendered: Rendered | None = None
        self._prediction: _Prediction | None = None
        self._shown: tuple[object, ...] = ()
        if scene is None:
            self.random_scene()
        else:
            self._enter(supply.of_file(*scene, number=self._numbers))

    @property
    def scene(self) -> WalkScene:
        """The scene that the walk is in."""
        return self._scene

    @property
    def busy(self) -> bool:
        """Whether anything is being computed."""
        return self._rendering.busy or self._predicting.busy

    @property
    def settled(self) -> bool:
        """Whether all is shown that the user's choices ask for, or cannot be, as `error` then tells."""
        shown = self._rendered is None or self._shown == self._to_show()
        return not self.busy and self._submitted == self._request() and shown

    @property
    def samples_done(self) -> tuple[int, int]:
        """Samples a pixel so far, of the walk's view and of the observations."""
        if self._rendered is None:
            return 0, 0
        return self._rendered.reference_samples, self._rendered.observation_samples

    def update(self) -> None:
        """Take over what has been computed, and ask for what is missing. To be called every frame."""
        for rendered in self._rendering.collect():
            if rendered.request.scene.number == self._scene.number:
                self._rendered = rendered
                self._predict(rendered)
        for prediction in self._predicting.collect():
            if prediction.rendered.request.scene.number == self._scene.number:
                self._prediction = prediction
        for error in (self._rendering.take_error(), self._predicting.take_error()):
            if error is not None:
                self._failed(error)
        request = self._request()
        if request != self._submitted:
            self._submitted = request
            self._rendering.submit(lambda ticket: self._renderer.run(request, ticket))
        self._show()

    def close(self) -> None:
        """End both threads."""
        self._rendering.close()
        self._predicting.close()

    def fail(self, error: Exception) -> None:
        """Show what an action raised instead of ending the program."""
        report(error)
        self._failed(error)

    def dismiss_error(self) -> None:
        """Show the error no longer."""
        self.error = None

    def random_scene(self) -> None:
        """Go to the next random scene of the dataset."""
        self._index += 1
        self._enter(self._supply.random_scene(self._index, self._numbers))

    def new_observations(self) -> None:
        """Observe the scene from other places."""
        self._draws += 1
        self._scene = self._supply.with_new_observations(self._scene, self._draws)

    def return_to_start(self) -> None:
        """Put the camera where the walk through this scene began."""
        own = self._scene.description.camera
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
        angle = math.radians(self._scene.description.camera.fov)
        self.camera = self.camera.turned(right * angle, -down * angle)

    def _enter(self, scene: WalkScene) -> None:
        self._scene = scene
        self._numbers += 1
        self._draws = 0
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
        begin = self._scene.description.camera.position
        if self._rendered is None or not self._rendered.bounds.holds(begin):
            return position
        low, high = self._rendered.bounds
        least = np.minimum(low + _TO_WALLS, begin)
        x, y, z = np.clip(position, least, np.maximum(high - _TO_WALLS, begin)).tolist()
        return x, y, z

    def _failed(self, error: Exception) -> None:
        self.error = message_of(error)
        if self._rendered is None:  # what is still shown is of another scene
            self.pictures = WalkPictures()

    def _request(self) -> RenderRequest:
        config = self.config
        return RenderRequest(
            scene=self._scene,
            camera=self.camera.for_rendering(),
            size=config.render_size,
            reference_size=self.reference_size,
            reference_buffer=self._look().reference,
            query_buffers=config.query_passes,
            observation_buffers=tuple(dict.fromkeys((*config.observation_passes, self.observation_buffer))),
            query_samples=self.query_samples,
            observation_samples=self.observation_samples,
        )

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

    def _to_show(self) -> tuple[object, ...]:
        return self._rendered, self._prediction, self._look()

    def _show(self) -> None:
        """Make the pictures anew if anything about them has changed."""
        shown = self._to_show()
        if shown == self._shown or self._rendered is None:
            return
        predicted = self._prediction.predicted if self._prediction is not None else None
        self.pictures = pictures_of(self.config, self._rendered, predicted, self._look())
        self._shown = shown


def _shown_first(config: Config, outputs: list[tuple[int, str]]) -> int:
    """Return the last output that is the config's output pass, or the last one."""
    wanted = [place for place, (_, made) in enumerate(outputs) if made == config.model.output_pass]
    return wanted[-1] if wanted else len(outputs) - 1
