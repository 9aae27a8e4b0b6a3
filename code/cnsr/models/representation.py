"""The encoders of a model, and how the views of a scene become its representation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from cnsr.config import Config, RepresentationConfig
from cnsr.datasets.batch import FACTORS
from cnsr.models.encoders import Encoder
from cnsr.models.inputs import network_input
from cnsr.models.partition import (
    NULL,
    adaptive_mask,
    adaptive_owners,
    null_mask,
    partition_shares,
    separate,
    slope_at,
    static_mask,
)
from cnsr.models.registry import build_encoder, keeps_much


class Representation(nn.Module):
    """All encoders of a config, each with the partition of its channels.

    Attributes:
        representations: the encoders, in the config's order.
    """

    PARTS = 4
    """In which the views are encoded where the encoder's hidden values are computed twice."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self._twice = not keeps_much(config)
        partitions = len(FACTORS) + config.empty_partition
        self.representations = nn.ModuleList(
            build_encoder(encoder, config.model.pose_dim, partitions) for encoder in config.model.representations
        )
        for encoder, settings in zip(self.representations, config.model.representations, strict=True):
            if settings.detach:
                encoder.requires_grad_(False)

    def forward(
        self, observations: Mapping[str, Tensor], poses: Tensor, iteration: int | None, factor: int | None
    ) -> tuple[Tensor, ...]:
        """Return the representation [B, R, h, w] of each encoder, in float32; see `SceneModel.encode`."""
        return tuple(
            self._encode(encoder, settings, observations, poses, iteration, factor)
            for encoder, settings in zip(self._encoders(), self.config.model.representations, strict=True)
        )

    def partition_loss(self) -> Tensor | None:
        """Return the price of the channels that are not in the null partition; ``None`` where there is no such one.

        Summed over the encoders: partition_loss * R / 256 * (1 - share of the null partition).
        """
        if not self.config.empty_partition:
            return None
        used = [
            settings.representation_dim / 256 * (1 - partition_shares(encoder.deltas)[NULL])
            for encoder, settings in zip(self._encoders(), self.config.model.representations, strict=True)
        ]
        return self.config.partition_loss * torch.stack(used).sum()

    def statistics(self) -> dict[str, Tensor]:
        """Return each partition's share of the channels, in [0, 1], and the number of channels not in the null one.

        Names: ``lighting_percentage``, ``geometry_percentage``, ``material_percentage``, and with a null partition
        ``empty_percentage`` and ``absolute_rsize``. With several encoders ``representation<i>_`` stands before them.
        A model without partitions has none.
        """
        found: dict[str, Tensor] = {}
        encoders = self._encoders()
        for index, (encoder, settings) in enumerate(zip(encoders, self.config.model.representations, strict=True)):
            prefix = f"representation{index}_" if len(encoders) > 1 else ""
            for name, value in self._statistics(encoder, settings).items():
                found[prefix + name] = value
        return found

    def partitions(self, index: int) -> dict[str, Tensor]:
        """Return the channels of encoder `index` that belong to each partition, as ascending indices by name.

        Names are those of the factors, where the config separates, and ``empty`` for the null partition, where there
        is one. A channel belongs to the partition in whose interval its coordinate lies, however soft the masks are.
        """
        dimension, deltas = self.config.model.representations[index].representation_dim, self._encoders()[index].deltas
        names = {name: place for place, name in enumerate(FACTORS)} if self.config.latent_separation else {}
        owner = adaptive_owners(deltas.detach(), dimension)
        if self.config.latent_separation and not self.config.adaptive_separation:
            masks = [static_mask(dimension, factor, deltas.device) for factor in names.values()]
            owner = owner.where(owner == NULL, torch.stack(masks).argmin(dim=0))
        if self.config.empty_partition:
            names["empty"] = NULL
        return {name: (owner == place).nonzero().flatten() for name, place in names.items()}

    def _statistics(self, encoder: Encoder, settings: RepresentationConfig) -> dict[str, Tensor]:
        channels, deltas = settings.representation_dim, encoder.deltas.detach()
        shares = partition_shares(deltas)
        found: dict[str, Tensor] = {}
        if self.config.latent_separation:
            for factor, name in enumerate(FACTORS):
                share = shares[factor]
                if not self.config.adaptive_separation:
                    share = 1 - static_mask(channels, factor, deltas.device).mean()
                found[f"{name}_percentage"] = share
        if self.config.empty_partition:
            found["empty_percentage"] = shares[NULL]
            found["absolute_rsize"] = (1 - shares[NULL]) * channels
        return found

    def _encode(
        self,
        encoder: Encoder,
        settings: RepresentationConfig,
        observations: Mapping[str, Tensor],
        poses: Tensor,  # [B, N, V]
        iteration: int | None,
        factor: int | None,
    ) -> Tensor:
        flat = {name: observations[name].flatten(0, 1) for name in settings.observation_passes}
        images = network_input(flat, settings.observation_passes, settings.render_size)  # [B N, x, S, S]
        encoded = self._encode_views(encoder, images, poses.flatten(0, 1)).float()
        views = encoded.view(*poses.shape[:2], *encoded.shape[1:])  # [B, N, R, h, w]
        result: Tensor = views.mean(dim=1) if settings.aggregation_func == "mean" else views.amax(dim=1)
        slope = slope_at(settings, iteration)
        if self.config.latent_separation and factor is not None:
            if self.config.adaptive_separation:
                mask = adaptive_mask(encoder.deltas, factor, settings.representation_dim, slope)
            else:
                mask = static_mask(settings.representation_dim, factor, views.device)
            result = separate(result, views, mask, settings.gradient_reg)
        if self.config.empty_partition:
            result = result * null_mask(encoder.deltas, settings.representation_dim, slope)[:, None, None]
        return result

    def _encode_views(self, encoder: Encoder, images: Tensor, poses: Tensor) -> Tensor:
        """Return [M, R, h, w] for images [M, x, S, S] and poses [M, V].

        In training on the CPU, an encoder keeps no hidden values for the backward pass, where they would be a third of
        what there is to keep: they are computed once more, part by part.
        """
        if not (self._twice and self.training and torch.is_grad_enabled() and images.device.type == "cpu"):
            return cast("Tensor", encoder(images, poses))
        parts = zip(images.chunk(self.PARTS), poses.chunk(self.PARTS), strict=True)
        return torch.cat([checkpoint(encoder, *part, use_reentrant=False, preserve_rng_state=False) for part in parts])

    def _encoders(self) -> list[Encoder]:
        return cast("list[Encoder]", list(self.representations))
