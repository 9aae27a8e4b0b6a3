"""How the parts of a window share its room."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

SMALLEST_EDGE = 64.0
_FEWEST, _MOST = 3, 5  # small images in a row


@dataclass(frozen=True)
class Columns:
    """Columns of one large image each, with rows of small ones below it.

    Attributes:
        edge: of the large images, and width of the columns.
        thumbnails: (edge, how many in a row) of the small images of each column.
    """

    edge: float
    thumbnails: tuple[tuple[float, int], ...]


def columns(width: float, height: float, counts: Sequence[int], gap: float, title: float, caption: float) -> Columns:
    """Return the largest columns that fit into `width` and `height`.

    Args:
        width: of all columns with gaps between them.
        height: of each, with a title above the large image and one above the small ones.
        counts: how many small images each column has.
        gap: between columns, and between small images.
        title: height of a line of title.
        caption: height of the line below a small image.
    """
    edge = (width - gap * (len(counts) - 1)) / len(counts)
    for count in counts:
        across = _across(count)
        rows = math.ceil(count / across)
        # edge + rows * (thumbnail + caption) + two titles = height, where thumbnail = (edge - gaps) / across
        gaps = gap * (across - 1) / across
        edge = min(edge, (height - 2.0 * title - rows * (caption - gaps)) / (1.0 + rows / across))
    edge = max(edge, SMALLEST_EDGE)
    return Columns(edge, tuple(((edge - gap * (_across(n) - 1)) / _across(n), _across(n)) for n in counts))


def _across(count: int) -> int:
    """Return how many small images stand in a row: all, if they are not too many or too few."""
    if count <= _MOST:
        return max(count, _FEWEST)
    rows = math.ceil(count / _MOST)
    return math.ceil(count / rows)
