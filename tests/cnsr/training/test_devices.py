import pytest
import torch

from cnsr.errors import ConfigError
from cnsr.training.devices import choose_device


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
