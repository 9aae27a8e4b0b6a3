"""A training step of any config as the formulas are written: encoders, partitions, the chain of generators, losses.

Nothing is shared with the package but its settings and its batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import plain_gqn
import plain_networks
import plain_unet
import torch
import torch.nn.functional as F
from plain_networks import Weights, under
from torch import Tensor


def loss(weights: Weights, batch: Any, config: Any, iteration: int, noise: Iterator[Tensor] | None = None) -> Tensor:
    """The loss of a batch; `noise` yields what latent variables are drawn with, step by step."""
    vectors = [
        encoded(under(weights, f"representation.representations.{index}."), batch, config, settings, iteration)
        for index, settings in enumerate(config.model.representations)
    ]
    total = torch.zeros_like(batch.query_poses.sum())
    seen = dict(batch.queries)
    for index, settings in enumerate(config.model.generators):
        place = index if settings.type != "Copy" else settings.settings.index
        own = under(weights, f"generator.generators.{place}.")
        kind = config.model.generators[place]
        given = generator_inputs(settings, seen, batch.query_poses, vectors)
        target = inputs(batch.queries, settings.output_passes, settings.render_size, alone=True)
        image, terms = generated(own, kind, given, target, iteration, noise or iter(()))
        if not settings.discard_loss:
            total = total + sum(terms, torch.zeros_like(total))
        if settings.override_train:
            images = torch.split(image, [plain_networks.CHANNELS.get(name, 3) for name in settings.output_passes], 1)
            images = [image.detach() if settings.detach else image for image in images]
            seen |= dict(zip(settings.output_passes, images, strict=True))
    if config.empty_partition:
        for index, settings in enumerate(config.model.representations):
            deltas = weights[f"representation.representations.{index}.deltas"]
            total = total + plain_networks.partition_price(deltas, settings.representation_dim, config.partition_loss)
    return total


def inputs(buffers: Mapping[str, Tensor], passes: Sequence[str], size: int, alone: bool = False) -> Tensor:
    """The passes as one tensor of size x size pixels; `alone`: each is cleaned as if it were the only one."""
    images = []
    for name in passes:
        image = buffers[name]
        if name == "indirect":
            image = image.clamp_min(0)
        if name in ("mirror", "mirror_hit", "mirror_normal") and "roughness" in passes and not alone:
            image = torch.where(buffers["roughness"] > 0.75, torch.zeros_like(image), image)
        images.append(F.interpolate(image, size=(size, size)))
    return torch.cat(images, dim=1)


def encoded(w: Weights, batch: Any, config: Any, settings: Any, iteration: int) -> Tensor:
    """The representation [B, R, h, w] of one encoder."""
    encoder = getattr(plain_networks, settings.type.lower())
    flat = {name: image.flatten(0, 1) for name, image in batch.observations.items()}
    images = inputs(flat, settings.observation_passes, settings.render_size)
    views = encoder(w, images, batch.observation_poses.flatten(0, 1))
    return plain_networks.representation(
        views.unflatten(0, batch.observation_poses.shape[:2]),
        w["deltas"],
        factor=batch.factor if config.latent_separation else None,
        adaptive=config.adaptive_separation,
        null=config.empty_partition,
        m=plain_networks.slope(
            settings.start_sigmoid, settings.end_sigmoid, settings.sharpen_sigmoid,
            settings.sharpening, settings.final_sharpening, iteration,
        ),
        func=settings.aggregation_func,
    )  # fmt: skip


def generator_inputs(
    settings: Any, seen: Mapping[str, Tensor], poses: Tensor, vectors: Sequence[Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Buffers, pose and representation of one generator."""
    size = settings.render_size
    empty = poses.new_zeros(len(poses), 0, size, size)
    buffers = inputs(seen, settings.query_passes, size) if settings.query_passes else empty
    taken = [vectors[index] for index in settings.representations]
    largest = max((vector.shape[2] for vector in taken), default=1)
    taken = [
        vector if vector.shape[2] == largest else F.interpolate(vector, size=(largest, largest)) for vector in taken
    ]
    return buffers, poses, torch.cat(taken, 1) if taken else poses.new_zeros(len(poses), 0, 1, 1)


def generated(
    w: Weights, config: Any, given: Sequence[Tensor], target: Tensor, iteration: int, noise: Iterator[Tensor]
) -> tuple[Tensor, list[Tensor]]:
    """Linear image and losses of one generator."""
    settings = config.settings
    match config.type:
        case "Sum":
            buffers = given[0]
            return sum(torch.split(buffers, target.shape[1], dim=1), torch.zeros_like(target)), []
        case "GQN":
            drawn = [next(noise) for _ in range(settings.core_count)]
            mean, divergences = plain_gqn.run(w, *given, target, drawn, settings.downscaling)
            return torch.exp(mean) - 1, list(plain_gqn.losses(mean, target, divergences, iteration))
        case "Unet":
            out = plain_unet.unet(w, *given, end_relu=settings.end_relu)
        case "PixelCNN":
            switches = ("propagate_buffers", "propagate_representation", "propagate_viewpoint", "end_relu")
            out = plain_networks.pixel_generator(w, *given, **{name: getattr(settings, name) for name in switches})
    unet = config.type == "Unet"
    terms = [plain_networks.loss(name, out, target, iteration, unet=unet) for name in settings.loss]
    logarithmic = any(name.startswith("log") for name in settings.loss)
    return torch.exp(out) - 1 if logarithmic else out, terms
