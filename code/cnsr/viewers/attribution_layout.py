"""How the images, plots and totals of visualize-attributions share the window."""

from __future__ import annotations

from dataclasses import dataclass

SMALLEST_EDGE = 48.0
TOP_IMAGES = 4
_LARGEST_PLOTS, _SMALLEST_PLOTS = 280.0, 110.0
_PLOTS = 0.3  # of the height, where there is room for it: then all totals are seen


@dataclass(frozen=True)
class AttributionLayout:
    """Sizes in pixels of the screen.

    Attributes:
        top: edge of the images in the upper row.
        below: edge of the observations and of their attributions, which stand in one row.
        plots: height of plots and totals.
    """

    top: float
    below: float
    plots: float


def attribution_layout(width: float, height: float, observations: int, gap: float, texts: float) -> AttributionLayout:
    """Return the largest images that fit.

    Args:
        width: of all.
        height: of all.
        observations: how many there are.
        gap: between images.
        texts: height of all lines of text and gaps above, between and below the images.
    """
    top = (width - (TOP_IMAGES - 1) * gap) / TOP_IMAGES
    count = 2 * max(observations, 1)
    below = min((width - (count - 1) * gap) / count, top)
    plots = min(max(_PLOTS * height, _SMALLEST_PLOTS), _LARGEST_PLOTS)
    room = height - texts - plots
    if top + below > room:
        scale = max(room, 2 * SMALLEST_EDGE) / (top + below)
        top, below = scale * top, scale * below
    top, below = max(top, SMALLEST_EDGE), max(below, SMALLEST_EDGE)
    plots = min(max(height - texts - top - below, plots), _LARGEST_PLOTS)
    return AttributionLayout(top, below, plots)
