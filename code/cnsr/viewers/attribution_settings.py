"""What the user of visualize-attributions has chosen: the outputs to explain, and how to show what explains them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from cnsr.attribution.outputs import Channels, Outputs, Patch, whole_image, whole_representation
from cnsr.config import Config
from cnsr.errors import ViewerError
from cnsr.training.evaluation import outputs_of_generators
from cnsr.training.inference import TrainedModel
from cnsr.viewers.heat_maps import Scale, Style

EXPOSURES = (-6.0, 6.0)
LARGEST_PIXEL = 2**16

Whole = Annotated[int, Field(ge=0, le=LARGEST_PIXEL)]
Count = Annotated[int, Field(ge=1, le=LARGEST_PIXEL)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class AttributionSettings(BaseModel):
    """All choices but the scene.

    Attributes:
        generator, output: the image that is explained: a generator's output pass.
        encoder: whose representation is plotted, and explained with `representation_grad`.
        pixel_x, pixel_y: upper left pixel of the patch. With `representation_grad`, `pixel_x` is the channel or, with
            `partition_mean`, the partition.
        patch_size: edge in pixels.
        activate_mean: explain the whole image, or the whole representation.
        representation_grad: explain the representation instead of an image.
        partition_mean: explain a whole partition instead of a channel.
        range_min, range_max: ends of the scale, as shares of the largest attribution of the images that share it.
        query_buffer: shown above; None where the generator is given none.
        observation_buffer: shown below.
        style: colors of a scale over a grey image, or the image multiplied with the attribution.
        scale: of colors.
        opacity: of the colors over the image.
        exposure: stops, for all that shows light.
        samples: a pixel, of all rendered images.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    generator: Whole
    output: str
    encoder: Whole = 0
    pixel_x: Whole = 0
    pixel_y: Whole = 0
    patch_size: Count = 1
    activate_mean: bool = False
    representation_grad: bool = False
    partition_mean: bool = False
    range_min: Share = 0.0
    range_max: Share = 1.0
    query_buffer: str | None = None
    observation_buffer: str
    style: Style = "heat map"
    scale: Scale = "cividis"
    opacity: Share = 0.85
    exposure: Annotated[float, Field(ge=EXPOSURES[0], le=EXPOSURES[1])] = 0.0
    samples: Annotated[int, Field(ge=1, le=LARGEST_PIXEL)] = 64

    def changed(self, **changes: Any) -> AttributionSettings:
        """Return the settings with some changed. Raises pydantic's ``ValidationError`` for values out of range."""
        return AttributionSettings.model_validate({**self.model_dump(), **changes})


@dataclass(frozen=True)
class Networks:
    """What there is to choose from, which follows from config and weights.

    Attributes:
        config: of the networks.
        outputs: (generator, pass) of every image that the generators make.
        query_buffers: of each generator: what its images depend on.
        partitions: of each encoder: the channels of each partition that has any.
    """

    config: Config
    outputs: tuple[tuple[int, str], ...]
    query_buffers: tuple[tuple[str, ...], ...]
    partitions: tuple[dict[str, tuple[int, ...]], ...]

    @classmethod
    def of(cls, trained: TrainedModel) -> Networks:
        """Return what trained networks offer."""
        config, model = trained.config, trained.model
        found = [model.representation.partitions(index) for index in range(len(config.model.representations))]
        return cls(
            config,
            tuple(outputs_of_generators(config)),
            tuple(model.generator.dependencies(index)[1] for index in range(len(config.model.generators))),
            tuple(
                {name: tuple(channels.tolist()) for name, channels in each.items() if len(channels)} for each in found
            ),
        )

    def first_settings(self) -> AttributionSettings:
        """Return the settings to begin with: a patch in the middle of the last image of the config's output pass."""
        config = self.config
        wanted = [place for place in self.outputs if place[1] == config.model.output_pass]
        generator, output = wanted[-1] if wanted else self.outputs[-1]
        seen = config.observation_passes
        middle = config.model.generators[generator].render_size // 2
        return AttributionSettings(
            generator=generator,
            output=output,
            pixel_x=middle,
            pixel_y=middle,
            query_buffer=next(iter(self.query_buffers[generator]), None),
            observation_buffer=config.model.output_pass if config.model.output_pass in seen else seen[0],
            samples=config.samples_per_pixel,
        )

    def check(self, settings: AttributionSettings, source: str) -> None:
        """Make sure that settings fit the networks.

        Args:
            settings: of other networks perhaps.
            source: what the message calls them.

        Raises:
            ViewerError: they do not; names what there is instead.
        """
        config = self.config
        if (settings.generator, settings.output) not in self.outputs:
            known = ", ".join(f"{name} of generator {index}" for index, name in self.outputs)
            what = f"explains {settings.output!r} of generator {settings.generator}, but the config has {known}"
        elif settings.encoder >= len(self.partitions):
            what = f"shows encoder {settings.encoder}, but the config has {len(self.partitions)}, numbered from 0"
        elif settings.observation_buffer not in config.observation_passes:
            known = _listed(config.observation_passes)
            what = f"shows {settings.observation_buffer!r} of the observations, which have {known}"
        elif settings.query_buffer not in (self.query_buffers[settings.generator] or (None,)):
            given = _listed(self.query_buffers[settings.generator])
            what = f"shows {settings.query_buffer!r} of the query, but the generator is given {given}"
        elif settings.partition_mean and not self.partitions[settings.encoder]:
            what = "explains a partition, but the config has none"
        else:
            return
        raise ViewerError(f"{source}: is of another config: it {what}")

    def adapted(self, settings: AttributionSettings) -> AttributionSettings:
        """Return settings that ask for nothing that is not there with the chosen generator and encoder."""
        changes: dict[str, Any] = {}
        given = self.query_buffers[settings.generator]
        if settings.query_buffer not in (given or (None,)):
            changes["query_buffer"] = next(iter(given), None)
        if settings.partition_mean and not self.partitions[settings.encoder]:
            changes["partition_mean"] = False
        return settings.changed(**changes) if changes else settings

    def largest(self, settings: AttributionSettings) -> tuple[int, int]:
        """Return the largest values that `pixel_x` and `pixel_y` can have as things are."""
        if settings.representation_grad:
            if settings.partition_mean:
                return len(self.partitions[settings.encoder]) - 1, 0
            return self.config.model.representations[settings.encoder].representation_dim - 1, 0
        most = self.size(settings) - self.patch_size(settings)
        return most, most

    def place(self, settings: AttributionSettings) -> tuple[int, int]:
        """Return `pixel_x` and `pixel_y`, or the largest there can be."""
        x, y = self.largest(settings)
        return min(settings.pixel_x, x), min(settings.pixel_y, y)

    def size(self, settings: AttributionSettings) -> int:
        """Return the edge of the explained image in pixels."""
        return self.config.model.generators[settings.generator].render_size

    def patch_size(self, settings: AttributionSettings) -> int:
        """Return the edge of the patch, at most that of the image."""
        return min(settings.patch_size, self.size(settings))

    def explained(self, settings: AttributionSettings) -> Outputs:
        """Return the outputs that are to be explained."""
        x, y = self.place(settings)
        if settings.representation_grad:
            if settings.activate_mean:
                return whole_representation(self.config, settings.encoder)
            if settings.partition_mean:
                return Channels(settings.encoder, [*self.partitions[settings.encoder].values()][x])
            return Channels(settings.encoder, (x,))
        if settings.activate_mean:
            return whole_image(self.config, settings.generator, settings.output)
        size = self.patch_size(settings)
        return Patch(settings.generator, settings.output, x, y, size, size)

    def title(self, settings: AttributionSettings) -> str:
        """Return in words what is explained."""
        x, y = self.place(settings)
        if settings.representation_grad:
            several = len(self.partitions) > 1
            of = f" of encoder {settings.encoder + 1}" if several else ""
            if settings.activate_mean:
                return f"the whole representation{of}"
            if settings.partition_mean:
                return f"the {[*self.partitions[settings.encoder]][x]} partition{of}"
            return f"channel {x} of the representation{of}"
        if settings.activate_mean:
            return f"the whole image, {settings.output}"
        size = self.patch_size(settings)
        return f"{size} x {size} pixel{'s' * (size > 1)} at {x}, {y}, {settings.output}"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"
