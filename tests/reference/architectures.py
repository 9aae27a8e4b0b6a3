"""Small models of every kind of encoder and generator."""

from pathlib import Path

from cnsr.config import Config, UnetConfig, parse_config
from cnsr.models.generator import Place
from cnsr.models.unet import Unet

POOL = {"type": "Pool", "observation_passes": ["beauty", "normal"], "representation_dim": 12, "render_size": 16}
PIXEL = {
    "type": "PixelCNN",
    "query_passes": ["position", "id"],
    "render_size": 16,
    "settings": {"layers": 2, "hidden_units": 10, "propagate_buffers": True, "end_relu": False},
}
GQN = {
    "type": "GQN",
    "query_passes": ["position", "id"],
    "render_size": 16,
    "settings": {"state_dim": 6, "core_count": 3, "upscale_sharing": False},
}
GRU = GQN | {"settings": {"state_dim": 6, "core_count": 2, "cell_type": "GRU", "weight_sharing": True}}
UNET = {"type": "Unet", "query_passes": ["position", "id"], "render_size": 64, "settings": {"end_relu": False}}
DIRECT = PIXEL | {"output_passes": ["direct"], "override_train": True, "override_sample": True}
INDIRECT = DIRECT | {"output_passes": ["indirect"]}
SUM = {"type": "Sum", "query_passes": ["direct", "indirect"], "output_passes": ["beauty"], "render_size": 16}
COPY = {"type": "Copy", "query_passes": ["normal", "id"], "render_size": 16, "settings": {"index": 0}}

ARCHITECTURES: dict[str, tuple[list[dict], list[dict]]] = {
    "pool, pixel generator": ([POOL], [PIXEL]),
    "tower": ([POOL | {"type": "Tower"}], [PIXEL]),
    "pyramid": ([POOL | {"type": "Pyramid", "render_size": 32}], [PIXEL]),
    "two encoders": ([POOL, POOL | {"type": "Tower", "representation_dim": 5}], [PIXEL | {"representations": [0, 1]}]),
    "LSTM": ([POOL], [GQN]),
    "GRU": ([POOL | {"type": "Tower"}], [GRU]),
    "sum": ([POOL], [DIRECT, INDIRECT, SUM]),
    "unet": ([POOL], [UNET]),
    "copy": ([POOL], [PIXEL, COPY]),
    "chain of everything": (
        [POOL, POOL | {"type": "Pyramid", "render_size": 32, "representation_dim": 5}],
        [DIRECT | {"representations": [0, 1]}, INDIRECT | {"representations": [1]}, SUM, GRU],
    ),
}
"""Encoders and generators by name."""


class NarrowUnet(Unet):
    """A U-Net of few weights, to stand in the registry for the real one, which has 80 million."""

    def __init__(self, config: UnetConfig, place: Place) -> None:
        super().__init__(config, place, channels=(4, 5, 6, 6, 6, 6, 6))


def model_config(folder: Path, encoders: list[dict], generators: list[dict], **keys: object) -> Config:
    """Return a config of a model; data folders lie in `folder`."""
    data = {"views_per_scene": 3, "batch_size": 2, "job_name": "small", "latent_separation": True, **keys}
    return parse_config(data | {"model": {"representations": encoders, "generators": generators}}, "small", folder)
