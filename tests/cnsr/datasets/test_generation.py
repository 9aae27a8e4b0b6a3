from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stand_ins import SETTINGS, FakeTracer, Report, Run, hashes

from cnsr.config import Config
from cnsr.datasets import exr, pipeline
from cnsr.datasets.generation import generate
from cnsr.datasets.manifest import RenderSettings
from cnsr.datasets.pipeline import Pipeline
from cnsr.datasets.rendered import view_seed
from cnsr.datasets.work import Summary
from cnsr.errors import ConfigError, DatasetError, StorageError
from cnsr.rendering import MAX_SAMPLES

BuildConfig = Callable[..., Config]


def test_every_view_is_rendered_with_a_seed_of_its_own(tmp_path: Path, run: Run) -> None:
    summary, report, _ = run()
    assert summary == Summary(written=3, views=18, dropped=18)
    assert (report.total, report.done, report.faults) == (18, 18, [])
    names = ["batch000000000.exr", "batch000000001.exr", "batch000000002.exr", "dataset.json"]
    assert sorted(hashes(tmp_path / "out")) == names
    for batch in range(3):
        path = tmp_path / "out" / names[batch]
        stored, (contents, origin) = exr.read_batch(path), exr.read_header(path)
        assert (contents.passes, contents.size, contents.scenes, contents.views) == (("beauty", "depth"), 8, 2, 3)
        assert contents.factor == (2 if batch == 1 else None)
        assert (origin.samples, origin.config) == (((2, 2, 2), (2, 2, 2)), SETTINGS.digest())
        for scene in range(2):
            for view in range(3):
                content = str(100 * batch + 10 * scene + view)
                seed = view_seed(int(content), f"batch{batch:09d}", scene, view)
                assert origin.seeds[scene][view] == seed
                assert origin.scenes[scene][view] == hashlib.sha256(content.encode()).hexdigest()[:16]
                noise = np.random.default_rng([seed, 2])
                expected = noise.random((8, 8, 3)).astype(np.float32).astype(np.float16)
                np.testing.assert_array_equal(np.moveaxis(stored.passes["beauty"][scene, view], 0, -1), expected)
                noise.random((8, 8, 1))
                np.testing.assert_array_equal(stored.poses[scene, view], noise.normal(size=16).astype(np.float32))


def test_view_seeds_differ_and_fit_an_exr_attribute() -> None:
    seeds = {
        view_seed(seed, f"batch{batch:09d}", scene, view)
        for seed in (-1, 2**63 - 1)
        for batch in range(5)
        for scene in range(5)
        for view in range(5)
    }
    assert len(seeds) == 250
    assert min(seeds) >= 0
    assert max(seeds) < 2**31


def test_the_folder_is_described(tmp_path: Path, tree: Path, run: Run, build_config: BuildConfig) -> None:
    (tree.parent / "dataset.json").write_text(json.dumps({"seed": 12345}))
    run()
    description = json.loads((tmp_path / "out" / "dataset.json").read_text())
    config = description.pop("config")
    assert description == {
        "format": "cnsr-exr",
        "version": 1,
        "digest": SETTINGS.digest(),
        "render": {"passes": ["beauty", "depth"], "size": 8, "samples": 2, "precision": "half"},
        "batches": 3,
        "scenes_per_batch": 2,
        "views_per_scene": 3,
        "seed": 12345,
    }
    assert config["views_per_scene"] == 4
    assert str(tmp_path) not in json.dumps(config)


def test_finished_batches_are_not_rendered_again(tmp_path: Path, run: Run) -> None:
    run()
    before = hashes(tmp_path / "out")
    times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.exr")}
    summary, report, tracer = run()
    assert (summary, tracer.rendered, report.total) == (Summary(present=3), [], 0)
    assert hashes(tmp_path / "out") == before
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.exr")} == times


def test_an_interrupted_run_goes_on_and_cleans_up(tmp_path: Path, run: Run) -> None:
    run()
    before = hashes(tmp_path / "out")
    out = tmp_path / "out"
    (out / "batch000000002.exr").unlink()
    damaged = out / "batch000000001.exr"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    (out / ".batch000000002.abc.tmp.exr").write_bytes(b"half of it")
    summary, report, tracer = run()
    assert summary == Summary(written=2, present=1, views=12, dropped=12)
    assert tracer.rendered == ["batch000000001", "batch000000002"]
    assert (report.total, report.done) == (12, 12)
    assert hashes(out) == before


def test_overwriting_renders_everything_anew(tmp_path: Path, run: Run) -> None:
    run()
    before = hashes(tmp_path / "out")
    other = replace(SETTINGS, samples=3)
    summary, _, tracer = run(other, overwrite=True)
    assert summary.written == 3
    assert len(tracer.rendered) == 3
    assert all(before[name] != digest for name, digest in hashes(tmp_path / "out").items())
    assert run(other)[0].present == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"samples": 4}, "samples is 2 there, now 4"),
        ({"size": 16, "precision": "float"}, "size is 8 there, now 16; precision is half there, now float"),
        ({"passes": ("beauty",)}, "passes is beauty, depth there, now beauty"),
    ],
)
def test_other_settings_in_the_same_folder_are_an_error(
    tmp_path: Path, run: Run, change: dict[str, Any], message: str
) -> None:
    run()
    before = hashes(tmp_path / "out")
    with pytest.raises(DatasetError) as caught:
        run(replace(SETTINGS, **change))
    assert str(caught.value) == (
        f"{tmp_path / 'out'}: was rendered with other settings ({message}); choose another --out_folder, "
        "or render it anew with --overwrite"
    )
    (tmp_path / "out" / "dataset.json").unlink()  # the headers know it, too
    with pytest.raises(DatasetError, match=r"batch000000000\.exr: was rendered with other settings; choose another"):
        run(replace(SETTINGS, **change))
    (tmp_path / "out" / "dataset.json").write_text("{}")
    with pytest.raises(DatasetError, match=r"dataset\.json: is no description of a data set"):
        run(replace(SETTINGS, **change))
    del before["dataset.json"]
    (tmp_path / "out" / "dataset.json").unlink()
    assert hashes(tmp_path / "out") == before


ADAPTIVE = replace(SETTINGS, target_error=0.1, max_samples=5)


def test_views_rendered_to_an_error_record_what_they_took(tmp_path: Path, run: Run) -> None:
    summary, _, _ = run(ADAPTIVE)
    _, origin = exr.read_header(tmp_path / "out" / "batch000000001.exr")
    assert origin.samples == tuple(tuple(min(5, 2 * (1 + seed % 3)) for seed in scene) for scene in origin.seeds)
    assert len({samples for scene in origin.samples for samples in scene}) > 1
    description = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert description["render"]["target_error"] == 0.1
    assert description["render"]["max_samples"] == 5
    headers = [exr.read_header(path)[1] for path in sorted((tmp_path / "out").glob("*.exr"))]
    taken = [samples for header in headers for scene in header.samples for samples in scene]
    assert (summary.views, summary.samples, summary.limited) == (18, sum(taken), taken.count(5))
    line = summary.line(1.0)
    assert f"; {sum(taken) / 18:.0f} samples a pixel on average; {taken.count(5)} views went to the limit of" in line
    assert run(ADAPTIVE)[0] == Summary(present=3)


@pytest.mark.parametrize(
    ("before", "now", "message"),
    [
        (ADAPTIVE, replace(ADAPTIVE, target_error=0.2), "target_error is 0.1 there, now 0.2"),
        (ADAPTIVE, replace(ADAPTIVE, max_samples=6), "max_samples is 5 there, now 6"),
        (SETTINGS, ADAPTIVE, "target_error is not set there, now 0.1; max_samples is not set there, now 5"),
        (ADAPTIVE, SETTINGS, "target_error is 0.1 there, now not set; max_samples is 5 there, now not set"),
    ],
)
def test_another_target_error_in_the_same_folder_is_an_error(
    tmp_path: Path, run: Run, before: RenderSettings, now: RenderSettings, message: str
) -> None:
    run(before)
    with pytest.raises(DatasetError) as caught:
        run(now)
    assert f"({message})" in str(caught.value)
    (tmp_path / "out" / "dataset.json").unlink()  # the headers know it, too
    with pytest.raises(DatasetError, match="was rendered with other settings"):
        run(now)


def test_settings_without_a_target_error_are_those_of_earlier_versions() -> None:
    assert SETTINGS.record() == {"passes": ("beauty", "depth"), "size": 8, "samples": 2, "precision": "half"}
    assert SETTINGS.digest() == "5f4ba0270a8b3b0f"
    assert SETTINGS.options() == {"size": 8, "samples": 2, "buffers": ("beauty", "depth"), "half": True}


def test_settings_of_a_target_error_are_checked(build_config: BuildConfig, tmp_path: Path) -> None:
    config = build_config(tmp_path)
    assert RenderSettings.of(config, target_error=0.1).max_samples == MAX_SAMPLES
    many = build_config(tmp_path, samples_per_pixel=2 * MAX_SAMPLES)
    assert RenderSettings.of(many, target_error=0.1).max_samples == 2 * MAX_SAMPLES
    with pytest.raises(ConfigError, match="max_samples: expected at least the config's samples_per_pixel, 2, found 1"):
        RenderSettings.of(config, target_error=0.1, max_samples=1)
    blind = {
        "representations": [{"type": "Pool", "observation_passes": ["direct"], "render_size": 8}],
        "generators": [{"type": "PixelCNN", "output_passes": ["albedo"], "render_size": 8}],
        "output_pass": "albedo",
    }
    with pytest.raises(ConfigError, match="target_error: is the error of beauty, which no network"):
        RenderSettings.of(build_config(tmp_path, model=blind), target_error=0.1)


def test_networks_do_not_make_other_settings(build_config: BuildConfig, tmp_path: Path) -> None:
    config = build_config(tmp_path)
    faster = build_config(tmp_path, learning_rate=1e-3, iterations=7, batch_size=1)
    assert RenderSettings.of(config) == RenderSettings.of(faster)
    assert RenderSettings.of(config).digest() == RenderSettings.of(faster).digest()
    assert RenderSettings.of(config) == RenderSettings(("beauty", "normal", "depth"), 8, 2, "half")
    assert RenderSettings.of(config).digest() != RenderSettings.of(config, "float").digest()


@pytest.mark.parametrize("change", ["scene", "factor", "views"])
def test_other_scene_files_are_an_error_before_anything_is_rendered(
    tree: Path, tmp_path: Path, run: Run, change: str
) -> None:
    run()
    (tmp_path / "out" / "batch000000000.exr").unlink()
    last = tree / "batch000000002"
    if change == "scene":
        (last / "scene0001" / "view001.json").write_text("9999")
    elif change == "factor":
        (last / "factor.txt").write_text("0")
    else:
        for scene in range(2):
            (last / f"scene{scene:04d}" / "view002.json").unlink()
    tracer = FakeTracer()
    with pytest.raises(DatasetError, match=r"batch000000002\.exr: was rendered from other scene files than those in"):
        run(tracer=tracer)
    assert tracer.rendered == []


def test_broken_scenes_are_reported_and_the_others_rendered(tmp_path: Path, tree: Path, run: Run) -> None:
    first = tree / "batch000000000"
    (first / "scene0000" / "view001.json").write_text("broken")
    (first / "scene0001" / "view002.json").write_text("broken")
    (tree / "batch000000001" / "scene0001" / "view000.json").write_text("666")
    summary, report, _ = run()
    assert summary == Summary(written=1, broken=2, views=6, dropped=6)
    assert report.faults == [
        f"{first}/scene0000/view001.json:1:1: expected a JSON value\n"
        f"{first}/scene0001/view002.json:1:1: expected a JSON value",
        f"{tree}/batch000000001/scene0001/view000.json: geometry[0].filename: no such mesh",
    ]
    assert (report.total, report.done) == (18, 18)
    assert sorted(hashes(tmp_path / "out")) == ["batch000000002.exr", "dataset.json"]
    assert summary.line(2.0) == (
        "6 views rendered in 2.0 s (3.0 views/s): 1 batches written, 0 already there; "
        "6 samples were not finite and dropped; 2 left out, since their scene files are broken"
    )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda batch: (batch / "factor.txt").write_text("geometry"),
            "factor.txt: holds 'geometry', expected one of 0 (",
        ),
        (
            lambda batch: (batch / "scene0001" / "view002.json").unlink(),
            "scene0001: holds 2 views, but scene0000 holds 3",
        ),
        (
            lambda batch: [path.unlink() for path in batch.glob("*/*.json")],
            "batch000000000: holds no files like scene0000/view000.json",
        ),
    ],
)
def test_broken_batch_folders_are_reported(
    tree: Path, run: Run, damage: Callable[[Path], object], message: str
) -> None:
    damage(tree / "batch000000000")
    summary, report, _ = run()
    assert (summary.written, summary.broken) == (2, 1)
    assert len(report.faults) == 1
    assert message in report.faults[0]


def test_wrong_input_folders_are_errors(tmp_path: Path, tree: Path, build_config: BuildConfig) -> None:
    def message(folder: Path) -> str:
        with pytest.raises(DatasetError) as caught:
            generate(Pipeline(FakeTracer()), build_config(tmp_path), folder, tmp_path / "out", SETTINGS, Report())
        return str(caught.value)

    missing = tmp_path / "missing"
    assert message(missing) == f"{missing}: no such folder; create-dataset-json-files.py makes the scene files"
    (tmp_path / "json").mkdir()
    tree.rename(tmp_path / "json" / "train")
    train = tmp_path / "json" / "train"
    assert message(train.parent).endswith(f"holds no folders named like batch000000000; did you mean {train}?")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_ends_the_run_with_one_line_and_keeps_what_is_done(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *arguments: Any) -> None:
        if path.name == "batch000000001.exr":
            raise StorageError(f"cannot write {path}: the disk is full")
        exr.write_batch(path, *arguments)

    with monkeypatch.context() as patch, pytest.raises(StorageError, match="the disk is full"):
        patch.setattr(pipeline, "write_batch", full)
        run()
    assert sorted(hashes(tmp_path / "out")) == ["batch000000000.exr", "dataset.json"]
    assert run()[0].present == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_one_line(tmp_path: Path, run: Run) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(StorageError, match="permission denied; choose another folder"):
        run(out=tmp_path / "locked" / "out")


def test_a_file_in_the_place_of_the_folder_is_one_line(tmp_path: Path, run: Run) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="a file of that name is in the way"):
        run(out=tmp_path / "file")
