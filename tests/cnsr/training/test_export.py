"""Checkpoints in the published form: what is written, that it is read the same, and that training goes on from it."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from architectures import COPY, PIXEL, POOL, model_config
from state_equality import same

from cnsr.errors import CheckpointError, StorageError
from cnsr.models.model import SceneModel
from cnsr.training.adam_state import moments_by_name
from cnsr.training.checkpoints import Checkpoint, read_checkpoint, save_checkpoint
from cnsr.training.export import main
from cnsr.training.exported import export_checkpoint as export
from cnsr.training.progress import Progress
from cnsr.training.session import train

CODE = Path(__file__).resolve().parents[3] / "code"
FORMS = [(split, wrapped) for split in (False, True) for wrapped in (False, True)]


@pytest.fixture
def trained(tiny, tmp_path):
    """A checkpoint of six iterations, with averaged weights."""
    return run(tiny(iterations=6, ema=0.5), tmp_path / "first").checkpoint


def run(config, folder, **options):
    told = options.pop("told", io.StringIO())
    return train(config, folder, device="cpu", progress=Progress(told), **options)


def raw(path):
    return torch.load(path, weights_only=True)


def moments_of(path):
    checkpoint = read_checkpoint(path)
    return moments_by_name(checkpoint.optimizer_state, checkpoint.model_state)


@pytest.mark.parametrize(("split", "wrapped"), FORMS)
def test_weights_moments_and_iteration_are_read_again_the_same(trained, tmp_path, split, wrapped):
    out = tmp_path / "published.pt"
    export(trained, out, split, wrapped)
    own, published = read_checkpoint(trained), read_checkpoint(out)
    assert published.iteration == own.iteration == 6
    assert same(published.model_state, own.model_state)
    assert same(moments_of(out), moments_of(trained))
    assert (published.config, published.seed, published.ema_state, published.random_states) == (None,) * 4


@pytest.mark.parametrize(("split", "wrapped"), FORMS)
def test_names_and_entries_are_those_of_published_files(trained, tmp_path, split, wrapped):
    export(trained, tmp_path / "x.pt", split, wrapped)
    content, module = raw(tmp_path / "x.pt"), "module." if wrapped else ""
    if split:
        assert list(content) == ["iteration", "representation_state", "generator_state", "optimizer_state"]
        assert f"representations.0.{module}conv1.weight" in content["representation_state"]
        assert f"generators.0.{module}layers.1.bias" in content["generator_state"]
        weights = {**content["representation_state"], **content["generator_state"]}
    else:
        assert list(content) == ["iteration", "model_state", "optimizer_state"]
        weights = content["model_state"]
        assert f"representation.representations.0.{module}deltas" in weights
        assert f"generator.generators.0.{module}input.weight" in weights
    assert len(weights) == len(read_checkpoint(trained).model_state)
    (group,) = content["optimizer_state"]["param_groups"]
    assert group == {
        "lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "amsgrad": False,
        "params": list(range(len(weights))),
    }  # fmt: skip
    assert {type(entry["step"]) for entry in content["optimizer_state"]["state"].values()} == {int}


def test_any_adam_takes_the_exported_moments(trained, tmp_path, tiny):
    """As a published program would: a model's parameters in the order of the weights, and PyTorch's own loading."""
    export(trained, tmp_path / "x.pt")
    content, model = raw(tmp_path / "x.pt"), SceneModel(tiny())
    model.load_state_dict(content["model_state"])
    optimizer = torch.optim.Adam(model.parameters())
    optimizer.load_state_dict(content["optimizer_state"])
    expected = moments_of(trained)
    for name, parameter in model.named_parameters():
        assert same(dict(optimizer.state[parameter]), expected[name])


@pytest.mark.parametrize(("split", "wrapped"), FORMS)
def test_training_goes_on_from_an_export_as_from_the_checkpoint_itself(trained, tiny, tmp_path, split, wrapped):
    """Its batches and steps are the same, as long as nothing draws random numbers in between."""
    config = tiny(iterations=9)
    export(trained, tmp_path / "x.pt", split, wrapped)
    told = io.StringIO()
    ours, theirs = (
        read_checkpoint(run(config, tmp_path / path.stem, checkpoint=path, told=told).checkpoint)
        for path in (trained, tmp_path / "x.pt")
    )
    assert ours.iteration == theirs.iteration == 9
    assert same(ours.model_state, theirs.model_state)
    assert same(ours.optimizer_state, theirs.optimizer_state)
    assert f"on from {tmp_path / 'x.pt'}, at iteration 6" in told.getvalue()
    assert "fresh" not in told.getvalue()


def test_training_goes_on_with_fresh_moments_where_a_file_has_none_that_fit(trained, tiny, tmp_path):
    export(trained, tmp_path / "x.pt")
    content = raw(tmp_path / "x.pt")
    content["optimizer_state"]["param_groups"][0]["params"].pop()
    torch.save(content, tmp_path / "other.pt")
    del content["optimizer_state"]
    torch.save(content, tmp_path / "none.pt")
    told = io.StringIO()
    states = [
        read_checkpoint(
            run(tiny(iterations=9), tmp_path / name, checkpoint=tmp_path / f"{name}.pt", told=told).checkpoint
        )
        for name in ("other", "none")
    ]
    assert same(states[0].model_state, states[1].model_state)
    assert {int(entry["step"]) for entry in states[0].optimizer_state["state"].values()} == {3}
    warnings = [line for line in told.getvalue().splitlines() if line.startswith("warning")]
    count = len(content["model_state"])
    assert warnings == [
        f"warning: {tmp_path / 'other.pt'}: its optimizer_state does not fit its weights (it is of {count - 1} "
        f"weights, where there are {count}): training goes on with fresh moments of Adam",
        f"warning: {tmp_path / 'none.pt'}: holds no moments of Adam: training goes on with fresh ones",
    ]


def test_the_iteration_of_a_published_file_sets_the_slope(trained, tiny, tmp_path, monkeypatch):
    seen = []
    forward = SceneModel.forward
    monkeypatch.setattr(SceneModel, "forward", lambda self, batch, t: seen.append(t) or forward(self, batch, t))
    torch.save({**raw(trained), "iteration": 400_000, "versions": None}, tmp_path / "late.pt")
    run(tiny(iterations=400_002), tmp_path / "late", checkpoint=tmp_path / "late.pt")
    assert seen == [400_000, 400_001]


def test_a_published_file_that_does_not_fit_says_why_and_moves_nothing(trained, tiny, tmp_path):
    export(trained, tmp_path / "x.pt", wrapped=True)
    with pytest.raises(CheckpointError) as caught:
        run(tiny(network={"layers": 3}), tmp_path / "first", checkpoint=tmp_path / "x.pt")
    assert str(caught.value) == (
        f"{tmp_path / 'x.pt'}: does not fit the config: generator.generators.0.layers.2.weight is not in the "
        "checkpoint: model.generators[0].settings.layers 2 (checkpoint) vs 3 (config)"
    )
    assert trained.exists()


def test_averaged_weights_are_exported_on_request(trained, tmp_path):
    assert "averaged weights of iteration 6" in export(trained, tmp_path / "x.pt", averaged=True)
    own, published = read_checkpoint(trained), read_checkpoint(tmp_path / "x.pt")
    assert same(published.model_state, own.ema_state)
    assert not same(published.model_state, own.model_state)


def test_an_export_can_be_exported_in_another_form(trained, tmp_path):
    export(trained, tmp_path / "a.pt", split=True, wrapped=True)
    export(tmp_path / "a.pt", tmp_path / "b.pt")
    export(trained, tmp_path / "c.pt")
    assert same(raw(tmp_path / "b.pt"), raw(tmp_path / "c.pt"))


def test_moments_follow_their_weights_where_the_order_changes(tmp_path):
    """Files of others may have the generators first; with --split, encoders come first."""
    model = SceneModel(model_config(tmp_path, [POOL], [PIXEL, COPY]))
    state = dict(model.state_dict())
    names = sorted(state)
    generator = torch.Generator().manual_seed(2)
    entries = {
        index: {
            "step": 4,
            "exp_avg": torch.randn(state[name].shape, generator=generator),
            "exp_avg_sq": torch.rand(state[name].shape, generator=generator),
        }
        for index, name in enumerate(names)
        if not name.endswith("deltas")
    }
    group = {"lr": 0.1, "params": list(range(len(names)))}
    content = {"iteration": 4, "model_state": {name: state[name] for name in names}}
    torch.save(content | {"optimizer_state": {"state": entries, "param_groups": [group]}}, tmp_path / "a.pt")
    export(tmp_path / "a.pt", tmp_path / "b.pt", split=True)
    assert names[0].startswith("generator.")
    assert next(iter(read_checkpoint(tmp_path / "b.pt").model_state)).startswith("representation.")
    moments = moments_of(tmp_path / "b.pt")
    assert same(moments, moments_of(tmp_path / "a.pt"))
    assert set(moments) == {name for name in names if not name.endswith("deltas")}


def test_moments_that_do_not_fit_are_left_out_and_said_to_be(trained, tmp_path):
    content = raw(trained)
    content["optimizer_state"]["state"][0]["exp_avg"] = torch.ones(2)
    torch.save(content, tmp_path / "a.pt")
    line = export(tmp_path / "a.pt", tmp_path / "b.pt")
    assert re.search(r"weights of iteration 6, without its moments of Adam \(exp_avg of \S+ has not its shape", line)
    assert "optimizer_state" not in raw(tmp_path / "b.pt")
    del content["optimizer_state"]
    torch.save(content, tmp_path / "a.pt")
    assert export(tmp_path / "a.pt", tmp_path / "b.pt").endswith("without moments of Adam, of which it holds none")


def test_what_cannot_be_exported_is_told(trained, tmp_path):
    with pytest.raises(CheckpointError, match=r"nowhere\.pt: no such checkpoint"):
        export(tmp_path / "nowhere.pt", tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=r"tiny_6\.pt: is the checkpoint itself"):
        export(trained, trained.parent / "." / trained.name)
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"^cannot write .*x\.pt: "):
        export(trained, tmp_path / "file" / "x.pt")
    save_checkpoint(tmp_path / "plain.pt", Checkpoint(1, {"final.bias": torch.ones(1)}))
    with pytest.raises(CheckpointError, match=r"plain\.pt: holds no averaged weights"):
        export(tmp_path / "plain.pt", tmp_path / "x.pt", averaged=True)
    with pytest.raises(CheckpointError, match=r"plain\.pt: final\.bias is of no encoder and of no generator$"):
        export(tmp_path / "plain.pt", tmp_path / "x.pt")
    assert sorted(path.name for path in tmp_path.glob("*.pt")) == ["plain.pt"]


def test_the_command_line(trained, tmp_path, monkeypatch, capsys):
    arguments = [trained, tmp_path / "x.pt", "--split", "--module", "--ema"]
    monkeypatch.setattr(sys, "argv", ["export", *map(str, arguments)])
    main()
    count = len(read_checkpoint(trained).model_state)
    assert capsys.readouterr().out == (
        f"{tmp_path / 'x.pt'}: {count} averaged weights of iteration 6, with moments of Adam for {count} of them\n"
    )
    assert "representations.0.module.deltas" in raw(tmp_path / "x.pt")["representation_state"]
    assert same(read_checkpoint(tmp_path / "x.pt").model_state, read_checkpoint(trained).ema_state)


def test_the_command_line_helps_without_waiting_for_torch(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{CODE}"}
    command = [sys.executable, "-m", "cnsr.training.export", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(option in done.stdout for option in ("CHECKPOINT", "OUT", "--split", "--module", "--ema"))


def test_train_gqn_goes_on_from_a_published_file(trained, tiny_file, tmp_path):
    export(trained, tmp_path / "published.pt", split=True, wrapped=True)
    config = tiny_file(iterations=8)
    command = [sys.executable, str(CODE / "train-gqn.py"), "--config", str(config), "--device", "cpu"]
    command += ["--checkpoint", str(tmp_path / "published.pt"), "--out_folder", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert f"on from {tmp_path / 'published.pt'}, at iteration 6" in done.stderr + done.stdout
    assert read_checkpoint(tmp_path / "out" / "tiny_8.pt").iteration == 8
    lines = (tmp_path / "out" / "tiny.stats.jsonl").read_text().splitlines()
    assert [json.loads(line)["iteration"] for line in lines] == [8]
