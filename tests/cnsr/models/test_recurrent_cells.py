import pytest
import torch

from cnsr.models.recurrent_cells import GRUCell, LSTMCell

HIDDEN, SIZE = 5, 6
WIDTHS = {"state": HIDDEN, "maps": 3, "vector": 4}


def inputs_of(kinds):
    shapes = {"state": (2, HIDDEN, SIZE, SIZE), "maps": (2, 3, SIZE, SIZE), "vector": (2, 4)}
    return [torch.randn(shapes[kind]).requires_grad_() for kind in kinds]


def plain(cell, state, inputs):
    """The cell of the reference in float64, with every input as a map, and 0 for a state that is not there."""
    import plain_gqn

    weights = {f"cell.{name}": value.detach().double().requires_grad_() for name, value in cell.named_parameters()}
    doubles = [value.detach().double().requires_grad_() for value in inputs]
    maps = [value if value.ndim == 4 else value[:, :, None, None].repeat(1, 1, SIZE, SIZE) for value in doubles]
    return plain_gqn.cell(weights, "cell", state, torch.cat(maps, dim=1)), weights, doubles


@pytest.mark.parametrize("kind", [LSTMCell, GRUCell])
@pytest.mark.parametrize("kinds", [("vector", "maps"), ("maps", "vector"), ("state", "maps", "vector", "maps")])
@pytest.mark.parametrize("started", [False, True])
def test_agrees_with_the_plain_cell(kind, kinds, started, deviation):
    cell = kind(HIDDEN, sum(WIDTHS[name] for name in kinds))
    inputs = inputs_of(kinds)
    states = 2 if kind is LSTMCell else 1
    zero = torch.zeros(2, HIDDEN, SIZE, SIZE)
    state = tuple(torch.randn(2, HIDDEN, SIZE, SIZE) if started else zero for _ in range(states))
    expected, weights, doubles = plain(cell, tuple(value.double() for value in state), inputs)
    result = cell(state if started else None, inputs)
    directions = [torch.randn_like(value) for value in result]
    torch.autograd.backward(result, directions)
    torch.autograd.backward(expected, [direction.double() for direction in directions])
    for value, other in zip(result, expected, strict=True):
        assert deviation(value, other) < 1e-5
    for value, other in zip(inputs, doubles, strict=True):
        assert deviation(value.grad, other.grad) < 1e-4
    for name, value in cell.named_parameters():
        assert deviation(value.grad, weights[f"cell.{name}"].grad) < 1e-4, name


@pytest.mark.parametrize("kind", [LSTMCell, GRUCell])
def test_a_state_that_is_still_zero_may_be_left_out(kind):
    cell = kind(HIDDEN, HIDDEN + 7)
    maps, vector = inputs_of(("maps", "vector"))
    zero = torch.zeros(2, HIDDEN, SIZE, SIZE)
    left_out = cell(None, (None, maps, vector))
    given = cell((zero, zero), (zero, maps, vector))
    for one, other in zip(left_out, given, strict=True):
        torch.testing.assert_close(one, other)
    torch.autograd.backward(left_out, [torch.ones_like(value) for value in left_out])
    for name, value in cell.named_parameters():
        if name.endswith("weight"):
            assert torch.count_nonzero(value.grad[:, : 2 * HIDDEN]) == 0


@pytest.mark.parametrize("kind", [LSTMCell, GRUCell])
def test_gradients_can_be_taken_twice_and_of_inputs_alone(kind):
    cell = kind(HIDDEN, 7).requires_grad_(False)
    maps, vector = inputs_of(("maps", "vector"))
    state = tuple(torch.randn(2, HIDDEN, SIZE, SIZE) for _ in range(2))
    result = cell(state, (maps, vector))[0].sum()
    first = torch.autograd.grad(result, (maps, vector), retain_graph=True)
    second = torch.autograd.grad(result, (maps, vector))
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one, other)
        assert torch.count_nonzero(one)
    assert all(value.grad is None for value in cell.parameters())


@pytest.mark.parametrize("kind", [LSTMCell, GRUCell])
def test_states_are_float32_under_autocast(kind, deviation):
    cell = kind(16, 7)
    maps, vector = inputs_of(("maps", "vector"))
    state = tuple(torch.randn(2, 16, SIZE, SIZE) for _ in range(2))
    exact = cell(state, (maps, vector))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = cell(state, (maps, vector))
    for one, other in zip(rounded, exact, strict=True):
        assert one.dtype == torch.float32
        assert 1e-6 < deviation(one, other) < 2e-2
    torch.autograd.backward(rounded, [torch.ones_like(value) for value in rounded])
    assert {value.grad.dtype for value in (maps, vector, *cell.parameters())} == {torch.float32}
