"""Videos hold the frames that they were made of, in their order, and give the same bytes again."""

from __future__ import annotations

import av
import numpy as np
import pytest
from PIL import Image

from cnsr.errors import StorageError
from cnsr.pictures.files import PngFile
from cnsr.pictures.video import VIDEOS, VideoFile
from cnsr.scenes.bounds import Bounds

BOX = Bounds(np.zeros(3), np.ones(3))
# Full colors, dark and bright ones: a film of the wrong color matrix or range would be 20 and more off.
COLORS = [(200, 40, 40), (40, 200, 40), (40, 40, 200), (235, 235, 235), (20, 20, 20), (220, 180, 40)]


@pytest.fixture
def make(tmp_path):
    """Return a function that makes a video of plain frames, whose upper half is white."""

    def video(name, fps=25.0, size=32):
        path = tmp_path / name
        folder = path.with_name(f"{name}.frames")
        folder.mkdir(exist_ok=True)
        frames = tuple(PngFile(folder / f"frame_{i}.png", "", "beauty", 0.0, BOX) for i in range(len(COLORS)))
        for frame, color in zip(frames, COLORS, strict=True):
            pixels = np.full((size, size, 3), color, np.uint8)
            pixels[: size // 2] = 255
            Image.fromarray(pixels).save(frame.path)
        return VideoFile(path, "0123456789abcdef", frames, fps)

    return video


def decoded(path):
    """Return the frames [N, H, W, 3] of a video, and its frames a second."""
    if path.suffix == ".gif":
        with Image.open(path) as image:
            frames = []
            for index in range(image.n_frames):
                image.seek(index)
                frames.append(np.asarray(image.convert("RGB")))
            return np.stack(frames), 1000 / image.info["duration"]
    with av.open(str(path)) as container:
        (stream,) = container.streams.video
        context = stream.codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)
        frames = [colors(frame.to_ndarray()) for frame in container.decode(stream)]
        return np.stack(frames), stream.average_rate


def colors(planes):
    """Return RGB [H, W, 3] of the planes of yuv420p [3H/2, W], by the formulas of ITU-R BT.709, limited range."""
    height, width = 2 * len(planes) // 3, planes.shape[1]
    luma = (planes[:height].astype(float) - 16) / 219
    halves = (planes[height:].reshape(2, height // 2, width // 2).astype(float) - 128) / 224
    blue, red = halves.repeat(2, 1).repeat(2, 2)
    rgb = [luma + 1.5748 * red, luma - 0.1873 * blue - 0.4681 * red, luma + 1.8556 * blue]
    return np.clip(255 * np.stack(rgb, -1), 0, 255)


@pytest.mark.parametrize("ending", VIDEOS)
def test_frames_come_back_in_their_order_and_colors(make, ending):
    video = make(f"a{ending}")
    video.write()
    frames, fps = decoded(video.path)
    assert float(fps) == pytest.approx(25, rel=0.01)
    assert frames.shape == (len(COLORS), 32, 32, 3)
    for frame, color in zip(frames.astype(int), COLORS, strict=True):
        assert np.abs(frame[20:28, 4:28] - color).max() <= 8
        assert np.abs(frame[2:12, 4:28] - 255).max() <= 8


@pytest.mark.parametrize("ending", VIDEOS)
def test_equal_frames_give_equal_bytes(make, ending):
    one, other = make(f"a{ending}"), make(f"b{ending}")
    one.write()
    other.write()
    assert one.path.read_bytes() == other.path.read_bytes()


@pytest.mark.parametrize("ending", VIDEOS)
def test_a_video_tells_what_it_is_made_from(make, ending):
    video = make(f"a{ending}")
    assert video.found() is None
    video.write()
    assert video.found() == video.digest
    video.path.write_bytes(video.path.read_bytes()[:60])
    assert video.found() == ""
    video.path.write_text("no video")
    assert video.found() == ""


@pytest.mark.parametrize("ending", VIDEOS)
def test_frames_are_removed_once_the_video_is_there(make, ending):
    video = make(f"a{ending}")
    folder = video.frames[0].path.parent
    video.write()
    assert not folder.exists()


def test_what_others_have_put_beside_the_frames_stays(make):
    video = make("a.gif")
    folder = video.frames[0].path.parent
    (folder / "notes.txt").write_text("mine")
    video.write()
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("ending", VIDEOS)
def test_a_video_that_cannot_be_written_leaves_its_frames(make, ending):
    video = make(f"a{ending}")
    video.path.mkdir()
    with pytest.raises(StorageError, match="a folder of that name is in the way"):
        video.write()
    assert all(frame.path.exists() for frame in video.frames)
    assert [path.name for path in video.path.parent.glob(".a.*")] == []


def test_a_gif_takes_rounded_hundredths_of_a_second(make):
    video = make("a.gif", fps=24)
    video.write()
    assert decoded(video.path)[1] == pytest.approx(25)
