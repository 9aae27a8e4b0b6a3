"""Scores of the quickstart, on a model whose predictions are known."""

import pytest
import torch

from cnsr.datasets.batch import Batch
from cnsr.quickstart.evaluation import mean_image, predictions, summarize
from cnsr.training.metrics import display_referred, psnr


class Copycat:
    """Represents a scene by the mean color that it observed, and predicts an image of that color."""

    def encode(self, observations, observation_poses, iteration):
        return (observations["beauty"].mean((1, 3, 4), keepdim=True)[:, 0],)

    def predict(self, queries, query_poses, representations):
        return {"beauty": representations[0].expand_as(queries["beauty"])}


def batch_of_colors(colors, views=3, size=16):
    images = colors[:, :, None, None].expand(-1, -1, size, size)
    return Batch(
        observations={"beauty": images[:, None].expand(-1, views, -1, -1, -1).clone()},
        observation_poses=torch.zeros(len(colors), views, 16),
        queries={"beauty": images.clone()},
        query_poses=torch.zeros(len(colors), 16),
        factor=None,
        name="colors",
    )


@pytest.fixture
def colors():
    return torch.rand(4, 3, generator=torch.Generator().manual_seed(5))


def test_own_representations_are_right_and_swapped_ones_are_of_the_neighbor(colors):
    (result,) = predictions(Copycat(), [batch_of_colors(colors)], 0, "beauty")
    assert torch.allclose(result.image, result.reference, atol=1e-6)
    # The neighbor is the scene before, cyclically.
    assert torch.allclose(result.swapped[1:], result.reference[:-1], atol=1e-6)
    assert torch.allclose(result.swapped[0], result.reference[-1], atol=1e-6)


def test_scores_are_averages_over_images(colors):
    batches = [batch_of_colors(colors), batch_of_colors(colors.flip(0)[:2])]
    results = list(predictions(Copycat(), batches, 0, "beauty"))
    baseline = torch.full((3, 16, 16), 0.5)
    scores = summarize(results, baseline)
    assert scores["psnr"] > 90
    assert scores["ssim"] == pytest.approx(1, abs=1e-5)
    swapped = torch.cat([psnr(result.swapped, result.reference) for result in results])
    assert scores["swapped_psnr"] == pytest.approx(swapped.mean().item(), rel=1e-6)
    shown = torch.cat([display_referred(result.reference) for result in results])
    expected = -10 * torch.log10((shown - 0.5).square().mean((1, 2, 3)))
    assert scores["baseline_psnr"] == pytest.approx(expected.mean().item(), rel=1e-4)


def test_the_mean_image_is_taken_as_a_screen_shows_it():
    dark, bright = torch.zeros(1, 3, 2, 2), torch.full((3, 3, 2, 2), 40.0)
    assert torch.allclose(mean_image([dark, bright]), torch.full((3, 2, 2), 0.75))
    with pytest.raises(ValueError, match="no images"):
        mean_image([])
