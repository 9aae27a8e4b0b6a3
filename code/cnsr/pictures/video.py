"""Videos of frames: MP4 (H.264) and WebM (VP9) by PyAV, GIF by Pillow.

PyAV brings FFmpeg's libraries in its wheel, so that no program has to be installed. Equal frames give equal bytes:
encoders run in one thread, since what several make depends on their number.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnsr.files import atomic_path
from cnsr.pictures.files import PngFile

# Codec, and what makes it visually lossless: the noise of few samples costs bits, which a short video can afford.
_CODECS: dict[str, tuple[str, dict[str, str]]] = {
    ".mp4": ("libx264", {"crf": "16", "preset": "medium"}),
    ".webm": ("libvpx-vp9", {"crf": "20", "b": "0", "deadline": "good", "cpu-used": "3"}),
}
VIDEOS = (*_CODECS, ".gif")
"""Endings of videos that can be written."""

EVEN_ONLY = tuple(_CODECS)
"""Those whose colors have half the resolution, so that edges must be even."""

_PALETTE_FRAMES = 16
_BT709 = 1  # primaries, transfer and matrix of high definition (ITU-T H.273)


@dataclass(frozen=True)
class VideoFile:
    """A video of frames that lie beside it until it is written.

    Attributes:
        path: where it goes; one of the endings in ``VIDEOS``.
        digest: of what it is made from, which it keeps as its comment.
        frames: its pictures, of one size, in a folder of their own.
        fps: frames a second; GIF knows hundredths of a second only.
    """

    path: Path
    digest: str
    frames: tuple[PngFile, ...]
    fps: float

    def found(self) -> str | None:
        """Return the digest of what lies at `path`: ``None`` if nothing does, empty if it has none."""
        if not self.path.exists():
            return None
        return _gif_comment(self.path) if self._is_gif else _film_comment(self.path)

    def write(self) -> None:
        """Write the video, whole or not at all, and remove its frames. Raises ``StorageError``."""
        with atomic_path(self.path) as temporary:
            (self._write_gif if self._is_gif else self._write_film)(temporary)
        with suppress(OSError):  # left-overs do no harm, and what others have put there stays
            for frame in self.frames:
                frame.path.unlink(missing_ok=True)
            self.frames[0].path.parent.rmdir()

    @property
    def _is_gif(self) -> bool:
        return self.path.suffix.lower() == ".gif"

    def _write_gif(self, path: Path) -> None:
        palette = _palette(self.frames)
        pictures = (Image.fromarray(frame.read()).quantize(palette=palette) for frame in self.frames)
        next(pictures).save(
            path,
            save_all=True,
            append_images=pictures,
            duration=max(20, 10 * round(100 / self.fps)),  # milliseconds; browsers slow down what is faster
            loop=0,
            comment=self.digest.encode(),
        )

    def _write_film(self, path: Path) -> None:
        import av  # slow to load, like the codecs that come with it
        from av.video.reformatter import ColorRange, Colorspace

        codec, options = _CODECS[path.suffix.lower()]
        # Nothing of the time of day; the index goes first, for players in browsers.
        container_options = {"fflags": "+bitexact"} | ({"movflags": "+faststart"} if codec == "libx264" else {})
        with av.open(str(path), "w", container_options=container_options) as container:
            container.metadata["comment"] = self.digest
            rate = Fraction(self.fps).limit_denominator(1001)
            stream: Any = container.add_stream(codec, rate=rate, options=options)
            stream.height, stream.width = self.frames[0].read().shape[:2]
            stream.pix_fmt = "yuv420p"
            context = stream.codec_context
            context.thread_count = 1
            context.color_primaries = context.color_trc = context.colorspace = _BT709
            context.color_range = ColorRange.MPEG
            for frame in self.frames:
                picture = av.VideoFrame.from_ndarray(frame.read(), format="rgb24").reformat(
                    format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
                )
                container.mux(stream.encode(picture))
            container.mux(stream.encode())


def _gif_comment(path: Path) -> str:
    try:
        with Image.open(path, formats=("GIF",)) as image:
            comment = image.info.get("comment", b"")
    except (OSError, ValueError, SyntaxError):
        return ""
    return comment.decode("ascii", "replace") if isinstance(comment, bytes) else ""


def _film_comment(path: Path) -> str:
    import av

    try:
        with av.open(str(path)) as container:
            metadata = {name.lower(): text for name, text in container.metadata.items()}
    except av.FFmpegError:
        return ""
    return str(metadata.get("comment", ""))


def _palette(frames: tuple[PngFile, ...]) -> Image.Image:
    """Return 256 colors for all frames: with colors of their own, still parts would flicker."""
    step = -(-len(frames) // _PALETTE_FRAMES)
    some: NDArray[np.uint8] = np.concatenate([frame.read() for frame in frames[::step]])
    return Image.fromarray(some).quantize(256)
