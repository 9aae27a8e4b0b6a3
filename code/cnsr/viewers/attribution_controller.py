"""visualize-attributions without a window: what the user has chosen, what to compute for it, what there is to show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cnsr.errors import ViewerError
from cnsr.rendering import PathTracer
from cnsr.training.inference import TrainedModel
from cnsr.viewers import attribution_folder
from cnsr.viewers.attribution_engine import AttributionEngine, AttributionRequest, Explanation
from cnsr.viewers.attribution_pictures import AttributionPictures, attribution_pictures
from cnsr.viewers.attribution_settings import AttributionSettings, Networks
from cnsr.viewers.controller import ViewerController
from cnsr.viewers.tour import FirstScene
from cnsr.viewers.walk_scenes import SceneSupply
from cnsr.viewers.worker import Worker

_Sources = tuple[Explanation, AttributionSettings]


class AttributionController(ViewerController[AttributionRequest, _Sources, AttributionPictures]):
    """Explains outputs of trained networks for scenes of a dataset, or for one of a file; all in one thread.

    Args:
        trained: the networks.
        tracer: renders.
        supply: where scenes and the places of observations come from.
        out_path: folder for what is saved.
        scene: to begin with, instead of a random one; with what to call it.

    Attributes:
        networks: what there is to choose from.
        note: what was saved or loaded last.
    """

    def __init__(
        self,
        trained: TrainedModel,
        tracer: PathTracer,
        supply: SceneSupply,
        out_path: Path,
        scene: FirstScene | None = None,
    ) -> None:
        super().__init__(supply, AttributionPictures(), scene)
        self.trained = trained
        self.out_path = out_path
        self.networks = Networks.of(trained)
        self.note = ""
        self._settings = self.networks.first_settings()
        self._engine = AttributionEngine(tracer, trained)
        self._worker: Worker[Explanation] = self._new_worker("explaining")
        self._found: Explanation | None = None

    @property
    def settings(self) -> AttributionSettings:
        """The user's choices."""
        return self._settings

    @property
    def progress(self) -> tuple[str, float]:
        """What is being computed, and the share of it that is done."""
        return self._engine.stage, self._engine.share

    @property
    def title(self) -> str:
        """What is explained, in words."""
        return self.networks.title(self._settings)

    def change(self, **changes: Any) -> None:
        """Change some of the settings by their names (`AttributionSettings`).

        Raises:
            ViewerError: there is no such value.
        """
        try:
            self._settings = self.networks.adapted(self._settings.changed(**changes))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise ViewerError(f"{place}: {first['msg'].lower()}, found {first['input']!r}") from None

    def explain_pixel(self, x: float, y: float) -> None:
        """Explain the patch about a place in the image, given as shares of its edge."""
        size, patch = self.networks.size(self._settings), self.networks.patch_size(self._settings)
        column, row = (min(max(round(share * size - patch / 2), 0), size - patch) for share in (x, y))
        self.change(pixel_x=column, pixel_y=row, representation_grad=False, activate_mean=False)

    def toggle_mean(self) -> None:
        """Explain the whole image or representation, or a part again."""
        self.change(activate_mean=not self._settings.activate_mean)

    def toggle_representation(self) -> None:
        """Explain the representation, or an image again."""
        self.change(representation_grad=not self._settings.representation_grad)

    def toggle_partition(self) -> None:
        """Explain a partition of the representation, or a channel again.

        Raises:
            ViewerError: the representation has no partitions.
        """
        if not self.networks.partitions[self._settings.encoder]:
            raise ViewerError("this representation has no partitions (latent_separation is false in the config)")
        self.change(partition_mean=not self._settings.partition_mean)

    def toggle_style(self) -> None:
        """Show attributions as a heat map, or multiplied with the image."""
        self.change(style="multiplied" if self._settings.style == "heat map" else "heat map")

    def save(self) -> Path:
        """Write everything to a new folder in `out_path`, and return it.

        Raises:
            ViewerError: the attribution is not there yet.
            StorageError: it cannot be written.
        """
        found = self._found
        if found is None or found.attribution is None or found.request != self._request():
            raise ViewerError("nothing can be saved before the attribution is computed")
        self._show()
        saved = attribution_folder.Saved(
            job_name=self.trained.config.job_name,
            iteration=self.trained.iteration,
            title=self.scene.title,
            observations=attribution_folder.saved_cameras(self.scene),
            seeds=self.scene.seeds,
            settings=self._settings,
        )
        path = attribution_folder.save(self.out_path, saved, found, self.pictures, self.title)
        self.note = f"saved {path}"
        return path

    def load(self, path: Path) -> None:
        """Show again what was saved in a folder; nothing changes if it cannot be read.

        Raises:
            UserError: there is nothing saved, it is damaged, or it is of another version or config.
        """
        saved, scene = attribution_folder.load(path, self._tour.next_number)
        self._use(saved, path)
        self._tour.enter(scene)
        self._begin_scene()

    def use_settings(self, path: Path) -> None:
        """Take over the choices that were saved in a folder, but not the scene. Raises as `load`."""
        self._use(attribution_folder.load_settings(path), path)

    def load_last(self) -> None:
        """Show again what was saved last in `out_path`.

        Raises:
            UserError: there is nothing, or see `load`.
        """
        folders = self.saved()
        if not folders:
            raise ViewerError(f"{self.out_path}: nothing is saved there yet")
        self.load(folders[-1])

    def saved(self) -> list[Path]:
        """Return the folders in `out_path` that can be loaded."""
        return attribution_folder.saved_folders(self.out_path)

    def _use(self, saved: attribution_folder.Saved, path: Path) -> None:
        self.networks.check(saved.settings, str(path))
        self._settings = saved.settings
        trained = (self.trained.config.job_name, self.trained.iteration)
        same = (saved.job_name, saved.iteration) == trained
        other = "" if same else f"; it was saved with {saved.job_name} at iteration {saved.iteration}"
        self.note = f"loaded {path}{other}"

    def _is_less(self, found: Explanation) -> bool:
        """Whether a result has no attribution yet, but the one before it, of the same images, has.

        That one stays until the new one comes: nothing flickers while a slider moves.
        """
        return found.attribution is None and self._found is not None and self._found.images is found.images

    def _begin_scene(self) -> None:
        self._found = None
        self.pictures = AttributionPictures()

    def _request(self) -> AttributionRequest:
        return AttributionRequest(self.scene, self._settings.samples, self.networks.explained(self._settings))

    def _submit(self, request: AttributionRequest) -> None:
        self._worker.submit(lambda ticket: self._engine.run(request, ticket))

    def _collect(self) -> None:
        for found in self._worker.collect():
            if found.request.scene is self.scene and not self._is_less(found):
                self._found = found

    def _sources(self) -> _Sources | None:
        return None if self._found is None else (self._found, self._settings)

    def _pictures_of(self, sources: _Sources) -> AttributionPictures:
        return attribution_pictures(*sources, self.networks)
