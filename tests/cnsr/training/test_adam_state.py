"""Moments of Adam go with the names of their weights, however a file orders and writes them."""

import copy
import dataclasses
import re

import pytest
import torch
from state_equality import same
from torch import nn

from cnsr.training.adam_state import moments_by_name, moments_to_go_on_with, optimizer_state
from cnsr.training.checkpoints import Checkpoint


class Network(nn.Module):
    """Layers made in any order, of which one, as logits without a partition, never has a gradient."""

    def __init__(self, order=("first", "unused", "last")):
        super().__init__()
        sizes = {"first": (3, 5), "unused": (5, 2), "last": (5, 1)}
        for name in order:
            self.add_module(name, nn.Linear(*sizes[name]))

    def forward(self, x):
        return self.last(torch.tanh(self.first(x)))


def trained(order=("first", "unused", "last"), **options):
    """A network after three steps of Adam, and its optimizer."""
    torch.manual_seed(5)
    network = Network(order)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(len(name))))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1, **options)
    for _ in range(3):
        step(network, optimizer)
    return network, optimizer


def step(network, optimizer):
    optimizer.zero_grad()
    network(torch.linspace(-1, 1, 6).view(2, 3)).square().sum().backward()
    optimizer.step()


def checkpoint_of(network, optimizer, **changes):
    """As read from a file: with tensors of its own."""
    return copy.deepcopy(Checkpoint(3, dict(network.state_dict()), optimizer.state_dict(), **changes))


def restored(checkpoint):
    """A network with the default order that goes on from the checkpoint, and its optimizer."""
    network = Network()
    network.load_state_dict(checkpoint.model_state)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1, fused=True)
    moments = moments_to_go_on_with(checkpoint, network, "x.pt")
    names = [name for name, _ in network.named_parameters()]
    optimizer.load_state_dict(optimizer_state(moments, names, optimizer.state_dict()["param_groups"][0]))
    return network, optimizer


@pytest.mark.parametrize("order", [("first", "unused", "last"), ("last", "first", "unused")])
@pytest.mark.parametrize("options", [{"fused": True}, {"fused": False}, {"amsgrad": True}])
def test_training_goes_on_as_if_unbroken_whatever_the_order_of_the_parameters(order, options):
    network, optimizer = trained(order, **options)
    other, continued = restored(checkpoint_of(network, optimizer))
    moments = moments_by_name(continued.state_dict(), dict(other.named_parameters()))
    assert same(moments, moments_by_name(optimizer.state_dict(), dict(network.named_parameters())))
    assert set(moments) == {"first.weight", "first.bias", "last.weight", "last.bias"}
    assert all(set(entry) == {"step", "exp_avg", "exp_avg_sq"} for entry in moments.values())
    if "amsgrad" not in options:  # whose maxima are left out
        step(network, optimizer)
        step(other, continued)
        for name, value in network.state_dict().items():
            torch.testing.assert_close(other.state_dict()[name], value)


def test_our_own_moments_come_back_to_the_bit():
    network, optimizer = trained(fused=True)
    _, other = restored(checkpoint_of(network, optimizer, config={}))
    assert same(other.state_dict(), optimizer.state_dict())


def written_by_old_torch(optimizer):
    """The state as PyTorch 1.4 wrote it: by address, with the number of steps as a number."""
    state = optimizer.state_dict()
    addresses = {index: 140_000_000_000 - 64 * index for index in state["param_groups"][0]["params"]}
    group = {name: state["param_groups"][0][name] for name in ("lr", "betas", "eps", "weight_decay", "amsgrad")}
    return {
        "state": {addresses[i]: {**entry, "step": int(entry["step"])} for i, entry in state["state"].items()},
        "param_groups": [group | {"params": list(addresses.values())}],
    }


def test_states_of_old_versions_of_torch_are_read():
    network, optimizer = trained()
    checkpoint = checkpoint_of(network, optimizer)
    _, expected = restored(checkpoint)
    _, other = restored(dataclasses.replace(checkpoint, optimizer_state=written_by_old_torch(optimizer)))
    assert same(other.state_dict(), expected.state_dict())
    assert len(other.state_dict()["state"]) == 4


def test_several_groups_of_parameters_are_one_list():
    network, _ = trained()
    groups = [{"params": network.first.parameters(), "lr": 0.1}, {"params": network.unused.parameters()}]
    optimizer = torch.optim.Adam([*groups, {"params": network.last.parameters()}])
    step(network, optimizer)
    moments = moments_by_name(optimizer.state_dict(), dict(network.named_parameters()))
    assert {name: entry["exp_avg"].shape for name, entry in moments.items()} == {
        name: value.shape for name, value in network.named_parameters() if "unused" not in name
    }


def spoiled(change):
    network, optimizer = trained()
    state = optimizer.state_dict()
    change(state)
    return Checkpoint(3, dict(network.state_dict()), state), network


SPOILED = [
    (lambda state: state.clear(), "it is no state of an optimizer"),
    (lambda state: state.update(param_groups=[]), "it is of 0 weights, where there are 6"),
    (lambda state: state.update(state=[]), "it is no state of an optimizer"),
    (lambda state: state["param_groups"][0]["params"].pop(), "it is of 5 weights, where there are 6"),
    (lambda state: state["param_groups"][0]["params"].reverse(), "exp_avg of first.weight has not its shape [5, 3]"),
    (lambda state: state["state"][0].pop("exp_avg"), "it has no moments of Adam for first.weight"),
    (lambda state: state["state"].update({0: 3}), "it has no moments of Adam for first.weight"),
    (lambda state: state["state"][1].update(step="x"), "step of first.bias is no number"),
    (lambda state: state["state"][1].update(exp_avg_sq=3), "exp_avg_sq of first.bias has not its shape [5]"),
    (lambda state: state["param_groups"][0].update(params=[[1]] * 6), "it is no state of an optimizer"),
]


@pytest.mark.parametrize(("change", "reason"), SPOILED)
def test_published_moments_that_do_not_fit_are_told_and_left_out(change, reason, recwarn):
    checkpoint, network = spoiled(change)
    assert moments_to_go_on_with(checkpoint, network, "x.pt") == {}
    assert [str(warning.message) for warning in recwarn] == [
        f"x.pt: its optimizer_state does not fit its weights ({reason}): training goes on with fresh moments of Adam"
    ]


@pytest.mark.parametrize(("change", "reason"), SPOILED)
def test_our_own_moments_that_do_not_fit_are_a_fault(change, reason):
    checkpoint, network = spoiled(change)
    with pytest.raises(ValueError, match=re.escape(reason)):
        moments_to_go_on_with(dataclasses.replace(checkpoint, config={}), network, "x.pt")


def test_a_file_without_moments_is_told(recwarn):
    network, _ = trained()
    assert moments_to_go_on_with(Checkpoint(3, dict(network.state_dict())), network, "x.pt") == {}
    assert [str(warning.message) for warning in recwarn] == [
        "x.pt: holds no moments of Adam: training goes on with fresh ones"
    ]


def test_weights_that_files_repeat_have_no_moments_of_their_own():
    """Parameters of an optimizer stand once, also where the dict of weights has them under two names."""
    network, optimizer = trained()
    checkpoint = checkpoint_of(network, optimizer)
    repeated = {"copy." + name: value for name, value in checkpoint.model_state.items()}
    twice = dataclasses.replace(checkpoint, model_state={**checkpoint.model_state, **repeated})
    assert same(moments_to_go_on_with(twice, network, "x"), moments_to_go_on_with(checkpoint, network, "x"))
