"""Whole runs on tiny networks: exact resume, clean stops, clear errors."""

import dataclasses
import errno
import io
import json
import math
import os
import signal

import pytest
import torch
from state_equality import same

from cnsr import files, rendering
from cnsr.config import parse_config
from cnsr.datasets.loader import test_loader as held_out
from cnsr.errors import RenderError, StorageError, TrainingError, UserError
from cnsr.models.model import SceneModel
from cnsr.training import distributed, loop, session
from cnsr.training.checkpoints import Checkpoint, load_weights, read_checkpoint, save_checkpoint
from cnsr.training.evaluation import evaluate
from cnsr.training.journal import Journal
from cnsr.training.progress import Progress
from cnsr.training.session import train


@pytest.fixture
def start(tmp_path):
    """Return a function that trains quietly and returns what a checkpoint and the statistics hold afterwards."""

    def run(config, name="out", **options):
        folder = tmp_path / name
        told = io.StringIO()
        outcome = train(
            config, folder, device="cpu", log_folder=tmp_path / "runs", progress=Progress(told), **options
        )  # fmt: skip
        return outcome, statistics(folder / f"{config.job_name}.stats.jsonl"), told.getvalue()

    return run


def statistics(path):
    """The lines of a stats file without what depends on the clock."""
    if not path.exists():
        return []
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [{name: value for name, value in line.items() if not name.startswith("speed/")} for line in lines]


def states_agree(first, second):
    one, other = read_checkpoint(first), read_checkpoint(second)
    fields = ("iteration", "model_state", "optimizer_state", "ema_state", "random_states", "pending", "seed")
    return [name for name in fields if not same(getattr(one, name), getattr(other, name))] == []


VARIANTS = [
    {},
    {"ema": 0.9, "precision": "bf16", "empty_partition": True},
    {"workers": 1, "adaptive_separation": False, "network": {"initial_output": "log_mean", "end_relu": True}},
]


@pytest.mark.parametrize("variant", VARIANTS)
def test_n_and_n_iterations_equal_2n_bit_for_bit(tiny, start, variant):
    """6 is no multiple of the test interval of 4: what waits to be averaged and logged must survive, too."""
    whole, history, _ = start(tiny(iterations=12, **variant), "whole")
    half, before, _ = start(tiny(iterations=6, **variant), "halves")
    assert half.iteration == 6
    rest, resumed, _ = start(tiny(iterations=12, **variant), "halves")
    assert whole.iteration == rest.iteration == 12
    assert states_agree(whole.checkpoint, rest.checkpoint)
    assert resumed == history
    assert before == history[:1]
    assert [line["iteration"] for line in history] == [4, 8, 12]


def test_what_was_done_after_the_last_checkpoint_is_done_again(tiny, start, tmp_path):
    """As after a crash: statistics of lost iterations vanish and come again, the same."""
    _, history, _ = start(tiny(iterations=12, checkpoint_interval=5))
    folder = tmp_path / "out"
    (folder / "tiny_12.pt").rename(tmp_path / "kept.pt")
    with (folder / "tiny.stats.jsonl").open("a") as file:
        file.write('{"iteration": 16, "train/l')
    outcome, resumed, told = start(tiny(iterations=12, checkpoint_interval=5))
    assert f"on from {folder / 'tiny_10.pt'}, at iteration 10" in told
    assert states_agree(outcome.checkpoint, tmp_path / "kept.pt")
    assert resumed == history


def test_how_often_a_run_is_tested_or_saved_does_not_change_it(tiny, start):
    often, _, _ = start(tiny(test_interval=1, checkpoint_interval=2), "often")
    never, _, _ = start(tiny(test_interval=1000), "never")
    assert same(read_checkpoint(often.checkpoint).model_state, read_checkpoint(never.checkpoint).model_state)


def test_checkpoints_are_left_at_the_interval_and_at_the_end(tiny, start, tmp_path):
    outcome, _, told = start(tiny(checkpoint_interval=5))
    assert sorted(path.name for path in (tmp_path / "out").glob("*.pt")) == ["tiny_10.pt", "tiny_12.pt", "tiny_5.pt"]
    assert outcome.checkpoint == tmp_path / "out" / "tiny_12.pt"
    assert outcome.signal is None
    assert told.splitlines() == ["training tiny from the start, on cpu, seed 7", f"done: {outcome.checkpoint}"]


def test_everything_asked_for_is_logged(tiny, start, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = tiny(logging=True, empty_partition=True, test_interval=1)
    _, history, _ = start(config)
    shares = ["lighting_percentage", "geometry_percentage", "material_percentage", "empty_percentage", "absolute_rsize"]
    expected = {"iteration", "train/loss", "train/generator0_logl1", "train/generator0_logssim", "train/partition"}
    expected |= {f"train/{name}" for name in shares}
    expected |= {f"test/generator0/beauty/{name}" for name in ("psnr", "ssim", "mape", "rmse")}
    assert set(history[0]) == expected
    assert sum(history[0][f"train/{name}"] for name in shares[:4]) == pytest.approx(1, abs=1e-5)
    board = EventAccumulator(str(tmp_path / "runs" / "tiny"), size_guidance={"scalars": 0, "images": 0})
    board.Reload()
    for name in expected - {"iteration"}:
        shown = [(event.step, event.value) for event in board.Scalars(name)]
        assert shown == [(line["iteration"], pytest.approx(line[name])) for line in history]
    assert board.Scalars("speed/waiting_for_data")
    assert [event.step for event in board.Images("test/generator0/beauty")] == [1, 12]
    text = board.Tensors("config/text_summary")[0].tensor_proto.string_val[0].decode()
    assert '"representation_dim": 12' in text


def test_without_logging_there_are_statistics_only(tiny, start, tmp_path):
    _, history, _ = start(tiny(logging=False))
    assert history
    assert not (tmp_path / "runs").exists()


def test_it_learns(tiny, start):
    _, history, _ = start(tiny(iterations=300, test_interval=50, learning_rate=3e-3))
    assert history[-1]["train/loss"] < 0.3 * history[0]["train/loss"]
    assert history[-1]["test/generator0/beauty/psnr"] > history[0]["test/generator0/beauty/psnr"] + 2


def test_the_average_of_weights_is_what_is_tested(tiny, start):
    config = tiny(iterations=20, test_interval=20, learning_rate=0.01, ema=0.9)
    outcome, history, _ = start(config)
    model, checkpoint = SceneModel(config), read_checkpoint(outcome.checkpoint)
    psnr = {}
    for averaged in (False, True):
        load_weights(model, checkpoint, outcome.checkpoint, averaged=averaged)
        result = evaluate(model, config, held_out(config), checkpoint.iteration)
        psnr[averaged] = result.means["generator0/beauty/psnr"]
    assert history[-1]["test/generator0/beauty/psnr"] == psnr[True]
    assert psnr[True] != psnr[False]


@pytest.mark.slow
@pytest.mark.parametrize(
    "generator",
    [{}, {"type": "GQN", "settings": {"state_dim": 8, "latent_dim": 2, "core_count": 2, "downscaling": 2}}],
)
def test_compiled_networks_learn_the_same(tiny_settings, tiny, tmp_path, start, generator):
    """Noise is drawn in another way in compiled code; so early, hardly anything depends on it."""
    tiny_settings["model"]["generators"][0] |= generator
    tiny()  # makes the data
    config = parse_config(tiny_settings, folder=tmp_path)
    _, plain, _ = start(config, "plain")
    _, compiled, _ = start(config.model_copy(update={"compile": True}), "compiled")
    assert [line["train/loss"] for line in compiled] == pytest.approx([line["train/loss"] for line in plain], rel=1e-3)


def test_a_drawn_seed_is_told_kept_and_used_again(tiny, start, tmp_path):
    first, _, told = start(tiny(seed=-1, iterations=6))
    seed = read_checkpoint(first.checkpoint).seed
    assert f"seed {seed}" in told
    second, _, again = start(tiny(seed=-1, iterations=12))
    assert f"seed {seed}" in again
    whole, _, _ = start(tiny(seed=seed, iterations=12), "whole")
    assert states_agree(second.checkpoint, whole.checkpoint)
    other, _, _ = start(tiny(seed=-1, iterations=1), "other")
    assert read_checkpoint(other.checkpoint).seed != seed


def test_a_finished_run_is_left_as_it_is(tiny, start, tmp_path):
    start(tiny())
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    outcome, _, told = start(tiny())
    assert outcome.iteration == 12
    assert "has 12 iterations, the config asks for 12: nothing to do; raise iterations to train on" in told
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before


def test_fresh_starts_over_and_keeps_the_old_files(tiny, start, tmp_path):
    first, history, _ = start(tiny())
    content = first.checkpoint.read_bytes()
    second, again, told = start(tiny(), fresh=True)
    assert f"files of an earlier attempt moved to {tmp_path / 'out/old/tiny.1'}" in told
    assert states_agree(second.checkpoint, tmp_path / "out/old/tiny.1/tiny_12.pt")
    assert (tmp_path / "out/old/tiny.1/tiny_12.pt").read_bytes() == content
    assert again == history


def test_a_run_can_start_from_the_weights_of_another(tiny, start, tmp_path):
    """As from a published checkpoint: weights and iteration, nothing else."""
    config = tiny(iterations=6)
    first, _, _ = start(config, "first")
    weights = read_checkpoint(first.checkpoint).model_state
    path = tmp_path / "weights.pt"
    torch.save({"iteration": 3, "model_state": weights}, path)
    outcome, _, told = start(tiny(iterations=4), "second", checkpoint=path)
    assert f"on from {path}, at iteration 3" in told
    assert read_checkpoint(outcome.checkpoint).iteration == 4
    assert path.exists()


class SignalAt(Progress):
    """Sends a signal to this process after some iterations."""

    def __init__(self, count, number):
        super().__init__(io.StringIO())
        self.count, self.number = count, number

    def step(self, loss):
        super().step(loss)
        self.count -= 1
        if self.count == 0:
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_checkpoint_to_go_on_from(tiny, start, tmp_path, number):
    whole, history, _ = start(tiny(), "whole")
    outcome = train(tiny(), tmp_path / "out", device="cpu", progress=SignalAt(7, number))
    assert (outcome.iteration, outcome.signal) == (7, number)
    assert outcome.checkpoint == tmp_path / "out" / "tiny_7.pt"
    rest, resumed, _ = start(tiny())
    assert states_agree(whole.checkpoint, rest.checkpoint)
    assert resumed == history


def test_a_loss_that_is_no_number_names_the_batch_and_keeps_the_last_good_checkpoint(tiny, start, tmp_path):
    start(tiny(iterations=5))
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) at iteration 7 .*with batch .*batch\d{9}\.npz"):
        start(tiny(learning_rate=1e25))
    assert [path.name for path in (tmp_path / "out").glob("*.pt")] == ["tiny_5.pt"]


def test_weights_that_are_no_numbers_are_never_saved(tiny, start, tmp_path, monkeypatch):
    step = loop.Trainer._step

    def poisoned(self, *arguments):
        step(self, *arguments)
        with torch.no_grad():
            next(self.model.generator.parameters()).fill_(math.nan)

    monkeypatch.setattr(loop.Trainer, "_step", poisoned)
    with pytest.raises(
        TrainingError, match=r"^generator\.\S+ is NaN or infinite after iteration 1, with batch .*npz; a"
    ):
        start(tiny(checkpoint_interval=1))
    assert list((tmp_path / "out").glob("*.pt")) == []


def test_nothing_to_train_is_told(tiny, start, monkeypatch):
    monkeypatch.setattr(session, "SceneModel", lambda config: SceneModel(config).requires_grad_(False))
    with pytest.raises(TrainingError, match="nothing to train: every network is detached, or has its loss discarded"):
        start(tiny())


def test_a_detached_encoder_stays_as_it_is(tiny, start):
    config = tiny(encoder={"detach": True}, iterations=3)
    outcome, _, _ = start(config)
    state = read_checkpoint(outcome.checkpoint).model_state
    torch.manual_seed(7)
    fresh = SceneModel(config).state_dict()
    changed = {name.split(".")[0] for name in fresh if not torch.equal(fresh[name], state[name])}
    assert changed == {"generator"}


def test_all_faults_are_named_at_once(tiny, start, tmp_path):
    (tmp_path / "out").mkdir()
    save_checkpoint(tmp_path / "out" / "tiny_3.pt", Checkpoint(3, {}, config={"empty_partition": True}))
    config = tiny(train_data_dir="nowhere", test_data_dir="neither")
    with pytest.raises(UserError) as caught:
        train(config, tmp_path / "out", device="gpu")
    message = str(caught.value)
    assert "\n" not in message
    for part in (
        "--device gpu: no such device",
        "empty_partition True (checkpoint) vs False (config)",
        f"{tmp_path / 'nowhere'} (train_data_dir): no such folder",
        f"{tmp_path / 'neither'} (test_data_dir): no such folder",
    ):
        assert part in message
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["tiny_3.pt"]


def test_contradicting_options_are_told(tiny, start, tmp_path):
    with pytest.raises(UserError, match=r"--fresh starts at the beginning, --checkpoint at a checkpoint"):
        start(tiny(), fresh=True, checkpoint=tmp_path / "x.pt")


def test_weights_that_do_not_fit_move_nothing(tiny, start, tmp_path):
    first, _, _ = start(tiny())
    path = tmp_path / "weights.pt"
    torch.save({"iteration": 3, "model_state": {"final.bias": torch.ones(3)}}, path)
    with pytest.raises(UserError, match=r"weights\.pt: does not fit the config: .* is not in the checkpoint"):
        start(tiny(), checkpoint=path)
    assert first.checkpoint.exists()


def test_a_run_that_is_refused_leaves_nothing_behind(tiny, start, tmp_path):
    config = tiny(logging=True)
    with pytest.raises(UserError, match="no such folder"):
        start(config.model_copy(update={"train_data_dir": tmp_path / "nowhere"}), "deep/out")
    assert not (tmp_path / "deep").exists()
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("gpus", "changes", "options", "told"),
    [
        (4, {}, {}, True),
        (1, {}, {}, False),
        (4, {"multi_gpu": False}, {}, False),
        (4, {}, {"command": ()}, False),
        (4, {}, {"device": "cpu"}, False),
    ],
)
def test_a_machine_with_several_gpus_is_told_of(tiny, tmp_path, monkeypatch, gpus, changes, options, told):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(session, "choose_device", lambda *_: torch.device("cpu"))
    monkeypatch.setattr(distributed.shutil, "which", lambda name: name)
    stream = io.StringIO()
    options = {"command": ["train-gqn.py", "--config", "tiny.json"]} | options
    train(tiny(iterations=1, **changes), tmp_path / "out", progress=Progress(stream), **options)
    expected = (
        "note: one of 4 GPUs is used; to use more of them: torchrun --nproc_per_node=3 train-gqn.py --config tiny.json"
    )
    assert (expected in stream.getvalue().splitlines()) == told


def test_a_folder_that_cannot_be_written_is_told_before_training(tiny, start, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"^cannot write .*file/out: a part of the path is a file, not a folder$"):
        start(tiny(), "file/out")


def test_a_folder_without_write_permission_is_told_before_training(tiny, start, tmp_path, monkeypatch):
    """Tests may run as root, who may write everywhere: the system's answer is given by hand."""

    def refuse(**_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(files.tempfile, "NamedTemporaryFile", refuse)
    with pytest.raises(
        StorageError, match=rf"^cannot write {tmp_path / 'out'}: permission denied; choose another folder"
    ):
        start(tiny())


def test_a_full_disk_ends_training_and_keeps_what_is_there(tiny, start, tmp_path, monkeypatch):
    start(tiny(iterations=5))

    def full(path, _):
        raise StorageError(f"cannot write {path}: the disk is full")

    monkeypatch.setattr(loop, "save_checkpoint", full)
    with pytest.raises(StorageError, match="the disk is full"):
        start(tiny())
    monkeypatch.undo()
    outcome, _, told = start(tiny())
    assert "at iteration 5" in told
    assert outcome.iteration == 12


def test_a_full_disk_under_the_statistics_loses_no_iteration(tiny, start, tmp_path, monkeypatch):
    def full(journal, iteration, _):
        raise StorageError("cannot write the statistics: the disk is full")

    monkeypatch.setattr(Journal, "numbers", full)
    with pytest.raises(StorageError, match="cannot write the statistics"):
        start(tiny())
    assert read_checkpoint(tmp_path / "out" / "tiny_4.pt").iteration == 4


@pytest.mark.parametrize(
    "spoiled",
    [
        {"optimizer_state": {"foo": 1}},
        {"optimizer_state": {"state": {}, "param_groups": []}},
        {"random_states": {"cpu": torch.zeros(3)}},
        {"pending": {"sums": {}}},
        {"ema_state": {"final.bias": torch.zeros(3)}},
    ],
)
def test_a_state_of_training_that_is_none_is_told_and_moves_nothing(tiny, start, tmp_path, spoiled):
    first, _, _ = start(tiny(ema=0.5, iterations=5))
    path = tmp_path / "spoiled.pt"
    good = read_checkpoint(first.checkpoint)
    save_checkpoint(path, dataclasses.replace(good, **spoiled))
    with pytest.raises(UserError, match=r"spoiled\.pt: its weights fit, but not the state of training") as caught:
        start(tiny(ema=0.5), checkpoint=path)
    assert "\n" not in str(caught.value)
    assert first.checkpoint.exists()


def test_a_log_folder_that_cannot_be_written_is_told_before_training(tiny, start, tmp_path):
    first, _, _ = start(tiny(iterations=5))
    (tmp_path / "runs").write_text("in the way")
    with pytest.raises(
        StorageError, match=rf"^cannot write {tmp_path / 'runs' / 'tiny'}: a part of the path is a file"
    ):
        start(tiny(logging=True), fresh=True)
    assert first.checkpoint.exists()


def test_a_fault_of_both_data_sets_is_told_once(tiny, start, monkeypatch):
    def missing():
        raise RenderError("the native renderer is not built")

    monkeypatch.setattr(rendering, "_native_module", missing)
    with pytest.raises(UserError) as caught:
        start(tiny(cached_dataset=False))
    assert str(caught.value).count("the native renderer is not built") == 1


def test_warnings_about_data_are_plain_lines(tiny, start, tmp_path):
    damaged = tmp_path / "train" / "batch000000001.npz"
    config = tiny()
    damaged.write_bytes(damaged.read_bytes()[:300])
    _, _, told = start(config)
    lines = [line for line in told.splitlines() if "batch000000001" in line]
    assert len(lines) == 1
    assert lines[0].startswith("warning: skipped ")
