"""Weights to start from."""

import pytest
import torch
from torch import nn

from cnsr.models.initialization import initialize


class Stack(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(256, 256, 1) for _ in range(8))
        self.final = nn.Conv2d(256, 3, 1)

    def forward(self, x):
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x


def build(scheme):
    torch.manual_seed(4)
    stack = Stack()
    initialize(stack, scheme)
    return stack


def power_through(stack):
    x = torch.randn(16, 256, 4, 4, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return (stack(x).square().mean() / x.square().mean()).item()


def test_he_keeps_the_power_that_the_default_loses():
    # A random stack keeps the power on average over weights; one of this width strays by a few ten percent.
    assert 0.5 < power_through(build("he")) < 2
    assert power_through(build("default")) < 1e-2


def test_the_default_is_pytorchs_own_and_outputs_stay_as_they_are():
    torch.manual_seed(4)
    untouched = Stack()
    for name, value in build("default").state_dict().items():
        assert torch.equal(value, untouched.state_dict()[name])
    he = build("he").state_dict()
    assert torch.equal(he["final.weight"], untouched.final.weight)
    assert not torch.equal(he["layers.0.weight"], untouched.layers[0].weight)
    assert he["layers.0.bias"].abs().max() == 0


def test_variance_is_two_over_the_inputs():
    weight = build("he").layers[0].weight
    assert weight.var().item() == pytest.approx(2 / 256, rel=0.03)
