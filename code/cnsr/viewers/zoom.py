"""Which part of an image a view shows."""

from __future__ import annotations

from dataclasses import dataclass

LARGEST_ZOOM = 32.0


@dataclass(frozen=True)
class Zoom:
    """A square part of a square image; never beyond its edges.

    Attributes:
        factor: how much larger than the whole image it is shown, from 1 to `LARGEST_ZOOM`.
        left, top: its corner, as a share of the image's edge.
    """

    factor: float = 1.0
    left: float = 0.0
    top: float = 0.0

    @property
    def extent(self) -> float:
        """Its edge, as a share of the image's."""
        return 1.0 / self.factor

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the place in the image, as shares of its edge, that is seen at (x, y) in [0, 1]² of the view."""
        return self.left + x * self.extent, self.top + y * self.extent

    def pixel(self, x: float, y: float, size: int) -> tuple[int, int]:
        """Return (column, row) of the pixel that is seen at (x, y) of the view, in an image of size x size pixels."""
        column, row = self.at(x, y)
        return min(max(int(column * size), 0), size - 1), min(max(int(row * size), 0), size - 1)

    def scaled(self, by: float, x: float, y: float) -> Zoom:
        """Return the zoom enlarged by a factor, where what is seen at (x, y) of the view stays there."""
        factor = min(max(self.factor * by, 1.0), LARGEST_ZOOM)
        column, row = self.at(x, y)
        return _within(factor, column - x / factor, row - y / factor)

    def moved(self, x: float, y: float) -> Zoom:
        """Return the zoom after its content was dragged by (x, y) of the view's edge."""
        return _within(self.factor, self.left - x * self.extent, self.top - y * self.extent)


def _within(factor: float, left: float, top: float) -> Zoom:
    most = 1.0 - 1.0 / factor
    return Zoom(factor, min(max(left, 0.0), most), min(max(top, 0.0), most))
