import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cnsr.config import RepresentationConfig
from cnsr.models.partition import (
    adaptive_mask,
    null_mask,
    partition_shares,
    regularize_gradient,
    separate,
    slope_at,
    static_mask,
)
from cnsr.models.shared_batch import mean_over_scenes

FEW = settings(max_examples=40, deadline=None)
logits = st.lists(st.floats(-2, 3, width=32), min_size=3, max_size=3)
slopes = st.floats(1, 200)
factors = st.integers(0, 2)
channel_counts = st.integers(3, 40)


@FEW
@given(logits, st.booleans(), factors, channel_counts, slopes)
def test_adaptive_masks_agree_with_the_plain_formula(deltas, null, factor, channels, slope):
    import plain_networks

    fast = torch.tensor(deltas + [0.5] * null, requires_grad=True)
    plain = fast.detach().double().requires_grad_()
    direction = torch.linspace(-1, 1, channels)
    for make, index in ((adaptive_mask, factor), (lambda d, _, r, m: null_mask(d, r, m), 3)):
        if index == 3 and not null:
            continue
        mask = make(fast, index, channels, slope)
        reference = plain_networks.soft_mask(plain, index, channels, slope)
        torch.testing.assert_close(mask.double(), reference, rtol=1e-5, atol=1e-9)
        (gradient,) = torch.autograd.grad((mask * direction).sum(), fast)
        (expected,) = torch.autograd.grad((reference * direction).sum(), plain)
        torch.testing.assert_close(gradient.double(), expected, rtol=1e-4, atol=1e-7 * channels)


@FEW
@given(factors, channel_counts)
def test_static_masks_are_thirds(factor, channels):
    import plain_networks

    mask = static_mask(channels, factor, torch.device("cpu"))
    assert mask.tolist() == plain_networks.thirds_mask(factor, channels).tolist()


def test_static_masks_own_each_channel_once():
    masks = torch.stack([static_mask(10, factor, torch.device("cpu")) for factor in range(3)])
    assert (1 - masks).sum(dim=0).tolist() == [1.0] * 10
    assert masks[0].tolist() == [0, 0, *[1] * 8]  # floor(10 / 3) = 3: lighting has the channels 1 and 2
    assert masks[1].tolist() == [1, 1, 0, 0, 0, *[1] * 5]


def test_sharp_masks_are_intervals():
    deltas = torch.tensor([0.5, 0.25, 0.125, 0.125]).log()
    active = [(adaptive_mask(deltas, index, 64, 1e5) < 0.25).nonzero().flatten() + 1 for index in range(4)]
    inside = [(channels.min().item(), channels.max().item(), len(channels)) for channels in active]
    # borders lie on the channels 32, 48, 56 and 64, where the mask is about one half
    assert inside == [(1, 31, 31), (33, 47, 15), (49, 55, 7), (57, 63, 7)]
    assert null_mask(deltas, 64, 1e5)[57:62].max() == 0


def test_masks_are_stable_where_sigmoids_saturate():
    mask = adaptive_mask(torch.ones(3, requires_grad=True), 1, 30, 1e6)
    mask.sum().backward()
    assert torch.isfinite(mask).all()
    assert mask[4] == 1
    assert mask[14] == 0


@FEW
@given(st.integers(0, 400))
def test_slope_schedule(iteration):
    import plain_networks

    config = RepresentationConfig(
        start_sigmoid=5.0, end_sigmoid=80.0, sharpen_sigmoid=300.0, sharpening=200, final_sharpening=100
    )
    assert slope_at(config, iteration) == pytest.approx(plain_networks.slope(5, 80, 300, 200, 100, iteration))


def test_slope_schedule_may_be_empty_and_ends_sharp():
    config = RepresentationConfig(sharpening=0, final_sharpening=0, end_sigmoid=50.0, sharpen_sigmoid=70.0)
    assert slope_at(config, 0) == 70
    assert slope_at(RepresentationConfig(sharpening=0, final_sharpening=10, end_sigmoid=50.0), 0) == 50
    assert slope_at(RepresentationConfig(sharpen_sigmoid=123.0), None) == 123


@FEW
@given(
    st.integers(1, 4), st.integers(1, 4), channel_counts, st.sampled_from([1, 2]), factors, slopes,
    st.sampled_from(["mean", "max"]), st.booleans(), st.integers(0, 1000),
)  # fmt: skip
def test_separation_agrees_with_the_plain_formula(scenes, views, channels, size, factor, slope, func, adaptive, seed):
    import plain_networks

    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(scenes, views, channels, size, size, generator=generator, requires_grad=True)
    deltas = torch.randn(3, generator=generator, requires_grad=True)
    direction = torch.randn(scenes, channels, size, size, generator=generator)
    own = vectors.mean(dim=1) if func == "mean" else vectors.amax(dim=1)
    mask = adaptive_mask(deltas, factor, channels, slope) if adaptive else static_mask(channels, factor, own.device)
    result = separate(own, vectors, mask)

    plain, plain_deltas = (value.detach().double().requires_grad_() for value in (vectors, deltas))
    reference = plain_networks.representation(
        plain, plain_deltas, factor=factor, adaptive=adaptive, null=False, m=slope, func=func
    )
    torch.testing.assert_close(result.double(), reference, rtol=1e-5, atol=1e-5)
    (result * direction).sum().backward()
    (reference * direction).sum().backward()
    torch.testing.assert_close(vectors.grad.double(), plain.grad, rtol=1e-4, atol=1e-5)
    if adaptive:
        torch.testing.assert_close(deltas.grad.double(), plain_deltas.grad, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("factor", [0, 1, 2])
def test_only_the_active_channels_differ_between_scenes(factor):
    vectors = torch.randn(4, 3, 12, 1, 1)
    mask = static_mask(12, factor, vectors.device)
    result = separate(vectors.mean(dim=1), vectors, mask)
    differs = (result != result[:1]).flatten(1).any(dim=0)
    assert differs.tolist() == (mask == 0).tolist()
    mean = mean_over_scenes(vectors.mean(dim=1))
    torch.testing.assert_close(result[:, mask == 1], mean.expand_as(result)[:, mask == 1])


def plain_regularized(gradient: list[list[float]], mask: list[float], strength: float) -> list[list[float]]:
    """The formula of the specification, number by number, for g [B, R]."""
    scenes = len(gradient)
    result = []
    for row in gradient:
        new = []
        for channel, (g, m) in enumerate(zip(row, mask, strict=True)):
            mean = sum(other[channel] for other in gradient) / scenes
            inactive = (1 - strength) * g + strength * (mean - g)
            new.append((1 - m) * g + m * inactive)
        result.append(new)
    return result


@FEW
@given(st.integers(1, 4), st.floats(0, 1), st.integers(0, 1000))
def test_gradient_regularization_is_the_formula(scenes, strength, seed):
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.randn(scenes, 6, 1, 1, generator=generator, requires_grad=True)
    gradient = torch.randn(scenes, 6, generator=generator)
    mask = torch.tensor([0.0, 0.0, 0.3, 0.8, 1.0, 1.0])
    result = regularize_gradient(mixed, mask[:, None, None], strength)
    assert torch.equal(result, mixed)
    result.backward(gradient[:, :, None, None])
    expected = torch.tensor(plain_regularized(gradient.tolist(), mask.tolist(), strength))
    torch.testing.assert_close(mixed.grad.flatten(1), expected, rtol=1e-4, atol=1e-6)


def test_gradient_regularization_reaches_the_encoder_and_the_logits():
    """Everything before the mixed representation sees the changed gradient, pushed through the mixing."""
    vectors = torch.randn(3, 2, 6, 1, 1, requires_grad=True)
    deltas = torch.tensor([1.0, 0.5, 1.2], requires_grad=True)
    gradient = torch.randn(3, 6, 1, 1)

    mask = adaptive_mask(deltas, 1, 6, 8.0)
    separate(vectors.mean(dim=1), vectors, mask, gradient_reg=0.7).backward(gradient)

    changed = plain_regularized(gradient.flatten(1).tolist(), mask.tolist(), 0.7)
    plain, plain_deltas = vectors.detach().clone().requires_grad_(), deltas.detach().clone().requires_grad_()
    plain_mask = adaptive_mask(plain_deltas, 1, 6, 8.0)[:, None, None]
    mixed = (1 - plain_mask) * plain.mean(dim=1) + plain_mask * plain.mean(dim=(0, 1))
    mixed.backward(torch.tensor(changed)[:, :, None, None])
    torch.testing.assert_close(vectors.grad, plain.grad, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(deltas.grad, plain_deltas.grad, rtol=1e-4, atol=1e-6)


def test_full_regularization_silences_the_inactive_partitions():
    """In a channel that is the batch mean, the deviations from the mean gradient cancel: (1 - strength) g remains."""
    gradients = {}
    for strength in (0.0, 0.25, 1.0):
        vectors = torch.ones(4, 2, 6, 1, 1, requires_grad=True)
        separate(vectors.mean(dim=1), vectors, static_mask(6, 0, vectors.device), strength).backward(
            torch.arange(24.0).reshape(4, 6, 1, 1)
        )
        gradients[strength] = vectors.grad.flatten(2)
    active = static_mask(6, 0, torch.device("cpu")) == 0
    for strength, gradient in gradients.items():
        torch.testing.assert_close(gradient[:, :, active], gradients[0.0][:, :, active])
        expected = (1 - strength) * gradients[0.0][:, :, ~active]
        torch.testing.assert_close(gradient[:, :, ~active], expected, atol=1e-5, rtol=1e-5)


def test_shares_start_equal():
    assert partition_shares(torch.ones(4)).tolist() == [0.25] * 4
