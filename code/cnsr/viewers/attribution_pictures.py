"""What visualize-attributions shows: images, attributions as colors, plots and totals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnsr.attribution.attributor import Attribution, total
from cnsr.attribution.outputs import Patch
from cnsr.display import displayed
from cnsr.viewers import heat_maps
from cnsr.viewers.attribution_engine import Explanation
from cnsr.viewers.attribution_settings import AttributionSettings, Networks
from cnsr.viewers.picture import Legend, Picture

MARK = (255, 0, 0)
PARTITION_COLORS = {
    "lighting": (0.90, 0.27, 0.24),
    "geometry": (0.27, 0.70, 0.33),
    "material": (0.30, 0.49, 0.95),
    "empty": (0.45, 0.45, 0.45),
    "": (0.80, 0.80, 0.80),
}
"""sRGB in [0, 1]; "" is of channels that belong to no partition."""


@dataclass(frozen=True, eq=False)
class Plot:
    """Numbers by channel of a representation.

    Attributes:
        title: what they are.
        values: float64 [R].
        partitions: (name, channels) in the order of the legend; each channel belongs to one. "" is none.
    """

    title: str
    values: NDArray[np.float64]
    partitions: tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Total:
    """The summed attribution of one input, and its share of its group."""

    name: str
    value: float
    share: float


@dataclass(frozen=True, eq=False)
class AttributionPictures:
    """Everything to show. What has not been computed yet is missing.

    Attributes:
        beauty: of the query view, path traced.
        reference: of the explained image.
        prediction: with the patch marked.
        query: attribution of the chosen query buffer.
        observations: the chosen buffer of each.
        attributions: of that buffer of each observation.
        plots: the representation, and its attribution.
        totals: by group.
    """

    beauty: Picture | None = None
    reference: Picture | None = None
    prediction: Picture | None = None
    query: Picture | None = None
    observations: tuple[Picture, ...] = ()
    attributions: tuple[Picture, ...] = ()
    plots: tuple[Plot, ...] = ()
    totals: tuple[tuple[str, tuple[Total, ...]], ...] = ()


def attribution_pictures(found: Explanation, settings: AttributionSettings, networks: Networks) -> AttributionPictures:
    """Return the pictures of what was computed.

    Args:
        found: so far.
        settings: how to show it.
        networks: that were explained.
    """
    images, attribution = found.images, found.attribution
    name, output = settings.observation_buffer, settings.output

    def picture(buffer: str, image: NDArray[np.float32]) -> Picture:
        return Picture(buffer, displayed(buffer, image, exposure=settings.exposure, extent=images.bounds), image)

    predicted = images.predictions[settings.generator][output]
    seen = tuple(picture(name, view[name]) for view in images.observations)
    shown = AttributionPictures(
        beauty=picture("beauty", images.query["beauty"]),
        reference=picture(output, images.query[output]),
        prediction=_marked(picture(output, predicted), networks, settings),
        observations=seen,
        plots=(_representation_plot(found, settings, networks),),
    )
    if attribution is None:
        return shown
    by_view = attribution.observations[name].sum(dim=1).numpy()  # [N, H, W]
    query = settings.query_buffer
    return AttributionPictures(
        **{
            **vars(shown),
            "query": None
            if query is None
            else _heated([picture(query, images.query[query])], query_map(attribution, query)[None], settings)[0],
            "attributions": _heated(seen, by_view, settings),
            "plots": (*shown.plots, _attribution_plot(attribution, settings, networks)),
            "totals": totals(attribution, networks),
        }
    )


def query_map(attribution: Attribution, name: str) -> NDArray[np.float32]:
    """Return the attribution of each pixel of a query buffer, [H, W]; 0 where the outputs know nothing of it."""
    if name in attribution.queries:
        found: NDArray[np.float32] = attribution.queries[name].sum(dim=0).numpy()
        return found
    return np.zeros(next(iter(attribution.observations.values())).shape[-2:], np.float32)


def totals(attribution: Attribution, networks: Networks) -> tuple[tuple[str, tuple[Total, ...]], ...]:
    """Return the summed attributions of all buffers, representations and partitions, by group."""
    groups = [
        ("Query buffers", {name: total(values) for name, values in attribution.queries.items()}),
        ("Observation buffers", {name: total(values) for name, values in attribution.observations.items()}),
    ]
    several = len(attribution.representations) > 1
    names = [f"encoder {index + 1}" if several else "all" for index in range(len(attribution.representations))]
    values = [total(part) for part in attribution.representations]
    groups.append(("Representation", dict(zip(names, values, strict=True))))
    for index, (title, partitions) in enumerate(zip(names, networks.partitions, strict=True)):
        part = attribution.representations[index]
        sums = {name: total(part[list(channels)]) for name, channels in partitions.items()}
        groups.append((f"Partitions of {title}" if several else "Partitions", sums))
    return tuple((title, _shared(sums)) for title, sums in groups if sums)


def _shared(sums: dict[str, float]) -> tuple[Total, ...]:
    whole = sum(sums.values())
    return tuple(Total(name, value, value / whole if whole else 0.0) for name, value in sums.items())


def _heated(
    below: Sequence[Picture], values: NDArray[np.float32], settings: AttributionSettings
) -> tuple[Picture, ...]:
    """Return the attributions [N, H, W] of N images, all on one scale."""
    largest = float(values.max())
    low, high = settings.range_min * largest, settings.range_max * largest
    result = []
    for picture, numbers in zip(below, values, strict=True):
        share = heat_maps.shares(numbers, low, high)
        colors = heat_maps.painted(share, picture.colors, settings)
        name = f"attribution of {picture.name}"
        result.append(
            Picture(name, colors, numbers[..., None], legend=Legend(heat_maps.legend_colors(settings), low, high))
        )
    return tuple(result)


def _marked(picture: Picture, networks: Networks, settings: AttributionSettings) -> Picture:
    """Return the picture with a frame along the inner edge of the explained patch."""
    patch = networks.explained(settings)
    if not isinstance(patch, Patch) or settings.activate_mean:
        return picture
    colors = picture.colors.copy()
    rows, columns = slice(patch.top, patch.top + patch.height), slice(patch.left, patch.left + patch.width)
    for row in (patch.top, patch.top + patch.height - 1):
        colors[row, columns] = MARK
    for column in (patch.left, patch.left + patch.width - 1):
        colors[rows, column] = MARK
    return Picture(picture.name, colors, picture.values)


def _representation_plot(found: Explanation, settings: AttributionSettings, networks: Networks) -> Plot:
    values = found.images.representations[settings.encoder]
    title = "Representation" if values.shape[1:] == (1, 1) else "Representation, mean of the map"
    return Plot(title, values.astype(np.float64).mean((1, 2)), _owners(settings, networks, len(values)))


def _attribution_plot(attribution: Attribution, settings: AttributionSettings, networks: Networks) -> Plot:
    values = attribution.representations[settings.encoder].double().sum(dim=(1, 2)).numpy()
    return Plot("Attribution of the representation", values, _owners(settings, networks, len(values)))


def _owners(
    settings: AttributionSettings, networks: Networks, channels: int
) -> tuple[tuple[str, tuple[int, ...]], ...]:
    partitions = networks.partitions[settings.encoder]
    owned = {channel for part in partitions.values() for channel in part}
    rest = tuple(channel for channel in range(channels) if channel not in owned)
    return (*partitions.items(), ("", rest)) if rest else tuple(partitions.items())
