import itertools
from contextlib import nullcontext

import pytest
import torch

from cnsr.config import parse_config
from cnsr.models.model import SceneModel
from cnsr.training.averaging import WeightAverage
from cnsr.training.checkpoints import read_checkpoint
from cnsr.training.devices import put_on
from cnsr.training.loop import Trainer
from cnsr.training.progress import Progress
from cnsr.training.signals import StopRequest
from cnsr.training.step_records import LATE, LossRecord

GENERATORS = {
    "PixelCNN": {},
    "Unet": {"render_size": 64, "settings": {}},
    "GQN": {"settings": {"state_dim": 8, "latent_dim": 2, "core_count": 2, "downscaling": 2}},
}
ENCODERS = {"Pool": 8, "Tower": 8, "Pyramid": 16}


@pytest.fixture
def build(tiny_settings):
    """Return a function that makes a config with an encoder and a generator of some kinds."""

    def make(encoder="Pool", generator="PixelCNN", **changes):
        (seen,), (made,) = tiny_settings["model"]["representations"], tiny_settings["model"]["generators"]
        seen |= {"type": encoder, "render_size": ENCODERS[encoder], "gradient_reg": 0.2}
        made |= {"type": generator} | GENERATORS[generator]
        return parse_config(tiny_settings | {"empty_partition": True} | changes)

    return make


@pytest.mark.parametrize(("encoder", "generator"), [("Pool", "PixelCNN"), ("Tower", "GQN"), ("Pyramid", "Unet")])
def test_a_step_looks_at_no_value_of_its_device(build, random_batch, monkeypatch, encoder, generator):
    """On a GPU the host would wait for it. The values of tensors on ``meta`` can never be looked at."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # knows no such device
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda *_: False)
    config = build(encoder, generator)
    model = SceneModel(config).to("meta")
    average, record = WeightAverage(model, 0.9), LossRecord()
    optimizer = torch.optim.Adam(model.parameters())
    batch = random_batch(config).to("meta")
    for iteration in range(2):
        output = model(batch, iteration)
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        average.update(iteration + 1)
        record.add(iteration, batch.name, output.loss, output.terms)
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        record.settle()  # here it is


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(("precision", "compiled"), [("fp32", False), ("bf16", False), ("bf16", True)])
@pytest.mark.parametrize("generator", GENERATORS)
def test_on_a_gpu_the_host_never_waits_within_steps(build, random_batch, tmp_path, generator, precision, compiled):
    config = build(generator=generator, precision=precision, compile=compiled, ema=0.9)
    device = torch.device("cuda", 0)
    trainer = Trainer(config, put_on(device, SceneModel(config)), 0, tmp_path)
    batches = itertools.repeat(random_batch(config).pin_memory())
    for _ in range(4):  # kernels are chosen or compiled, recorded, and memory is asked for
        trainer._step(trainer._next(batches))
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(LATE + 2):
            trainer._step(trainer._next(batches))
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("first", [torch.contiguous_format, torch.channels_last])
def test_a_checkpoint_goes_on_where_weights_are_laid_out_in_another_way(build, random_batch, tmp_path, first):
    """As from the CPU to a GPU, or back. Fused Adam takes moments by their place in memory."""
    config = build(learning_rate=0.01, latent_separation=False)
    torch.manual_seed(0)
    batch = random_batch(config, None)
    start = SceneModel(config).state_dict()
    layouts = [first, torch.channels_last if first == torch.contiguous_format else torch.contiguous_format]

    def train(layout, iterations, folder, checkpoint=None):
        model = SceneModel(config)
        model.load_state_dict(start)
        wanted = config.model_copy(update={"iterations": iterations})
        trainer = Trainer(wanted, model.to(memory_format=layout), 0, tmp_path / folder)
        if checkpoint is not None:
            trainer.restore(read_checkpoint(checkpoint), checkpoint)
        return trainer.run(itertools.repeat(batch), (), None, Progress.silent(), StopRequest()).checkpoint

    whole = read_checkpoint(train(layouts[0], 6, "whole"))
    parts = read_checkpoint(train(layouts[1], 6, "parts", train(layouts[0], 3, "parts")))
    assert parts.iteration == 6
    for name, weights in whole.model_state.items():
        torch.testing.assert_close(parts.model_state[name], weights, rtol=1e-4, atol=1e-5)
