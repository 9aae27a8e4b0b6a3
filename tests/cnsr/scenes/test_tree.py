"""The tree of scene files: layout, sharing of work, resuming, conflicts."""

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cnsr.config import parse_config
from cnsr.errors import DatasetError, StorageError
from cnsr.scenes import tree, tree_record
from cnsr.scenes.description import load_scene
from cnsr.scenes.tree import write_tree
from cnsr.shards import Shard

SIZES = {"train": 5, "test": 2}
CODE = Path(__file__).resolve().parents[3] / "code"


def config(**settings):
    model = {"representations": [{}], "generators": [{"type": "PixelCNN"}]}
    base = {"batch_size": 3, "test_batch_size": 2, "views_per_scene": 2, "latent_separation": True, "model": model}
    return parse_config(base | settings)


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    write_tree(config(), out, SIZES, seed=11)
    return files_of(out)


def test_the_layout_is_that_of_the_specification(whole):
    names = {f"train/batch{i:09d}/scene{j:04d}/view{k:03d}.json" for i in range(5) for j in range(3) for k in range(2)}
    names |= {f"test/batch{i:09d}/scene{j:04d}/view{k:03d}.json" for i in range(2) for j in range(2) for k in range(2)}
    names |= {f"train/batch{i:09d}/factor.txt" for i in range(5)}
    assert set(whole) == names | {"dataset.json"}
    assert {whole[f"train/batch{i:09d}/factor.txt"] for i in range(5)} <= {b"0\n", b"1\n", b"2\n"}


def test_every_file_is_a_scene(tmp_path):
    write_tree(config(dataset="manymanyroom"), tmp_path, SIZES, seed=1)
    for path in tmp_path.rglob("view*.json"):
        assert load_scene(path).folder == path.parent


def test_seed_and_config_are_recorded_without_folders_of_this_machine(whole):
    record = json.loads(whole["dataset.json"])
    assert record["seed"] == 11
    assert record["config"]["batch_size"] == 3
    assert not {"train_data_dir", "test_data_dir"} & set(record["config"])


def test_without_latent_separation_there_is_no_factor(tmp_path):
    write_tree(config(latent_separation=False), tmp_path, {"train": 2}, seed=11)
    assert not list(tmp_path.rglob("factor.txt"))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
def test_any_sharding_gives_the_same_bytes(tmp_path, whole, count):
    for number in range(count, 0, -1):
        write_tree(config(), tmp_path, SIZES, seed=11, shard=Shard(number, count))
    assert files_of(tmp_path) == whole


@pytest.mark.parametrize(("batches", "count"), [(0, 3), (1, 3), (100, 10), (7, 3)])
def test_shards_part_the_work_fairly(batches, count):
    shares = [Shard(number, count).share(batches) for number in range(1, count + 1)]
    assert [index for share in shares for index in share] == list(range(batches))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_processes_give_the_same_bytes(tmp_path, whole, monkeypatch):
    monkeypatch.setattr(tree, "_VIEWS_PER_WORKER", 1)
    seen = []
    done = write_tree(config(), tmp_path, SIZES, seed=11, workers=2, begin=seen.append, progress=seen.append)
    assert files_of(tmp_path) == whole
    assert (done.written, done.kept, done.seed) == (38, 0, 11)
    assert seen[0] == 38
    assert sorted(seen[1:]) == [4] * 2 + [6] * 5


def test_a_failure_in_a_process_is_the_users_error(tmp_path, monkeypatch):
    monkeypatch.setattr(tree, "_VIEWS_PER_WORKER", 1)
    write_tree(config(), tmp_path, {"train": 1}, seed=11)
    (tmp_path / "train" / "batch000000001").write_text("in the way")
    with pytest.raises(StorageError, match=r"cannot write .*batch000000001: a part of the path is a file"):
        write_tree(config(), tmp_path, SIZES, workers=2)


def test_finished_batches_are_kept_and_others_written_again(tmp_path, whole):
    write_tree(config(), tmp_path, {"train": 3, "test": 2}, seed=11)
    kept = tmp_path / "train" / "batch000000001" / "scene0000" / "view000.json"
    os.utime(kept, ns=(1, 1))
    shutil.rmtree(tmp_path / "train" / "batch000000000")
    (tmp_path / "train" / "batch000000002" / "scene0001" / "view001.json").unlink()
    (tmp_path / "test" / "batch000000001" / "scene0000" / "view000.json").write_bytes(b"")  # a power failure
    done = write_tree(config(), tmp_path, SIZES)
    assert files_of(tmp_path) == whole
    assert kept.stat().st_mtime_ns == 1
    assert (done.written, done.kept) == (6 + 6 + 4 + 6 + 6, 6 + 4)


def test_what_a_killed_run_left_behind_is_swept_but_not_under_a_living_one(tmp_path, whole):
    write_tree(config(), tmp_path, {"train": 1}, seed=11)
    left = tmp_path / "train" / ".batch000000003.0123456789abcdef.tmp"
    left.mkdir()
    with tree._swept(tmp_path):
        assert not left.exists()
        left.mkdir()
        # Another run, in another process, since locks belong to open files.
        write_tree(config(), tmp_path, {"train": 2})
        assert left.exists()
    assert not left.exists()
    write_tree(config(), tmp_path, SIZES)
    assert files_of(tmp_path) == whole


def test_two_runs_of_the_same_work_at_once_do_no_harm(tmp_path, whole):
    failures = []

    def work():
        try:
            write_tree(config(), tmp_path, SIZES, seed=11)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert files_of(tmp_path) == whole


def test_a_drawn_seed_is_everybodys(tmp_path):
    first = write_tree(config(), tmp_path, {"train": 1}).seed
    assert write_tree(config(), tmp_path, {"train": 2}).seed == first
    assert json.loads((tmp_path / "dataset.json").read_text())["seed"] == first
    assert write_tree(config(), tmp_path / "other", {"train": 0}).seed != first


def test_runs_that_start_at_once_agree_on_a_seed(tmp_path):
    script = (
        "import sys; from pathlib import Path; from cnsr.config import load_config\n"
        "from cnsr.scenes.tree_record import agreed_seed\n"
        "c = load_config('save_room.json'); sys.stdin.readline(); print(agreed_seed(Path(sys.argv[1]), c, -1))"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", script, tmp_path],
            env=os.environ | {"PYTHONPATH": str(CODE)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for run in runs:
        run.stdin.write("go\n")
        run.stdin.flush()
    seeds = {run.communicate()[0] for run in runs}
    assert len(seeds) == 1
    assert int(seeds.pop()) == json.loads((tmp_path / "dataset.json").read_text())["seed"]
    assert [path.name for path in tmp_path.iterdir()] == ["dataset.json"]


def test_file_systems_without_links_work_too(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert tree_record.agreed_seed(tmp_path, config(), 4) == 4
    assert tree_record.agreed_seed(tmp_path, config(), -1) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["dataset.json"]


def test_the_configs_seed_counts_unless_another_is_given(tmp_path):
    assert write_tree(config(seed=8), tmp_path / "a", {}).seed == 8
    assert write_tree(config(seed=8), tmp_path / "b", {}, seed=9).seed == 9


def test_another_config_or_seed_is_refused_with_all_differences(tmp_path):
    write_tree(config(), tmp_path, {"train": 1}, seed=11)
    write_tree(config(job_name="other", learning_rate=0.5), tmp_path, {"train": 1})
    with pytest.raises(DatasetError) as caught:
        write_tree(config(views_per_scene=3, dataset="manylightroom"), tmp_path, SIZES, seed=12)
    assert str(caught.value) == (
        f"{tmp_path}/dataset.json: was made with another config: dataset is 'room' there and 'manylightroom' here; "
        "views_per_scene is 2 there and 3 here; seed is 11 there and 12 here; choose another folder"
    )


def test_files_without_a_record_are_refused(tmp_path):
    (tmp_path / "train" / "batch000000000").mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"holds scene files but no dataset\.json that says how they were made"):
        write_tree(config(), tmp_path, SIZES)


@pytest.mark.parametrize(
    "content", ["[]", "{}", '{"format": "cnsr scene files 1", "seed": -1, "config": {}}', '{"seed": 3}']
)
def test_a_record_of_something_else_is_refused(tmp_path, content):
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(DatasetError, match=r"dataset\.json: is not the record of a folder of scene files"):
        write_tree(config(), tmp_path, SIZES)


def test_a_damaged_record_is_refused(tmp_path):
    (tmp_path / "dataset.json").write_text('{"seed": ')
    with pytest.raises(DatasetError, match=r"dataset\.json: cannot be read: Expecting value"):
        write_tree(config(), tmp_path, SIZES)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot write .*file/out: a part of the path is a file, not a folder"):
        write_tree(config(), tmp_path / "file" / "out", SIZES)


def test_a_full_disk_leaves_finished_batches_and_no_rest(tmp_path, monkeypatch):
    write = Path.write_bytes

    def full(self, content):
        if "batch000000002" in str(self) and self.name == "view001.json":
            raise OSError(28, "No space left on device")
        return write(self, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StorageError, match=r"cannot write .*batch000000002: the disk is full"):
        write_tree(config(), tmp_path, SIZES, seed=11)
    assert sorted(path.name for path in (tmp_path / "train").iterdir()) == ["batch000000000", "batch000000001"]
