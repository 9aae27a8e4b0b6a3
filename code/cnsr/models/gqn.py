"""The recurrent generator (``GQN``): an image is drawn in steps, each with latent variables of its own.

Eslami et al., *Neural scene representation and rendering*, Science 360 (2018), after Gregor et al., *DRAW: A Recurrent
Neural Network For Image Generation*, ICML 2015. Spec: ``networks.md``, "Generators".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnsr.config import GQNConfig
from cnsr.models.generator import Generator, Given, ImageDerivative, Place, Step
from cnsr.models.gqn_derivative import GQNDerivative, LatentStep
from cnsr.models.recurrent_cells import GRUCell, LSTMCell, RecurrentCell, State
from cnsr.models.shared_batch import noise_for_scenes

CELLS: dict[str, type[RecurrentCell]] = {"LSTM": LSTMCell, "GRU": GRUCell}
SIGMAS = (2.0, 0.7)  # first and last standard deviation of the likelihood
ANNEALING = 200_000  # iterations between them
FEWEST_OUTPUTS = 8
"""For which preparing the weights of all steps takes less time than it saves."""
LOSS_SCALE = 25  # losses are sums over pixels, divided by this and by the image's edge


@dataclass(frozen=True)
class Gaussian:
    """Independent normal distributions of latent variables, [B, Z, s, s] in float32."""

    mean: Tensor
    std: Tensor

    def draw(self, alike: bool = False) -> Tensor:
        """Return values that are differentiable with respect to mean and standard deviation.

        Args:
            alike: use the same noise for all scenes.
        """
        return self.moved(noise_for_scenes(self.mean[:1]) if alike else noise_for_scenes(self.mean))

    def moved(self, noise: Tensor) -> Tensor:
        """Return the values that standard normal noise stands for."""
        return torch.addcmul(self.mean, self.std, noise)

    def divergence(self, other: Gaussian) -> Tensor:
        """Return the Kullback-Leibler divergence KL(self || other), summed over all but the scenes, [B]."""
        ratio, shift = self.std / other.std, (self.mean - other.mean) / other.std
        return (0.5 * (ratio.square() + shift.square() - 1) - torch.log(ratio)).sum(dim=(1, 2, 3))


class GQN(Generator):
    """Draws an image, given the query's buffers and pose and the scene's representation.

    In every step the prior of the latent variables follows from what is drawn so far; the posterior knows the target
    besides. All states have s = S / `downscaling` pixels. The canvas, the sum of all upsampled hidden states, is only
    looked at through `observation`; both are linear, so that their product is applied to the hidden states, and the
    canvas itself is never made.

    Layers that all steps share (`weight_sharing`, `upscale_sharing`) are lists of one: ``inference.0``,
    ``upsample.0``.
    """

    def __init__(self, config: GQNConfig, place: Place) -> None:
        super().__init__()
        settings = config.settings
        hidden, latent, scale = settings.state_dim, settings.latent_dim, settings.downscaling
        make_cell, scene = CELLS[settings.cell_type], place.pose + place.representation
        cells = 1 if settings.weight_sharing else settings.core_count
        self.steps, self.scale = settings.core_count, scale
        self.inference = nn.ModuleList(make_cell(hidden, hidden + place.output + scene) for _ in range(cells))
        self.generator = nn.ModuleList(make_cell(hidden, scene + latent + place.buffers) for _ in range(cells))
        self.prior = nn.Conv2d(hidden, 2 * latent, 5, padding=2)
        self.posterior = nn.Conv2d(hidden, 2 * latent, 5, padding=2)
        self.downsample = (
            nn.Conv2d(place.buffers, place.buffers, scale, stride=scale, bias=False) if place.buffers else None
        )
        self.upsample = nn.ModuleList(
            nn.ConvTranspose2d(hidden, hidden, scale, stride=scale, bias=False)
            for _ in range(1 if settings.upscale_sharing else settings.core_count)
        )
        self.observation = nn.Conv2d(hidden, place.output, 1)

    def training_step(self, given: Given, target: Tensor, iteration: int) -> Step:
        """Return the image that the posterior draws, and the two terms of the negative evidence lower bound.

        Losses: `kl`, KL(posterior || prior), and `ll`, the negative log likelihood of log(1 + target); both are summed
        over pixels, channels and steps, divided by 25 S, and averaged over the scenes. Notes: `ll_excess`, by how much
        `ll` is above its least possible value for the iteration's sigma; `mse`, the mean squared error of
        log(1 + image); `elbo`, the evidence lower bound -(kl + ll), of which more is better.
        """
        mean, divergence = self(given, target)
        size, values = target.shape[-1], target[0].numel()
        sigma = annealed_sigma(iteration)
        with torch.autocast(target.device.type, enabled=False):
            mse = F.mse_loss(mean, torch.log1p(target.float()))
            kl = divergence.mean() / (LOSS_SCALE * size)
            excess = mse * (values / (2 * sigma**2 * LOSS_SCALE * size))
            ll = excess + values * (math.log(sigma) + 0.5 * math.log(2 * math.pi)) / (LOSS_SCALE * size)
            notes = {"ll_excess": excess, "mse": mse, "elbo": -(kl + ll)}
            image = torch.expm1(mean)
        return Step(image, {"kl": kl, "ll": ll}, {name: value.detach() for name, value in notes.items()})

    def sample(self, given: Given) -> Tensor:
        """Return an image [B, C, S, S] that the prior draws."""
        mean, _ = self(given, None)
        return torch.expm1(mean)

    @torch.no_grad()
    def derivative(self, given: Given, outputs: int) -> ImageDerivative | None:
        """Return the derivative of what `sample` makes of one view; for few outputs, its graph is faster."""
        if outputs < FEWEST_OUTPUTS:
            return None
        size = given.buffers.shape[-1] // self.scale
        scene, buffers = _scene_inputs(given, size), self._downsampled(given)
        state: State | None = None
        steps: list[LatentStep] = []
        patches = given.pose.new_zeros(1, self.observation.out_channels * self.scale**2, size, size)
        hidden = given.pose.new_zeros(1, self.prior.in_channels, size, size)
        to_patches = self._patch_weights()
        for step in range(self.steps):
            prior = _gaussian(self.prior, hidden)
            noise = noise_for_scenes(prior.mean)
            latent = _channels_last(torch.cat((prior.moved(noise), buffers), dim=1))
            state, cell = _of_step(self.generator, step).differentiated(state, (*scene, latent))
            hidden = state[0]
            on_patches = to_patches[step % len(to_patches)]
            patches += F.conv2d(hidden, on_patches)
            # The derivative of softplus, ln(1 + exp(x)), is 1 - exp(-softplus(x)).
            steps.append(LatentStep(cell, noise * -torch.expm1(-prior.std), on_patches.flatten(1)))
        bias = cast("Tensor", self.observation.bias)[:, None, None]
        image = torch.exp(F.pixel_shuffle(patches, self.scale) + bias)  # its own derivative
        downsample = None if self.downsample is None else self.downsample.weight
        return GQNDerivative(steps, self.prior.weight, downsample, given, image[0])

    def _downsampled(self, given: Given) -> Tensor:
        """Return what the states see of the buffers, [B, x, s, s]."""
        if self.downsample is not None:
            result: Tensor = self.downsample(given.buffers)
            return result
        size = given.buffers.shape[-1] // self.scale
        return given.buffers.new_zeros(len(given.buffers), 0, size, size)

    def forward(self, given: Given, target: Tensor | None) -> tuple[Tensor, Tensor]:
        """Draw an image.

        Args:
            given: the view.
            target: its linear image [B, C, S, S], from which the posterior draws the latent variables. Without one,
                the prior does.

        Returns:
            The image's mean in log space [B, C, S, S], and the divergence of posterior and prior summed over all
            steps, [B] (0 without a target); both in float32.
        """
        scenes, size = len(given.buffers), given.buffers.shape[-1] // self.scale
        scene = _scene_inputs(given, size)
        buffers = self._downsampled(given)
        seen = None if target is None else _channels_last(F.interpolate(target, size=(size, size), mode="nearest"))
        start = given.pose.new_zeros(scenes, self.prior.in_channels, size, size)
        patches = given.pose.new_zeros(scenes, self.observation.out_channels * self.scale**2, size, size)
        to_patches = self._patch_weights()
        divergence = given.pose.new_zeros(scenes)
        inferred: State | None = None
        generated: State | None = None
        for step in range(self.steps):
            hidden = None if generated is None else generated[0]
            prior = _gaussian(self.prior, start if hidden is None else hidden)
            chosen = prior
            if seen is not None:
                inferred = _of_step(self.inference, step)(inferred, (hidden, seen, *scene))
                chosen = _gaussian(self.posterior, inferred[0])
                divergence = divergence + chosen.divergence(prior)
            latent = _channels_last(torch.cat((chosen.draw(given.copies), buffers), dim=1))
            generated = _of_step(self.generator, step)(generated, (*scene, latent))
            with torch.autocast(latent.device.type, enabled=False):  # a sum of many steps
                patches = patches + F.conv2d(generated[0], to_patches[step % len(to_patches)])
        bias = cast("Tensor", self.observation.bias)[:, None, None]
        return F.pixel_shuffle(patches, self.scale) + bias, divergence

    def _patch_weights(self) -> list[Tensor]:
        """Return for each of `upsample` the weights [C scale scale, H, 1, 1] of `observation` after it.

        Their results are patches of the image: the channels hold what `pixel_shuffle` lays out.
        """
        with torch.autocast(self.observation.weight.device.type, enabled=False):
            return [
                torch.einsum("ch,ghyx->cyxg", self.observation.weight.flatten(1), layer.weight).flatten(0, 2)[
                    :, :, None, None
                ]
                for layer in cast("list[nn.ConvTranspose2d]", list(self.upsample))
            ]


def annealed_sigma(iteration: int) -> float:
    """Return the likelihood's standard deviation: linear from 2 to 0.7 within 200,000 iterations, then constant."""
    first, last = SIGMAS
    return max(first + (last - first) * iteration / ANNEALING, last)


def _gaussian(layer: nn.Conv2d, hidden: Tensor) -> Gaussian:
    mean, raw = layer(hidden).float().chunk(2, dim=1)
    return Gaussian(mean, F.softplus(raw))


def _of_step(cells: nn.ModuleList, step: int) -> RecurrentCell:
    return cast("RecurrentCell", cells[step % len(cells)])


def _scene_inputs(given: Given, size: int) -> tuple[Tensor, ...]:
    """Return pose and representation as the cells take them; maps become [B, R, size, size]."""
    representation = given.representation
    if representation.shape[2:] == (1, 1):
        return (torch.cat((given.pose, representation.flatten(1)), dim=1),)
    if representation.shape[2:] != (size, size):
        representation = F.interpolate(representation, size=(size, size), mode="nearest")
    return given.pose, _channels_last(representation)


def _channels_last(maps: Tensor) -> Tensor:
    return maps.contiguous(memory_format=torch.channels_last)
