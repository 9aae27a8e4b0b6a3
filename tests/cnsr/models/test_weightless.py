import copy

import pytest
import torch

from cnsr.models.generator import Given, Place
from cnsr.models.model import SceneModel
from cnsr.models.weightless import Copy, Sum


@pytest.mark.parametrize(("addends", "channels"), [(1, 3), (2, 3), (4, 1)])
def test_sum_adds_its_passes_and_has_nothing_to_learn(addends, channels):
    generator = Sum(None, Place(buffers=addends * channels, pose=16, representation=7, output=channels))
    parts = [torch.randn(2, channels, 5, 5) for _ in range(addends)]
    given = Given(torch.cat(parts, dim=1), torch.randn(2, 16), torch.randn(2, 7, 1, 1))
    step = generator.training_step(given, torch.rand(2, channels, 5, 5), 3)
    torch.testing.assert_close(step.image, sum(parts))
    assert (step.losses, step.notes) == ({}, {})
    assert torch.equal(generator.sample(given), step.image)
    assert not generator.state_dict()


def test_sum_is_float32_under_autocast():
    given = Given(torch.rand(1, 6, 4, 4), torch.randn(1, 16), torch.zeros(1, 0, 1, 1))
    generator = Sum(None, Place(6, 16, 0, 3))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(generator.sample(given), given.buffers[:, :3] + given.buffers[:, 3:])


COPIES = [
    {"query_passes": ["position", "id"], "output_passes": ["direct"]},
    {
        "type": "Copy",
        "query_passes": ["depth", "normal"],
        "output_passes": ["indirect"],
        "render_size": 12,
        "settings": {"index": 0},
    },
]


def test_a_copy_has_no_weights_of_its_own(make_config, make_batch):
    model = SceneModel(make_config(generators=COPIES))
    alone = SceneModel(make_config(generators=COPIES[:1]))
    assert model.state_dict().keys() == alone.state_dict().keys()
    assert len(list(model.parameters())) == len(list(alone.parameters()))
    assert not list(model.generator.generators[1].modules())[1:]
    # strict loading both ways
    alone.load_state_dict(model.state_dict())
    model.load_state_dict(alone.state_dict())


def test_a_copy_works_with_the_copied_weights_on_passes_of_its_own(make_config, make_batch):
    config = make_config(generators=COPIES, settings={"loss": ["logl1", "logssim"]})
    model, batch = SceneModel(config), make_batch(config, size=12)
    vectors = model.encode(batch.observations, batch.observation_poses)
    original, copied = model.generator.generators
    buffers = torch.cat([batch.queries["depth"], batch.queries["normal"]], dim=1)
    given = Given(buffers, batch.query_poses, vectors[0])
    output = model(batch, 0)
    expected = original.training_step(given, batch.queries["indirect"].clamp_min(0), 0)
    torch.testing.assert_close(output.images[1]["indirect"], expected.image)
    for name, value in expected.losses.items():
        torch.testing.assert_close(output.terms[f"generator1_{name}"], value)
    torch.testing.assert_close(
        output.loss, sum(value for name, value in output.terms.items() if name.startswith("generator"))
    )
    predicted = model.predict_each(batch.queries, batch.query_poses, vectors)[1]["indirect"]
    torch.testing.assert_close(predicted, original.sample(given))
    with torch.no_grad():
        original.final.bias += 1
    assert not torch.allclose(copied.sample(given), predicted)


def test_both_uses_of_shared_weights_send_gradients(make_config, make_batch):
    batch, gradients, state = None, [], None
    for first, second in ((False, False), (False, True), (True, False)):
        changes = [COPIES[0] | {"discard_loss": first}, COPIES[1] | {"discard_loss": second}]
        config = make_config(generators=changes)
        batch = batch or make_batch(config, size=12)
        model = SceneModel(config)
        state = state or model.state_dict()
        model.load_state_dict(state)
        model(batch, 0).loss.backward()
        gradients.append(model.generator.generators[0].input.weight.grad)
    both, alone, copied = gradients
    torch.testing.assert_close(both, alone + copied)
    assert copied.abs().max() > 0


def test_a_duplicate_of_a_model_copies_its_own_generator(make_config):
    model = copy.deepcopy(SceneModel(make_config(generators=COPIES)))
    original, copied = model.generator.generators
    assert isinstance(copied, Copy)
    assert copied._copied == (original,)
