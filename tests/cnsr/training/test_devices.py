import pytest
import torch

from cnsr.config import load_config
from cnsr.errors import ConfigError
from cnsr.training import devices
from cnsr.training.devices import choose_device, prepare_process, put_on
from cnsr.training.distributed import Ranks


def test_cpu_can_be_asked_for():
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "", "cpu:1", "meta", "cuda:-1"])
def test_a_name_that_is_none_is_told(name):
    with pytest.raises(ConfigError, match=rf"^--device {name}: no such device; use cpu, cuda or cuda:N$"):
        choose_device(name)


def test_without_a_gpu_the_cpu_is_the_default_and_cuda_a_clear_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device() == torch.device("cpu")
    with pytest.raises(ConfigError, match=r"^--device cuda: PyTorch finds no CUDA GPU on this machine; use cpu$"):
        choose_device("cuda")


def test_with_gpus_the_first_is_the_default_and_others_can_be_chosen(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device() == choose_device("cuda") == torch.device("cuda", 0)
    assert choose_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(ConfigError, match=r"^--device cuda:2: this machine has cuda:0, cuda:1$"):
        choose_device("cuda:2")


def test_each_of_several_processes_has_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    second = Ranks(rank=3, count=4, local_rank=1, local_count=2)
    assert choose_device(None, second) == choose_device("cuda", second) == torch.device("cuda", 1)
    assert choose_device("cpu", second) == torch.device("cpu")
    with pytest.raises(
        ConfigError, match=r"^--device cuda:0: torchrun started 4 processes, each .* use cuda, or CUDA_"
    ):
        choose_device("cuda:0", second)
    with pytest.raises(ConfigError) as caught:
        choose_device(None, Ranks(2, 3, 2, 3))
    assert str(caught.value) == (
        "torchrun started 3 processes on a machine with 2 GPUs: use --nproc_per_node=2, or --device cpu"
    )


def test_without_a_gpu_several_processes_share_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device(None, Ranks(1, 2, 1, 2)) == torch.device("cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_weights_lie_channels_last():
    layer = put_on(torch.device("cuda", 0), torch.nn.Conv2d(4, 6, 3))
    assert layer.weight.is_cuda
    assert layer.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("gpu", "name", "config", "expected"),
    [
        (True, None, "room_beauty", []),
        (True, "cpu", "room_beauty", ["kept"]),
        (False, None, "room_direct_indirect", ["kept"]),
        (True, "cuda", "room_beauty", []),
        (True, "cuda", "room_beauty_unet", []),
        (False, None, "room_beauty_unet", ["returned"]),
        (True, "cpu", "room_beauty_gqn_buffers", ["returned"]),
    ],
)
def test_what_happens_to_freed_memory_on_the_cpu_depends_on_the_generators(monkeypatch, gpu, name, config, expected):
    calls = []
    monkeypatch.setattr(devices, "keep_freed_memory", lambda: calls.append("kept"))
    monkeypatch.setattr(devices, "return_large_blocks", lambda: calls.append("returned"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    prepare_process(name, load_config(f"{config}.json"))
    assert calls == expected
