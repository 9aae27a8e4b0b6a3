import pytest
import torch

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
        prediction = predict(model, batch, 30)["beauty"]
        expected = image_metrics(prediction, batch.queries["beauty"])
        for metric, values in expected.items():
            assert torch.equal(result.images[f"generator0/beauty/{metric}"][3 * index : 3 * index + 3], values)
    for name, mean in result.means.items():
        assert mean == pytest.approx(result.images[name].mean().item())
    assert torch.equal(result.predictions["beauty"], predict(model, batches[0], 30)["beauty"])
    assert result.first.name == batches[0].name


def test_references_are_brought_to_the_size_of_the_prediction(tiny):
    config = tiny(encoder={"render_size": 8}, generator={"render_size": 4})
    model = SceneModel(config)
    batches = list(held_out(config))
    result = evaluate(model, config, batches[:1], 0)
    small = batches[0].queries["beauty"][:, :, ::2, ::2]
    expected = image_metrics(result.predictions["beauty"], small)["rmse"]
    torch.testing.assert_close(result.images["generator0/beauty/rmse"], expected)


def test_looking_changes_neither_random_numbers_nor_mode_nor_gradients(setting):
    model, config, batches = setting
    model.train()
    before = torch.get_rng_state()
    result = evaluate(model, config, batches, 0)
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training
    assert not result.predictions["beauty"].requires_grad


def test_nothing_to_evaluate_is_a_programming_error(setting):
    model, config, _ = setting
    with pytest.raises(ValueError, match="no batch to evaluate"):
        evaluate(model, config, [], 0)


def test_of_several_images_of_a_pass_the_last_one_counts(tiny):
    config = tiny()
    first, *_ = config.model.generators
    outputs = [("direct", "beauty"), ("indirect",), ("beauty",)]
    generators = tuple(first.model_copy(update={"output_passes": passes}) for passes in outputs)
    chain = config.model_copy(update={"model": config.model.model_copy(update={"generators": generators})})
    assert outputs_of_generators(chain) == [(0, "direct"), (1, "indirect"), (2, "beauty")]
