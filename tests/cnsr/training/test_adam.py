import copy

import pytest
import torch
from torch import nn

from cnsr.training.adam import Adam


@pytest.fixture
def network():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 2))


def losses(network, adam, steps, seed=7):
    torch.manual_seed(seed)
    found = []
    for _ in range(steps):
        loss = network(torch.randn(6, 4)).square().mean()
        adam.descend(loss)
        found.append(loss.item())
    return found


@pytest.mark.parametrize("at_once", [False, True])
def test_steps_are_those_of_adam(network, at_once):
    other = copy.deepcopy(network)
    found = losses(network, Adam(network, 0.01, at_once), 5)
    torch.manual_seed(7)
    optimizer = torch.optim.Adam(other.parameters(), lr=0.01, fused=True)
    for expected in found:
        loss = other(torch.randn(6, 4)).square().mean()
        assert loss.item() == expected
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert all(map(torch.equal, network.parameters(), other.parameters()))


@pytest.mark.parametrize("at_once", [False, True])
def test_no_gradient_is_left(network, at_once):
    losses(network, Adam(network, 0.01, at_once), 1)
    assert all(weight.grad is None for weight in network.parameters())


def test_a_gradient_is_used_up_before_the_next_is_made(network):
    Adam(network, 0.01, at_once=False)
    alive = []
    for weight in network.parameters():
        weight.register_post_accumulate_grad_hook(
            lambda _: alive.append(sum(each.grad is not None for each in network.parameters()))
        )
    network(torch.randn(6, 4)).sum().backward()
    assert alive == [0] * 6  # the step came first


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("then", [False, True])
def test_a_state_goes_on_as_if_unbroken(network, first, then):
    frozen = network[2].requires_grad_(False)  # has no moments
    other = copy.deepcopy(network)
    adam = Adam(network, 0.01, first)
    losses(network, adam, 3)
    other.load_state_dict(network.state_dict())
    state = adam.state_dict()
    assert sorted(state["state"]) == [0, 1, 4, 5]
    assert state["param_groups"][0]["params"] == list(range(6))
    resumed = Adam(other, 0.01, then)
    resumed.load_moments(copy.deepcopy(state["state"]))
    assert losses(network, adam, 3, seed=8) == losses(other, resumed, 3, seed=8)
    assert torch.equal(frozen.weight, other[2].weight)


def test_pytorch_reads_the_state(network):
    adam = Adam(network, 0.01, at_once=False)
    losses(network, adam, 2)
    torch.optim.Adam(network.parameters()).load_state_dict(adam.state_dict())
