"""The script that writes scene files: options, messages, determinism, interruptions."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "code" / "create-dataset-json-files.py"
COMMAND = (sys.executable, str(SCRIPT), "--config", "save_room.json")


def run(*arguments, cwd=None):
    # Without PYTHONPATH, since users have none: the script finds the package beside itself.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, env=environment, timeout=120
    )


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_shards_that_run_at_once_give_the_bytes_of_one_run(tmp_path):
    assert run("--out_folder", tmp_path / "one", "--size", 4, "--testing_size", 1, "--seed", 3).returncode == 0
    shards = [
        subprocess.Popen(
            [
                *COMMAND,
                "--out_folder",
                "many",
                "--size",
                "4",
                "--testing_size",
                "1",
                "--seed",
                "3",
                "--shard",
                f"{k}/3",
            ],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
        )
        for k in (1, 2, 3)
    ]
    assert [shard.wait() for shard in shards] == [0, 0, 0]
    one = files_of(tmp_path / "one")
    assert files_of(tmp_path / "many") == one
    assert len(one) == 5 * 16 * 4 + 4 + 1
    assert json.loads(one["dataset.json"])["seed"] == 3


def test_a_second_run_keeps_what_is_there_and_says_so(tmp_path):
    first = run("--out_folder", tmp_path, "--size", 1, "--testing_size", 0)
    assert re.fullmatch(rf"{tmp_path}: 64 views written \(\d+ a second\); seed \d+\n", first.stdout)
    assert first.stderr == ""
    second = run("--out_folder", tmp_path, "--size", 2, "--testing_size", 0)
    assert "64 views written" in second.stdout
    assert ", 64 were there already; seed " in second.stdout
    assert first.stdout.split()[-1] == second.stdout.split()[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--size", "-1"), "argument --size: expected 0 or more, found -1"),
        (("--size", "many"), "argument --size: invalid"),
        (("--shard", "0/3"), "argument --shard: expected K/N with 1 ≤ K ≤ N, such as 1/8, found '0/3'"),
        (("--shard", "4/3"), "argument --shard: expected K/N with 1 ≤ K ≤ N"),
        (("--shard", "half"), "argument --shard: expected K/N with 1 ≤ K ≤ N"),
        (("--workers", "0"), "argument --workers: expected 1 or more, found 0"),
        (("--seed", "-2"), "argument --seed: expected -1, or 0 or more and less than 2^63, found -2"),
    ],
)
def test_impossible_options_are_refused(tmp_path, arguments, message):
    result = run("--out_folder", tmp_path / "out", *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


def test_users_errors_are_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    result = run("--out_folder", tmp_path / "file" / "out", "--size", 1)
    assert result.returncode == 1
    assert result.stderr == f"error: cannot write {tmp_path}/file/out: a part of the path is a file, not a folder\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_named(tmp_path):
    tmp_path.chmod(0o500)
    result = run("--out_folder", tmp_path / "out", "--size", 1)
    tmp_path.chmod(0o700)
    assert (
        result.stderr
        == f"error: cannot write {tmp_path}/out: permission denied; choose another folder or change its permissions\n"
    )


@pytest.mark.parametrize("dataset", ["archviz", "archviz_parametric"])
def test_furnished_rooms_name_their_meshes_without_folders_of_this_machine(tmp_path, dataset):
    published = json.loads((ROOT / "configs" / "save_archviz.json").read_text())
    config = tmp_path / "config.json"
    config.write_text(json.dumps(published | {"dataset": dataset}))
    options = ["--config", config, "--out_folder", tmp_path / "out", "--size", "1", "--testing_size", "0"]
    result = subprocess.run([sys.executable, SCRIPT, *options], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    files = sorted(tmp_path.rglob("view*.json"))
    assert len(files) == 64
    for file in files:
        scene = json.loads(file.read_text())
        names = [item["filename"] for item in scene["geometry"] if item["type"] == "file"]
        names += [material["texture"] for material in scene["materials"].values() if material["texture"]]
        assert {name.split("/")[0] for name in names} == {"furniture", "textures"}


def test_help_names_the_defaults_of_the_specification(tmp_path):
    result = run("--help", cwd=tmp_path)
    assert result.returncode == 0
    text = " ".join(result.stdout.split())
    assert "(9000)" in text
    assert "(1000)" in text


@pytest.mark.parametrize(("stop", "status"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_a_run_that_was_stopped_goes_on_and_ends_with_the_same_bytes(tmp_path, stop, status):
    options = ["--size", "40", "--testing_size", "0", "--seed", "4", "--workers", "2"]
    process = subprocess.Popen(
        [*COMMAND, "--out_folder", tmp_path / "stopped", *options],
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    train = tmp_path / "stopped" / "train"
    while process.poll() is None and (not train.is_dir() or len(list(train.glob("batch*"))) < 3):
        time.sleep(0.01)
    if stop == signal.SIGINT:
        os.killpg(process.pid, stop)  # as a terminal does
    else:
        process.kill()  # only the parent; its workers must not outlive it
    _, errors = process.communicate(timeout=60)
    assert process.returncode == status
    assert "Traceback" not in errors
    finished = len(list(train.glob("batch*")))
    assert 3 <= finished < 40
    time.sleep(0.5)
    assert len(list(train.glob("batch*"))) <= finished + 2, "the workers have stopped"

    result = run("--out_folder", tmp_path / "stopped", *options)
    assert result.returncode == 0, result.stderr
    assert " were there already" in result.stdout
    run("--out_folder", tmp_path / "whole", *options)
    assert files_of(tmp_path / "stopped") == files_of(tmp_path / "whole")
    assert not list((tmp_path / "stopped" / "train").glob(".*"))
