"""Names of files, and what makes two files differ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cnsr.buffers import BUFFERS
from cnsr.errors import RenderError, StorageError
from cnsr.pictures.plan import buffer_names, output_paths, plan
from cnsr.scenes.bounds import Bounds

BOX = Bounds(np.zeros(3), np.ones(3))


def names(planned):
    """Return the names of still pictures, shot by shot, and those of videos."""
    return [[file.path.name for file in files] for files in planned.stills], [
        video.path.name for video in planned.videos
    ]


def digests(order, extent=BOX):
    planned = plan(order, extent)
    return [file.digest for files in planned.stills for file in files] + [video.digest for video in planned.videos]


def test_one_picture_of_one_buffer_is_called_as_it_was_told(order):
    assert names(plan(order("a.png", "b.exr"), BOX)) == ([["a.png", "b.exr"]], [])


def test_buffers_and_frames_are_told_by_name(order):
    planned = plan(order("a.PNG", "b.exr", "c.gif", frames=2, shown=("depth", "id")), BOX)
    assert names(planned) == (
        [[f"a_depth_{i}.PNG", f"a_id_{i}.PNG", f"b_{i}.exr"] for i in ("0000", "0001")],
        ["c_depth.gif", "c_id.gif"],
    )
    frames = [frame.path.relative_to(planned.videos[1].path.parent) for frame in planned.videos[1].frames]
    assert frames == [Path("c_id.gif.frames/frame_0000.png"), Path("c_id.gif.frames/frame_0001.png")]


def test_a_video_alone_has_no_still_pictures(order):
    assert names(plan(order("a.mp4", frames=3), BOX)) == ([[], [], []], ["a.mp4"])


def test_an_order_has_the_digests_of_its_repetition(order):
    assert digests(order("a.png", "a.exr", "a.gif", frames=2)) == digests(order("a.png", "a.exr", "a.gif", frames=2))


@pytest.mark.parametrize(
    "change",
    [{"size": 10}, {"samples": 3}, {"target_error": 0.1}, {"target_error": 0.1, "max_samples": 64}],
)
def test_whatever_changes_pixels_changes_all_digests(order, change):
    one, other = (digests(order("a.png", "a.exr", "a.gif", frames=2, **look)) for look in ({}, change))
    assert not set(one) & set(other)


def test_what_changes_only_some_files_changes_only_their_digests(order):
    png, exr = digests(order("a.png", "a.exr"))
    assert digests(order("a.png", "a.exr", exposure=1.0)) == [digests(order("b.png", exposure=1.0))[0], exr]
    assert digests(order("a.png", "a.exr", exposure=1.0))[0] != png
    for change in ({"precision": "half"}, {"stored": ("beauty", "id")}):
        assert digests(order("a.png", "a.exr", **change))[0] == png
        assert digests(order("a.png", "a.exr", **change))[1] != exr
    assert digests(order("a.png", shown=("albedo",))) != [png]
    assert digests(order("a.png"), Bounds(BOX.low, 2 * BOX.high)) != [png]


def test_every_frame_and_the_speed_of_a_video_have_a_digest(order):
    assert len(set(digests(order("a.png", frames=9)))) == 9
    assert digests(order("a.gif", frames=9)) != digests(order("a.gif", frames=9, fps=12))


def test_other_scenes_have_other_digests(order):
    one = order("a.png")
    scene = one.subject.scene
    description = scene.description.model_copy(update={"bounces": 2})
    other = replace(one, subject=replace(one.subject, scene=replace(scene, description=description)))
    assert digests(one) != digests(other)


@pytest.mark.parametrize("name", ["a.mp4", "a.webm"])
def test_films_need_even_sizes(order, name):
    with pytest.raises(RenderError, match=rf"size: {Path(name).suffix} needs an even number of pixels, found 9"):
        plan(order(name, frames=2, size=9), BOX)


def test_in_a_folder_files_are_called_after_the_scene(room, tmp_path):
    new = tmp_path / "new"
    assert output_paths([tmp_path], room, ["beauty"], False) == [
        tmp_path / "room_seed7.png",
        tmp_path / "room_seed7.exr",
    ]
    assert output_paths([new], room, ["depth"], False) == [new / "room_seed7_depth.png", new / "room_seed7_depth.exr"]
    assert output_paths([new], room, ["beauty", "id"], True) == [new / "room_seed7_turntable.mp4"]
    assert output_paths([], room, ["beauty"], True) == [Path("room_seed7_turntable.mp4")]
    assert not new.exists()


def test_files_are_named_once(room, tmp_path):
    path = tmp_path / "a.png"
    assert output_paths([path, path], room, ["beauty"], False) == [path]


@pytest.mark.parametrize(
    ("name", "turntable", "message"),
    [
        ("a.jpg", False, "there are no pictures of type '.jpg'; expected .png, .exr, or a folder"),
        ("a.avi", True, "there are no pictures of type '.avi'; expected .png, .exr, .mp4, .webm, .gif, or a folder"),
        ("a.gif", False, "is a video; --turntable makes the frames for one"),
        ("file/a.png", False, "a file of that name is in the way"),
        ("file", False, "a file of that name is in the way"),
        ("blocked", True, "a folder of that name is in the way"),
    ],
)
def test_places_that_cannot_be_written_to(room, tmp_path, name, turntable, message):
    (tmp_path / "file").write_text("")
    (tmp_path / "blocked" / "room_seed7_turntable.mp4").mkdir(parents=True)
    with pytest.raises(StorageError, match=message):
        output_paths([tmp_path / name], room, ["beauty"], turntable)


def test_buffers_by_name():
    assert buffer_names(None) == (("beauty",), tuple(BUFFERS))
    assert buffer_names("all") == (tuple(BUFFERS), tuple(BUFFERS))
    assert buffer_names("depth, beauty,depth") == (("beauty", "depth"), ("beauty", "depth"))


@pytest.mark.parametrize(
    ("text", "message"),
    [("beaty", 'unknown buffer "beaty"; did you mean "beauty"'), (" ,", "expected at least one name")],
)
def test_wrong_buffers(text, message):
    with pytest.raises(RenderError, match=f"^buffers: {message}"):
        buffer_names(text)
