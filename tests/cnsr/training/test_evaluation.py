from dataclasses import replace

import pytest
import torch

from cnsr.config import GQNConfig, GQNSettings, PixelCNNSettings, SumConfig
from cnsr.datasets.loader import test_loader as held_out
from cnsr.models.model import SceneModel
from cnsr.training.evaluation import evaluate, outputs_of_generators, predict
from cnsr.training.metrics import image_metrics


@pytest.fixture
def setting(tiny):
    config = tiny()
    torch.manual_seed(4)
    return SceneModel(config), config, list(held_out(config))


def test_metrics_are_those_of_every_image(setting):
    model, config, batches = setting
    result = evaluate(model, config, batches, iteration=30)
    assert {name: values.shape for name, values in result.images.items()} == {
        f"generator0/beauty/{metric}": (6,) for metric in ("psnr", "ssim", "mape", "rmse")
    }
    for index, batch in enumerate(batches):
        prediction = predict(model, batch, 30)[0]["beauty"]
        expected = image_metrics(prediction, batch.queries["beauty"])
        for metric, values in expected.items():
            assert torch.equal(result.images[f"generator0/beauty/{metric}"][3 * index : 3 * index + 3], values)
    for name, mean in result.means.items():
        assert mean == pytest.approx(result.images[name].mean().item())
    assert torch.equal(result.predictions[0]["beauty"], predict(model, batches[0], 30)[0]["beauty"])
    assert result.first.name == batches[0].name


def test_references_are_brought_to_the_size_of_the_prediction(tiny):
    config = tiny(encoder={"render_size": 8}, generator={"render_size": 4})
    model = SceneModel(config)
    batches = list(held_out(config))
    result = evaluate(model, config, batches[:1], 0)
    small = batches[0].queries["beauty"][:, :, ::2, ::2]
    expected = image_metrics(result.predictions[0]["beauty"], small)["rmse"]
    torch.testing.assert_close(result.images["generator0/beauty/rmse"], expected)


def test_looking_changes_neither_random_numbers_nor_mode_nor_gradients(setting):
    model, config, batches = setting
    model.train()
    before = torch.get_rng_state()
    result = evaluate(model, config, batches, 0)
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training
    assert not result.predictions[0]["beauty"].requires_grad


def test_nothing_to_evaluate_is_a_programming_error(setting):
    model, config, _ = setting
    with pytest.raises(ValueError, match="no batch to evaluate"):
        evaluate(model, config, [], 0)


@pytest.fixture
def chain(tiny):
    """Two generators of beauty and a Sum of what the first makes; the first has an output that the second lacks."""
    config = tiny()
    generator = config.model.generators[0].model_copy(update={"override_sample": True})
    first = generator.model_copy(update={"output_passes": ("beauty", "normal"), "settings": LINEAR})
    total = SumConfig(type="Sum", query_passes=("normal", "beauty"), output_passes=("beauty",), render_size=8)
    return with_generators(config, first, generator, total)


LINEAR = PixelCNNSettings(loss=("l1",), layers=1, hidden_units=8)


def with_generators(config, *generators):
    return config.model_copy(update={"model": config.model.model_copy(update={"generators": generators})})


def test_every_generator_is_tested_also_where_several_make_the_same_pass(chain):
    outputs = [(0, "beauty"), (0, "normal"), (1, "beauty"), (2, "beauty")]
    assert outputs_of_generators(chain) == outputs
    torch.manual_seed(5)
    model, batches = SceneModel(chain), list(held_out(chain))
    result = evaluate(model, chain, batches, 0)
    metrics = ("psnr", "ssim", "mape", "rmse")
    assert list(result.images) == [f"generator{i}/{name}/{metric}" for i, name in outputs for metric in metrics]
    first, second, total = result.predictions
    assert not torch.equal(first["beauty"], second["beauty"])
    torch.testing.assert_close(total["beauty"], first["normal"] + second["beauty"])
    for images, key in ((second, "generator1/beauty/rmse"), (total, "generator2/beauty/rmse")):
        expected = image_metrics(images["beauty"], batches[0].queries["beauty"])["rmse"]
        torch.testing.assert_close(result.images[key][:3], expected)


def test_latent_variables_are_drawn_from_the_prior_and_alike_at_every_look(tiny):
    config = tiny()
    latent = GQNConfig(query_passes=("normal",), render_size=8, settings=GQNSettings(state_dim=4, core_count=2))
    config = with_generators(config, latent)
    model, batch = SceneModel(config), next(iter(held_out(config)))
    first = predict(model, batch, 0)[0]["beauty"]
    torch.manual_seed(17)
    other = replace(batch, queries={**batch.queries, "beauty": torch.rand_like(batch.queries["beauty"])})
    assert torch.equal(predict(model, other, 0)[0]["beauty"], first)
