import pytest
import torch
from torch import nn

from cnsr.training.averaging import WeightAverage


def weights(model):
    return {name: value.clone() for name, value in model.named_parameters()}


def step(model, generator):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator))


def test_average_follows_its_formula():
    model, generator = nn.Linear(3, 2), torch.Generator().manual_seed(1)
    average = WeightAverage(model, decay=0.3)
    expected = weights(model)
    for count in range(1, 12):
        step(model, generator)
        average.update(count)
        decay = min(0.3, (1 + count) / (10 + count))
        expected = {name: decay * expected[name] + (1 - decay) * value for name, value in weights(model).items()}
    for name, value in average.state().items():
        torch.testing.assert_close(value, expected[name])


def test_the_model_uses_the_average_only_inside_the_context():
    model = nn.Linear(3, 2)
    average = WeightAverage(model, decay=0.9)
    step(model, torch.Generator().manual_seed(1))
    own, averaged = weights(model), {name: value.clone() for name, value in average.state().items()}
    with pytest.raises(KeyError), average.applied():
        assert all(torch.equal(value, averaged[name]) for name, value in model.named_parameters())
        raise KeyError
    assert all(torch.equal(value, own[name]) for name, value in model.named_parameters())
    assert all(torch.equal(value, averaged[name]) for name, value in average.state().items())


def test_a_restored_average_goes_on_as_if_unbroken():
    model = nn.Linear(3, 2)
    first = WeightAverage(model, 0.5)
    second = WeightAverage(model, 0.5)
    step(model, torch.Generator().manual_seed(1))
    first.update(1)
    second.restore(first.state())
    step(model, torch.Generator().manual_seed(2))
    first.update(2)
    second.update(2)
    assert all(torch.equal(value, second.state()[name]) for name, value in first.state().items())
    with pytest.raises(KeyError):
        second.restore({})
