import errno
import os
import pickle
import zipfile

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from state_equality import same
from torch import nn

from cnsr.errors import CheckpointError, StorageError
from cnsr.training import checkpoints
from cnsr.training.checkpoints import (
    Checkpoint,
    DamagedCheckpointError,
    checkpoint_path,
    load_weights,
    read_checkpoint,
    save_checkpoint,
)


class Malicious:
    """Unpickling it would run a command."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def network(width=4):
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(2, width), nn.Linear(width, 1))


def full(**changes):
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    entries = {
        "iteration": 17,
        "model_state": dict(model.state_dict()),
        "optimizer_state": optimizer.state_dict(),
        "ema_state": {name: value + 1 for name, value in model.state_dict().items()},
        "random_states": {"cpu": torch.get_rng_state()},
        "pending": {"sums": {"loss": 1.5}, "counts": {"loss": 2}},
        "seed": 99,
        "config": {"model": {"generators": [{"settings": {"layers": 8, "loss": ["l1"]}}]}, "ema": 0.5},
    }
    return Checkpoint(**(entries | changes))


@pytest.fixture
def saved(tmp_path):
    path = checkpoint_path(tmp_path, "job", 17)
    save_checkpoint(path, full())
    return path


def test_what_is_saved_is_read_again(saved):
    assert saved.name == "job_17.pt"
    read = read_checkpoint(saved)
    assert same(vars(read), vars(full()))
    assert read.versions["torch"] == str(torch.__version__)


def test_only_the_weights_and_the_iteration_are_required(tmp_path):
    torch.save({"iteration": 3, "model_state": {"a": torch.ones(1)}}, tmp_path / "small.pt")
    read = read_checkpoint(tmp_path / "small.pt")
    assert (read.iteration, read.optimizer_state, read.config, read.versions) == (3, None, None, {})


def test_names_of_published_files_become_ours(tmp_path):
    torch.save(
        {
            "iteration": 5,
            "representation_state": {"representations.0.module.conv1.weight": torch.ones(1)},
            "generator_state": {"generators.11.final.bias": torch.ones(2)},
        },
        tmp_path / "published.pt",
    )
    assert set(read_checkpoint(tmp_path / "published.pt").model_state) == {
        "representation.representations.0.conv1.weight",
        "generator.generators.11.final.bias",
    }


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, protocol):
    path, proof = tmp_path / "evil.pt", tmp_path / "proof"
    path.write_bytes(pickle.dumps({"iteration": 1, "model_state": Malicious(f"touch {proof}")}, protocol))
    with pytest.raises(CheckpointError, match=r"evil\.pt: refused, since it would run code \((posix|nt)\.system\)$"):
        read_checkpoint(path)
    assert not proof.exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_torch_file_with_code_is_refused_and_not_run(tmp_path, zipped):
    path, proof = tmp_path / "evil.pt", tmp_path / "proof"
    content = {"iteration": 1, "model_state": Malicious(f"touch {proof}")}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"evil\.pt: refused, since it would run code \((posix|nt)\.system\)$"):
        read_checkpoint(path)
    assert not proof.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello, this is no checkpoint", r"is no checkpoint \(not a file of torch\.save"),
        (pickle.dumps({"iteration": 1}), r"is no checkpoint"),
        (b"", r"is empty"),
        (b"PK\x03\x04 and then nothing", r"is cut off or damaged; use an older checkpoint"),
    ],
)
def test_other_files_are_no_checkpoints(tmp_path, content, message):
    path = tmp_path / "some.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (torch.ones(2), r"it holds a Tensor, not a dict"),
        ({"iteration": 1}, r"there is no model_state"),
        ({"iteration": 1, "model_state": {"a": 1}}, r"there is no model_state with weights"),
        ({"iteration": 1, "representation_state": 3, "generator_state": {}}, r"there is no representation_state with"),
        ({"iteration": 1, "generator_state": {}}, r"there is a generator_state, but no representation_state"),
        ({"iteration": -1, "model_state": {}}, r"iteration is -1, not a count"),
        ({"model_state": {}}, r"iteration is None, not a count"),
        ({"iteration": True, "model_state": {}}, r"iteration is True, not a count"),
        ({"iteration": 1, "model_state": {}, "seed": "x", "versions": {"cnsr": "1"}}, r"seed is a str"),
        ({"iteration": 1, "model_state": {}, "config": [1], "versions": {"cnsr": "1"}}, r"config is a list"),
    ],
)
def test_a_torch_file_of_something_else_is_no_checkpoint(tmp_path, content, message):
    torch.save(content, tmp_path / "some.pt")
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(tmp_path / "some.pt")


def test_a_zip_archive_of_something_else_is_no_checkpoint(tmp_path):
    with zipfile.ZipFile(tmp_path / "some.pt", "w") as archive:
        archive.writestr("letter.txt", "hello")
    with pytest.raises(CheckpointError, match="is no checkpoint"):
        read_checkpoint(tmp_path / "some.pt")


def test_missing_file_names_its_neighbors(saved):
    with pytest.raises(CheckpointError, match=r"job_18\.pt: no such checkpoint; the folder holds job_17\.pt"):
        read_checkpoint(saved.with_name("job_18.pt"))
    with pytest.raises(CheckpointError, match="is a folder"):
        read_checkpoint(saved.parent)


@settings(deadline=None, max_examples=40)
@given(fraction=st.floats(0, 0.999))
def test_a_file_cut_anywhere_is_damaged(fraction, tmp_path_factory):
    path = tmp_path_factory.mktemp("cut") / "job_17.pt"
    save_checkpoint(path, full())
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * fraction)])
    with pytest.raises(CheckpointError, match=r"is empty|is cut off or damaged|is no checkpoint"):
        read_checkpoint(path)


def test_a_flipped_bit_in_the_weights_is_found(saved):
    content = bytearray(saved.read_bytes())
    weights = read_checkpoint(saved).model_state["0.weight"].numpy().tobytes()
    content[content.index(weights) + 5] ^= 16
    saved.write_bytes(content)
    with pytest.raises(DamagedCheckpointError, match="is damaged"):
        read_checkpoint(saved)


def test_full_disk_leaves_the_old_file_and_no_other(saved, monkeypatch):
    before = saved.read_bytes()

    class FullDisk:
        def __init__(self, file):
            self.file = file
            self.left = 2000

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, data):
            self.left -= len(bytes(data))
            if self.left < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.file.write(data)

        def __getattr__(self, name):
            return getattr(self.file, name)

    opened = type(saved).open
    monkeypatch.setattr(type(saved), "open", lambda self, *mode: FullDisk(opened(self, *mode)))
    with pytest.raises(StorageError, match=r"cannot write .*job_17\.pt: the disk is full; free some space"):
        save_checkpoint(saved, full(iteration=18))
    monkeypatch.undo()
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["job_17.pt"]


def test_other_faults_of_torch_save_keep_their_traceback(tmp_path, monkeypatch):
    def broken(*_):
        raise RuntimeError("a fault of the program")

    monkeypatch.setattr(torch, "save", broken)
    with pytest.raises(RuntimeError, match="a fault of the program"):
        save_checkpoint(tmp_path / "x.pt", full())


def test_weights_are_loaded(saved):
    model = network()
    nn.init.zeros_(model[0].weight)
    load_weights(model, read_checkpoint(saved), saved)
    assert same(dict(model.state_dict()), full().model_state)
    load_weights(model, read_checkpoint(saved), saved, averaged=True)
    assert same(dict(model.state_dict()), full().ema_state)


def test_averaged_weights_of_a_run_without_average_are_its_weights():
    model = network()
    load_weights(model, full(ema_state=None), "x.pt", averaged=True)
    assert same(dict(model.state_dict()), full().model_state)


def test_layers_that_do_not_fit_are_named():
    with pytest.raises(CheckpointError) as caught:
        load_weights(network(width=5), full(), "x.pt")
    assert str(caught.value) == (
        "x.pt: does not fit the config: 0.weight is [4, 2] (checkpoint) vs [5, 2] (config); "
        "0.bias is [4] (checkpoint) vs [5] (config); 1.weight is [1, 4] (checkpoint) vs [1, 5] (config)"
    )


def test_layers_that_are_missing_or_left_over_are_named():
    state = full().model_state
    extra = {f"extra{i}": torch.ones(1) for i in range(3)}
    with pytest.raises(CheckpointError) as caught:
        load_weights(
            network(), full(model_state={name: state[name] for name in ("0.weight", "0.bias")} | extra), "x.pt"
        )
    assert str(caught.value) == (
        "x.pt: does not fit the config: 1.weight is not in the checkpoint; 1.bias is not in the checkpoint; "
        "extra0 is not in the config's networks; and 2 more"
    )


def test_an_average_of_other_layers_is_refused():
    with pytest.raises(CheckpointError, match=r"0\.bias is not in the checkpoint"):
        load_weights(network(), full(ema_state={"0.weight": torch.ones(4, 2)}), "x.pt", averaged=True)


def test_every_entry_of_a_file_is_documented():
    for name in Checkpoint.__dataclass_fields__:
        assert f"{name}:" in checkpoints.Checkpoint.__doc__
