"""Several processes are played here one after the other; tests of the training script start real ones."""

import pytest
import torch
import torch.distributed as dist

from cnsr.models import shared_batch
from cnsr.models.shared_batch import mean_over_scenes, noise_for_scenes


@pytest.fixture
def place(monkeypatch):
    """Return a function that makes this process one of several."""

    def be(rank, count):
        monkeypatch.setattr(shared_batch, "_place", lambda: (rank, count))

    return be


def test_alone_the_mean_is_that_over_all_scenes():
    values = torch.arange(12.0).view(3, 2, 2)
    assert torch.equal(mean_over_scenes(values), torch.tensor([[[4.0, 5.0], [6.0, 7.0]]]))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_processes_draw_the_noise_of_one(place, layout, count):
    """The layout of a tensor differs between devices; the noise must not."""
    torch.manual_seed(5)
    whole = torch.randn(6, 3, 4, 4)
    after = torch.get_rng_state()
    like = torch.empty(6 // count, 3, 4, 4).to(memory_format=layout)
    parts = []
    for rank in range(count):
        place(rank, count)
        torch.manual_seed(5)
        parts.append(noise_for_scenes(like))
        assert torch.equal(torch.get_rng_state(), after)
    assert torch.equal(torch.cat(parts), whole)


def test_without_gradients_a_process_draws_for_itself(place):
    """As in evaluation, by one process alone: the other ones draw nothing meanwhile."""
    place(1, 2)
    torch.manual_seed(5)
    expected = torch.randn(2, 20)
    torch.manual_seed(5)
    with torch.no_grad():
        assert torch.equal(noise_for_scenes(torch.empty(2, 20)), expected)


def test_noise_has_the_type_of_what_it_is_for():
    assert noise_for_scenes(torch.empty(2, 3, dtype=torch.float64)).dtype == torch.float64


def test_the_mean_goes_through_all_processes_forward_and_backward(place, monkeypatch):
    """The other process has the values 3, and from its loss the gradient 5."""
    others = iter((3.0, 5.0))
    monkeypatch.setattr(dist, "all_reduce", lambda values: values.add_(next(others)))
    place(0, 2)
    values = torch.tensor([[1.0], [2.0]], requires_grad=True)
    mean = mean_over_scenes(values)
    assert mean.tolist() == [[(1.5 + 3) / 2]]
    (7 * mean).sum().backward()
    # of the sum of both losses, in which a scene has a weight of 1/4
    assert values.grad.tolist() == [[(7 + 5) / 4], [(7 + 5) / 4]]
