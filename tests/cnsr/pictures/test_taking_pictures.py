"""Pictures hold what the tracer returns; what is there is not rendered again."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from PIL import Image

from cnsr.datasets import exr
from cnsr.display import displayed
from cnsr.errors import StorageError
from cnsr.pictures.taking import Taken, take
from cnsr.rendering import Camera


class Counted:
    """The tracer, which notes what it is asked to render, and fails at picture number `fails`."""

    def __init__(self, tracer, fails=None):
        self.tracer, self.fails, self.asked = tracer, fails, []

    def bounds(self, scene):
        return self.tracer.bounds(scene)

    def render(self, scene, **options):
        if len(self.asked) == self.fails:
            raise KeyboardInterrupt
        self.asked.append(options)
        return self.tracer.render(scene, **options)


def ignore(_):
    pass


def hashes(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def test_pictures_hold_what_the_tracer_returns(order, tracer, tmp_path):
    one = order("a.png", "a.exr", shown=("beauty", "position"), stored=("beauty", "depth"), exposure=1.0, samples=4)
    taken = take(one, tracer, ignore)
    assert taken == Taken(tuple(tmp_path / name for name in ("a_beauty.png", "a_position.png", "a.exr")), 1, 4, 0)
    description = one.subject.scene.description
    view = tracer.render(description, 8, 4, description.seed, buffers=("beauty", "position", "depth"))
    extent = tracer.bounds(description)
    for name in ("beauty", "position"):
        shown = displayed(name, view.buffers[name], exposure=1.0, extent=extent)
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / f"a_{name}.png")), shown)
    stored = exr.read_batch(tmp_path / "a.exr")
    assert set(stored.passes) == {"beauty", "depth"}
    for name, pixels in stored.passes.items():
        assert pixels.dtype == np.float32
        np.testing.assert_array_equal(np.moveaxis(pixels[0, 0], 0, -1), view.buffers[name])
    np.testing.assert_array_equal(stored.poses[0, 0], view.pose.astype(np.float32))
    origin = exr.read_header(tmp_path / "a.exr")[1]
    assert (origin.samples, origin.seeds) == (((4,),), ((description.seed,),))


def test_frames_are_seen_from_the_path_with_noise_of_their_own(order, tracer, tmp_path):
    one = order("a.exr", frames=3)
    take(one, tracer, ignore)
    scene = one.subject.scene
    for number, shot in enumerate(one.shots):
        camera = Camera(shot.camera.position, shot.camera.lookat)
        view = tracer.render(scene, 8, 2, scene.description.seed, view=number, camera=camera)
        stored = exr.read_batch(tmp_path / f"a_000{number}.exr").passes["beauty"][0, 0]
        np.testing.assert_array_equal(np.moveaxis(stored, 0, -1), view.buffers["beauty"])


def test_half_precision(order, tracer, tmp_path):
    take(order("a.exr", precision="half"), tracer, ignore)
    assert exr.read_batch(tmp_path / "a.exr").passes["beauty"].dtype == np.float16


def test_only_what_is_shown_is_rendered(order, tracer):
    counted = Counted(tracer)
    take(order("a.png", shown=("normal", "id")), counted, ignore)
    assert [set(options["buffers"]) for options in counted.asked] == [{"normal", "id"}]


def test_a_target_error_is_that_of_beauty_whatever_is_shown(order, tracer):
    counted = Counted(tracer)
    taken = take(order("a.png", shown=("normal",), target_error=0.3, max_samples=64), counted, ignore)
    (options,) = counted.asked
    assert (options["target_error"], options["max_samples"], set(options["buffers"])) == (0.3, 64, {"normal", "beauty"})
    assert taken.samples > 2


def test_what_is_there_is_not_rendered_again(order, tracer, tmp_path):
    for _ in range(2):
        counted = Counted(tracer)
        taken = take(order("a.png", "a.exr", "a.gif", frames=3), counted, ignore)
    assert (counted.asked, taken.rendered) == ([], 0)
    (tmp_path / "a_0001.exr").unlink()
    assert take(order("a.png", "a.exr", "a.gif", frames=3), counted, ignore).rendered == 1


def test_an_interrupted_turntable_goes_on_and_ends_with_the_same_bytes(order, tracer, tmp_path):
    names = ("a.gif", "a.mp4", "a.png")
    take(order(*names, frames=5), tracer, ignore)
    unbroken = hashes(tmp_path)
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(KeyboardInterrupt):
        take(order(*names, frames=5), Counted(tracer, fails=3), ignore)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("a.gif.frames", "a.mp4.frames", "a_0000.png", "a_0001.png", "a_0002.png")
    }
    assert take(order(*names, frames=5), tracer, ignore).rendered == 2
    assert hashes(tmp_path) == unbroken
    assert not list(tmp_path.glob("*.frames"))


@pytest.mark.parametrize("name", ["a.png", "a.exr", "a.gif", "a.mp4", "a.webm"])
def test_another_file_in_its_place_is_kept_until_told(order, tracer, tmp_path, name):
    frames = None if name in ("a.png", "a.exr") else 2
    take(order(name, frames=frames), tracer, ignore)
    for path, content in ((tmp_path / name, None), (tmp_path / name, b"not ours")):
        if content is not None:
            path.write_bytes(content)
        before = path.read_bytes()
        with pytest.raises(StorageError, match="is there already, and not what this command makes"):
            take(order(name, frames=frames, samples=3), Counted(tracer, fails=0), ignore)
        assert path.read_bytes() == before
    assert take(order(name, frames=frames, overwrite=True), tracer, ignore).rendered == (frames or 1)
    assert take(order(name, frames=frames), tracer, ignore).rendered == 0


def test_progress_goes_from_picture_to_picture(order, tracer):
    shares = []
    take(order("a.png", frames=4), tracer, shares.append)
    assert shares == sorted(shares)
    assert {0.25, 0.5, 0.75, 1.0} <= set(shares)


def test_lines_for_people(tmp_path):
    files = tuple(tmp_path / f"a_{i}.png" for i in range(6))
    assert Taken(files[:2], 1, 64, 0).line(2.04) == f"{files[0]}, {files[1]}: 64 samples a pixel in 2.0 s"
    assert (
        Taken(files, 6, 6, 3)
        .line(1)
        .endswith("to a_5.png (6 files): 1 sample a pixel in 1.0 s; 3 samples were not finite and dropped")
    )
    assert Taken(files[:1], 0, 0, 0).line(1) == f"{files[0]}: there already"
