"""The figure of visualize-attributions as one picture: images, plots and totals, as the window shows them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cnsr.viewers.attribution_pictures import PARTITION_COLORS, AttributionPictures, Plot, Total
from cnsr.viewers.picture import Legend, Picture

_WIDTH, _GAP, _LINE = 1240, 12, 20
_PLOT_HEIGHT, _LEGEND_HEIGHT = 150, 10
_TOTALS_WIDTH = 290
_BACKGROUND, _INK, _DIM = (255, 255, 255), (25, 25, 25), (110, 110, 110)

_Position = tuple[int, int]


def figure(pictures: AttributionPictures, title: str) -> Image.Image:
    """Return the figure of what was computed; `title` says of which outputs."""
    sheet = _Sheet(title)
    top = [
        ("reference, ", pictures.beauty),
        ("reference, as predicted: ", pictures.reference),
        ("prediction, ", pictures.prediction),
        ("", pictures.query),
    ]
    sheet.row([(name + one.name, one) for name, one in top if one is not None])
    below = [(f"observation {index + 1}: {one.name}", one) for index, one in enumerate(pictures.observations)]
    below += [(f"attribution {index + 1}", one) for index, one in enumerate(pictures.attributions)]
    sheet.row(below)
    for plot in pictures.plots:
        sheet.plot(plot)
    sheet.totals(pictures.totals)
    return sheet.finished()


class _Sheet:
    """A page that grows downwards; totals stand at its right."""

    def __init__(self, title: str) -> None:
        self.image = Image.new("RGB", (_WIDTH + _TOTALS_WIDTH, 4000), _BACKGROUND)
        self.draw = ImageDraw.Draw(self.image)
        self.font = ImageFont.load_default(size=13)
        self.bottom = self.lowest = _GAP
        self._text((_GAP, self.bottom), f"Attribution of {title}", _INK)
        self.top = self.bottom = self.bottom + _LINE + _GAP

    def row(self, pictures: Sequence[tuple[str, Picture]]) -> None:
        """Add images side by side, each with its title above and its scale below."""
        edge = min((_WIDTH - _GAP * (len(pictures) + 1)) // max(len(pictures), 1), 300)
        for column, (title, picture) in enumerate(pictures):
            left = _GAP + column * (edge + _GAP)
            self._text((left, self.bottom), title, _INK)
            # Nearest neighbor: pixels are shown as they are.
            tile = Image.fromarray(picture.colors).resize((edge, edge), Image.Resampling.NEAREST)
            self.image.paste(tile, (left, self.bottom + _LINE))
            if picture.legend is not None:
                self._legend(picture.legend, (left, self.bottom + _LINE + edge + 4), edge)
        self.bottom += 2 * _LINE + edge + _LEGEND_HEIGHT + _GAP

    def plot(self, plot: Plot) -> None:
        """Add bars over the channels of a representation."""
        left, top, width = _GAP, self.bottom + _LINE, _WIDTH - 2 * _GAP
        self._text((left, self.bottom), plot.title, _INK)
        legend = left + 320
        for name, channels in plot.partitions:
            color = _bytes(PARTITION_COLORS[name])
            self.draw.rectangle((legend, self.bottom + 3, legend + 10, self.bottom + 13), fill=color)
            self._text((legend + 16, self.bottom), f"{name or 'channels'} ({len(channels)})", _DIM)
            legend += 150
        low, high = min(float(plot.values.min()), 0.0), max(float(plot.values.max()), 0.0)
        unit = _PLOT_HEIGHT / (high - low or 1.0)
        zero = top + high * unit
        step = width / len(plot.values)
        for name, channels in plot.partitions:
            for channel in channels:
                end = zero - float(plot.values[channel]) * unit
                box = (left + channel * step, min(zero, end), left + (channel + 0.9) * step, max(zero, end))
                self.draw.rectangle(box, fill=_bytes(PARTITION_COLORS[name]))
        self.draw.line((left, zero, left + width, zero), fill=_DIM)
        self._text((left, top + _PLOT_HEIGHT + 2), f"{low:.4g} to {high:.4g}, {len(plot.values)} channels", _DIM)
        self.bottom = top + _PLOT_HEIGHT + _LINE + _GAP

    def totals(self, groups: Sequence[tuple[str, Sequence[Total]]]) -> None:
        """Write the totals at the right."""
        left, line = _WIDTH + _GAP, self.top
        for title, entries in groups:
            self._text((left, line), title, _INK)
            line += _LINE
            for entry in entries:
                self._text((left + 10, line), entry.name, _DIM)
                self._text((left + 120, line), f"{entry.value:.4g}", _INK)
                self._text((left + 205, line), f"{100 * entry.share:.1f} %", _DIM)
                line += _LINE
            line += _GAP
        self.lowest = line

    def finished(self) -> Image.Image:
        """Return the page, cut where it ends."""
        return self.image.crop((0, 0, self.image.width, int(max(self.bottom, self.lowest))))

    def _legend(self, legend: Legend, corner: _Position, width: int) -> None:
        bar = Image.fromarray(legend.colors[None]).resize((width, _LEGEND_HEIGHT), Image.Resampling.BILINEAR)
        self.image.paste(bar, corner)
        below = corner[1] + _LEGEND_HEIGHT + 2
        self._text((corner[0], below), f"{legend.low:.4g}", _DIM)
        high = f"{legend.high:.4g}"
        self._text((corner[0] + width - int(self.draw.textlength(high, font=self.font)), below), high, _DIM)

    def _text(self, place: tuple[float, float], text: str, color: tuple[int, int, int]) -> None:
        self.draw.text(place, text, fill=color, font=self.font)


def _bytes(color: Sequence[float]) -> tuple[int, int, int]:
    scaled: NDArray[np.float64] = np.rint(255 * np.asarray(color))
    red, green, blue = (int(value) for value in scaled)
    return red, green, blue
