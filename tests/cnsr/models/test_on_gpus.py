"""What GPUs compute is what the CPU computes, which other tests compare with the plain formulas."""

import copy

import pytest
import torch

from cnsr.models.model import SceneModel
from cnsr.training.devices import put_on

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

GQN = {"state_dim": 16, "latent_dim": 4, "core_count": 3, "downscaling": 2}
NETWORKS = {
    "pool, pixels": {},
    "tower, pixels": {"encoder": {"type": "Tower"}},
    "pyramid, unet": {
        "encoder": {"type": "Pyramid", "render_size": 64},
        "generator": {"type": "Unet", "render_size": 64, "settings": {"end_relu": False}},
    },
    "pool, lstm": {"generator": {"type": "GQN", "settings": GQN}},
    "tower, gru": {
        "encoder": {"type": "Tower"},
        "generator": {"type": "GQN", "settings": GQN | {"cell_type": "GRU", "weight_sharing": True}},
    },
}


@pytest.fixture
def step(make_config, make_batch, monkeypatch):
    """Return a function that gives loss and gradients of a network on a device; all calls start alike."""
    # Devices draw different numbers.
    monkeypatch.setattr("cnsr.models.gqn.noise_for_scenes", lambda like: torch.randn(like.shape).to(like))
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)

    def make(name, device, precision=None, compiled=False):
        config = make_config(latent_separation=True, batch_size=4, **NETWORKS[name])
        torch.manual_seed(5)
        batch = make_batch(config, scenes=4, size=config.render_size).to(torch.device(device))
        model = put_on(torch.device(device), copy.deepcopy(SceneModel(config)))
        if compiled:
            model.compile_networks(graphs=True)
        torch.manual_seed(6)
        torch.compiler.cudagraph_mark_step_begin()
        with torch.autocast(device, precision or torch.bfloat16, enabled=precision is not None):
            loss = model(batch, 50).loss
        loss.backward()
        return loss.item(), {name: value.grad.cpu() for name, value in model.named_parameters()}

    return make


@pytest.mark.parametrize("name", NETWORKS)
def test_single_precision_agrees_with_the_cpu(name, step, deviation):
    (loss, gradients), (expected, others) = step(name, "cuda"), step(name, "cpu")
    assert loss == pytest.approx(expected, rel=1e-5)
    for weight, gradient in gradients.items():
        assert deviation(gradient, others[weight]) < 1e-4, weight


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_half_precision_stays_close(name, compiled, step, deviation):
    """bfloat16 has 8 bits: a gradient that passes many layers deviates by some 2 %."""
    (loss, gradients), (expected, others) = step(name, "cuda", torch.bfloat16, compiled), step(name, "cpu")
    assert loss == pytest.approx(expected, rel=0.02)
    everything = torch.cat([gradient.flatten() for gradient in gradients.values()])
    assert deviation(everything, torch.cat([others[name].flatten() for name in gradients])) < 0.1
