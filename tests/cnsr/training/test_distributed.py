import pytest
import torch
import torch.distributed as dist

from cnsr.config import parse_config
from cnsr.datasets.source import Share
from cnsr.errors import ConfigError, DatasetError, UserError
from cnsr.models.model import SceneModel
from cnsr.training import distributed
from cnsr.training.distributed import ALONE, Ranks, command_for_all_gpus, joined, with_shared_gradients

TORCHRUN = {
    "RANK": "5",
    "WORLD_SIZE": "8",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "4",
    "MASTER_ADDR": "first.example",
    "MASTER_PORT": "29500",
}


def test_torchrun_says_which_process_this_is():
    ranks = Ranks.from_environment(TORCHRUN)
    assert ranks == Ranks(rank=5, count=8, local_rank=1, local_count=4)
    assert not ranks.first
    assert ranks.share == Share(5, 8, neighbors=4)


@pytest.mark.parametrize("environment", [{}, {"WORLD_SIZE": "1", "RANK": "0"}, {"RANK": "3"}])
def test_without_torchrun_or_with_one_process_it_is_alone(environment):
    assert Ranks.from_environment(environment) == ALONE
    assert ALONE.first
    assert list(ALONE.share.of(6)) == list(range(6))


def test_an_incomplete_environment_is_told():
    incomplete = {name: value for name, value in TORCHRUN.items() if name not in ("LOCAL_RANK", "MASTER_PORT")}
    with pytest.raises(ConfigError, match=r"^WORLD_SIZE is 8, but LOCAL_RANK, MASTER_PORT not set: start .* torchrun"):
        Ranks.from_environment(incomplete)


@pytest.mark.parametrize(
    "change",
    [{"RANK": "8"}, {"RANK": "x"}, {"LOCAL_RANK": "4"}, {"WORLD_SIZE": "3"}, {"WORLD_SIZE": "-2"}, {"RANK": "0"}],
)
def test_a_place_that_cannot_be_is_told(change):
    with pytest.raises(ConfigError, match=r"RANK=\S+, WORLD_SIZE=\S+, LOCAL_RANK=.*: no such place among processes"):
        Ranks.from_environment(TORCHRUN | change)


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_processes_share_all_scenes(count):
    shares = [Ranks(rank, count).share.of(12) for rank in range(count)]
    assert [scene for share in shares for scene in share] == list(range(12))


def test_a_batch_must_divide_among_the_processes(tiny):
    for count in (1, 2, 6):
        Ranks(0, count).check(tiny(batch_size=6))
    with pytest.raises(ConfigError) as caught:
        Ranks(0, 4).check(tiny(batch_size=6))
    assert str(caught.value) == (
        "batch_size 6 cannot be shared evenly by 4 processes: start 1, 2, 3 or 6 of them, or change batch_size"
    )


def test_one_gpu_is_not_several(tiny):
    ALONE.check(tiny(multi_gpu=False))
    with pytest.raises(ConfigError, match=r"^multi_gpu is false, but torchrun started 2 processes: set it to true, or"):
        Ranks(0, 2).check(tiny(multi_gpu=False, batch_size=2))


def test_a_single_fault_keeps_its_kind_and_several_are_told_once_each():
    ALONE.agree([])
    with pytest.raises(DatasetError, match=r"^one$"):
        ALONE.agree([DatasetError("one"), DatasetError("one")])
    with pytest.raises(UserError, match=r"^one; two$"):
        ALONE.agree([DatasetError("one"), ConfigError("two"), DatasetError("one")])
    with pytest.raises(DatasetError, match=r"^one$"), ALONE.agreed():
        raise DatasetError("one")


@pytest.mark.parametrize(("gpus", "processes"), [(1, None), (2, 2), (4, 3), (7, 6), (8, 6)])
def test_the_command_for_all_gpus_starts_as_many_processes_as_can_share_a_batch(tiny, monkeypatch, gpus, processes):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(distributed.shutil, "which", lambda name: f"/bin/{name}")
    told = command_for_all_gpus(tiny(batch_size=6), ["code/train-gqn.py", "--config", "a b.json"])
    expected = f"torchrun --nproc_per_node={processes} code/train-gqn.py --config 'a b.json'"
    assert told == (None if processes is None else expected)


def test_without_torchrun_on_the_path_python_starts_it(tiny, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(distributed.shutil, "which", lambda name: None)
    monkeypatch.setattr(distributed.sys, "executable", "/opt/python")
    assert command_for_all_gpus(tiny(), ["x.py"]) == "/opt/python -m torch.distributed.run --nproc_per_node=3 x.py"


def test_other_errors_than_of_contact_keep_their_traceback():
    with pytest.raises(RuntimeError, match="a fault of the program"), joined(ALONE):
        raise RuntimeError("a fault of the program")


@pytest.fixture
def group():
    """A process group of this process alone, which takes all the same paths."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.filterwarnings("ignore:Grad strides do not match")
def test_weights_that_no_loss_depends_on_take_no_part(tiny_settings, random_batch, group):
    """A discarded generator and the logits of unused partitions would keep the others waiting for their gradients."""
    (generator,) = tiny_settings["model"]["generators"]
    tiny_settings["model"]["generators"] = [generator | {"discard_loss": True}, generator]
    config = parse_config(tiny_settings | {"latent_separation": False})
    torch.manual_seed(0)
    model = SceneModel(config)
    batch = random_batch(config, None)
    network = with_shared_gradients(model, model(batch, 0).loss)
    still = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    expected = {name for name, _ in model.named_parameters() if name.startswith("generator.generators.0.")}
    assert still == expected | {"representation.representations.0.deltas"}
    for _ in range(3):  # the second step fails where a gradient of the first did not come
        network(batch, 0).loss.backward()
    assert all((weight.grad is None) == (name in still) for name, weight in model.named_parameters())
