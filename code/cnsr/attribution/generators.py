"""Gradients of predicted pixels with respect to what the generators are given: query buffers and representation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from cnsr.attribution.outputs import Patch
from cnsr.attribution.parallel import Parallel, Room, batch_within, copies
from cnsr.buffers import BUFFERS
from cnsr.models.generator import Generator, ImageDerivative, Told
from cnsr.models.inputs import resized, seen_places, unresized
from cnsr.models.model import SceneModel
from cnsr.training.evaluation import same_noise

_BYTES = 4

_RESIZED = 64
"""Copies of what a generator is given: more are not faster."""


@dataclass(frozen=True)
class QueryView:
    """One scene as the generators see it.

    Attributes:
        queries: {pass: [1, C, H, W]}.
        pose: [1, V].
        representations: [1, R_i, h_i, w_i] of each encoder.
    """

    queries: Mapping[str, Tensor]
    pose: Tensor
    representations: tuple[Tensor, ...]

    @cached_property
    def vector(self) -> Tensor:
        """All representations as one vector [sum of R_i h_i w_i]."""
        return torch.cat([representation.flatten() for representation in self.representations])


@dataclass(frozen=True)
class PixelGradients:
    """What is found for k outputs.

    Attributes:
        queries: {pass: [C, H, W]}, |gradient x input|, summed over the outputs.
        rows: [k, sum of R_i h_i w_i], the gradient of each output with respect to `QueryView.vector`.
    """

    queries: dict[str, Tensor]
    rows: Tensor


def pixel_gradients(
    model: SceneModel, view: QueryView, patch: Patch, room: Room, told: Told
) -> Iterator[PixelGradients]:
    """Yield the gradients of all outputs of a patch, some at a time.

    Args:
        model: whose weights need no gradients.
        view: the scene.
        patch: the outputs.
        room: to work in.
        told: all calls together add up to the number of outputs.
    """
    needed, passes = model.generator.dependencies(patch.generator)
    if _is_pixel_by_pixel(model, view, needed):
        yield from _counted(_PixelByPixel(model, view, patch, needed, passes, room.memory // 2).gradients(), told)
        return
    derived = None if room.copies > 1 else _derived(model, view, patch)
    if derived is None or derived.least_memory > room.memory:
        yield from _counted(_wholly(model, view, patch, passes, room.part(1 / 2)), told)
    else:
        yield from _by_derivative(derived, model, view, patch, needed, passes, room, told)


def _counted(found: Iterator[PixelGradients], told: Told) -> Iterator[PixelGradients]:
    for some in found:
        yield some
        told(len(some.rows))


def _is_pixel_by_pixel(model: SceneModel, view: QueryView, needed: Sequence[int]) -> bool:
    """Return whether every output pixel depends on one pixel of each image, and on one cell of each representation."""
    generators = cast("list[Generator]", [model.generator.generators[index] for index in needed])
    configs = [model.generator.configs[index] for index in needed]
    sizes = {config.render_size for config in configs}
    shapes = {view.representations[index].shape[2:] for config in configs for index in config.representations}
    maps = shapes - {(1, 1)}  # if of several sizes, they are resized to the largest one before the image's
    return all(generator.pointwise for generator in generators) and len(sizes) == 1 and len(maps) <= 1


class _PixelByPixel:
    """Gradients where each output pixel depends on the inputs of its own pixel and on the representation alone.

    Each pixel is a scene of its own, with an image of one pixel: as many backward passes as the output has channels
    give the gradients of all outputs.
    """

    MOST_PIXELS = 512

    def __init__(
        self,
        model: SceneModel,
        view: QueryView,
        patch: Patch,
        needed: Sequence[int],
        passes: Sequence[str],
        memory: int,
    ) -> None:
        self.model, self.view, self.patch, self.needed, self.passes = model, view, patch, needed, passes
        size = model.generator.configs[patch.generator].render_size
        self.images = [resized(view.queries[name], size)[0].flatten(1) for name in passes]  # [C, S S]
        self.cells = [seen_places(part.shape[2:], size, part.device) for part in view.representations]
        device = view.pose.device
        rows, columns = torch.arange(patch.height, device=device), torch.arange(patch.width, device=device)
        self.pixels = ((patch.top + rows)[:, None] * size + patch.left + columns).flatten()
        self.size, self.channels = size, BUFFERS[patch.name].channels
        weights = [*model.parameters()]
        count = batch_within(memory // 2, self._function, self._inputs(self.pixels[:1]), weights, self.MOST_PIXELS)
        row_bytes = 2 * _BYTES * self.channels * view.vector.numel()
        self.count = max(1, min(count, memory // 2 // row_bytes))

    def gradients(self) -> Iterator[PixelGradients]:
        """Yield the gradients of some pixels at a time."""
        for pixels in torch.split(self.pixels, self.count):
            evaluated = Parallel(self._function, self._inputs(pixels))
            attributions = [torch.zeros_like(image) for image in self.images]
            rows: list[Tensor] = []
            for channel in range(self.channels):
                direction = F.one_hot(torch.full_like(pixels, channel), self.channels).to(evaluated.output.dtype)
                found = evaluated.gradients(direction)
                for total, image, gradient in zip(attributions, self.images, found[: len(self.images)], strict=True):
                    total[:, pixels] += (gradient.flatten(1).t() * image[:, pixels]).abs()
                rows.append(self._spread(found[len(self.images) :], pixels))
            named = zip(self.passes, attributions, strict=True)
            yield PixelGradients({name: self._unresized(name, total) for name, total in named}, torch.cat(rows))

    def _inputs(self, pixels: Tensor) -> list[Tensor]:
        """Return what each of P pixels sees, [P, channels, 1, 1] each: buffers, and then representations."""
        seen = [image[:, pixels] for image in self.images]
        seen += [
            representation[0].flatten(1)[:, cells[pixels]]
            for representation, cells in zip(self.view.representations, self.cells, strict=True)
        ]
        return [values.t()[:, :, None, None] for values in seen]

    def _function(self, values: Sequence[Tensor]) -> Tensor:
        queries = dict(zip(self.passes, values[: len(self.passes)], strict=True))
        poses = self.view.pose.expand(len(values[-1]), -1)
        made = self.model.generator.sample(queries, poses, values[len(self.passes) :], only=self.needed, size=1)
        return made[self.patch.generator][self.patch.name]

    def _spread(self, gradients: Sequence[Tensor], pixels: Tensor) -> Tensor:
        """Return rows [P, sum of R_i h_i w_i] from gradients [P, R_i, 1, 1] of the cells that the pixels see."""
        parts = []
        for gradient, cells, whole in zip(gradients, self.cells, self.view.representations, strict=True):
            places = whole.shape[2] * whole.shape[3]
            if places == 1:
                parts.append(gradient.flatten(1))
                continue
            part = gradient.new_zeros(*gradient.shape[:2], places)
            index = cells[pixels][:, None, None].expand(-1, part.shape[1], 1)
            parts.append(part.scatter_(2, index, gradient.flatten(2)).flatten(1))
        return torch.cat(parts, dim=1)

    def _unresized(self, name: str, total: Tensor) -> Tensor:
        """Return [C, H, W]: each input pixel gets what all pixels [C, S S] found that see it."""
        image = total.view(1, -1, self.size, self.size)
        return unresized(image, *self.view.queries[name].shape[2:])[0]


def _wholly(
    model: SceneModel, view: QueryView, patch: Patch, passes: Sequence[str], room: Room
) -> Iterator[PixelGradients]:
    """Yield the gradients of any generator's outputs: copies of the scene carry one each, through all of the image."""
    # All generators before it run, also those whose images are not used: they draw random numbers like it.
    running = range(patch.generator + 1)
    inputs = [view.queries[name] for name in passes] + list(view.representations)

    def function(values: Sequence[Tensor]) -> Tensor:
        count = len(values[-1])
        queries = {name: image.expand(count, -1, -1, -1) for name, image in view.queries.items()}
        queries |= dict(zip(passes, values[: len(passes)], strict=True))
        poses = view.pose.expand(count, -1)
        with same_noise(model):
            made = model.generator.sample(queries, poses, values[len(passes) :], only=running, copies=True)
        image = made[patch.generator][patch.name]
        return image[:, :, patch.top : patch.top + patch.height, patch.left : patch.left + patch.width]

    count = batch_within(room.memory, function, inputs, [*model.parameters()], min(room.copies, patch.count))
    evaluated = Parallel(function, copies(inputs, count))
    for outputs in torch.split(torch.arange(patch.count, device=view.pose.device), count):
        found = evaluated.gradients(F.one_hot(outputs, patch.count).to(evaluated.output.dtype))
        attributions = {
            name: (gradient * view.queries[name]).abs().sum(dim=0)
            for name, gradient in zip(passes, found[: len(passes)], strict=True)
        }
        rows = torch.cat([gradient.flatten(1) for gradient in found[len(passes) :]], dim=1)
        yield PixelGradients(attributions, rows)


def _derived(model: SceneModel, view: QueryView, patch: Patch) -> ImageDerivative | None:
    """Return the derivative of a generator's image by what it is given, or `None` if it has no fast one."""
    generator = cast("Generator", model.generator.generators[patch.generator])
    with torch.no_grad(), same_noise(model):
        given = model.generator.view(patch.generator, view.queries, view.pose, view.representations)
        return generator.derivative(given, patch.count)


def _by_derivative(
    derived: ImageDerivative,
    model: SceneModel,
    view: QueryView,
    patch: Patch,
    needed: Sequence[int],
    passes: Sequence[str],
    room: Room,
    told: Told,
) -> Iterator[PixelGradients]:
    """Yield the gradients of outputs whose generator knows its own derivative; they go on through those before it."""
    inputs = [view.queries[name] for name in passes] + list(view.representations)
    # If it has no generator before it, it is given resized inputs: many copies of those are quickly made. Otherwise
    # each output goes back through those generators, which takes about as long as what came before.
    alone = len(needed) == 1

    def function(values: Sequence[Tensor]) -> Tensor:
        queries = {name: image.expand(len(values[-1]), -1, -1, -1) for name, image in view.queries.items()}
        queries |= dict(zip(passes, values[: len(passes)], strict=True))
        poses = view.pose.expand(len(values[-1]), -1)
        with same_noise(model):
            given = model.generator.view(
                patch.generator, queries, poses, values[len(passes) :], only=() if alone else None, copies=True
            )
        return torch.cat((given.buffers.flatten(1), given.representation.flatten(1)), dim=1)

    most, share = (min(_RESIZED, patch.count), 0.0) if alone else (1, 0.5)
    count = batch_within(room.memory // 8, function, inputs, [*model.parameters()], most)
    before = Parallel(function, copies(inputs, count))
    places = _places(model, patch, view.pose.device)
    for found in derived.gradients(places, room.memory, lambda n: told((1 - share) * n)):
        attributions = {name: torch.zeros_like(view.queries[name][0]) for name in passes}
        rows: list[Tensor] = []
        for some in torch.split(torch.cat([part.flatten(1) for part in found], dim=1), count):
            gradients = before.gradients(some)
            for name, gradient in zip(passes, gradients[: len(passes)], strict=True):
                attributions[name] += (gradient * view.queries[name]).abs().sum(dim=0)
            rows.append(torch.cat([gradient.flatten(1) for gradient in gradients[len(passes) :]], dim=1))
            told(share * len(some))
        yield PixelGradients(attributions, torch.cat(rows))


def _places(model: SceneModel, patch: Patch, device: torch.device) -> Tensor:
    """Return channel, row and column of each output of a patch in all that its generator makes, [m, 3]."""
    config = model.generator.configs[patch.generator]
    before = config.output_passes[: config.output_passes.index(patch.name)]
    first = sum(BUFFERS[name].channels for name in before)
    return torch.cartesian_prod(
        first + torch.arange(BUFFERS[patch.name].channels, device=device),
        patch.top + torch.arange(patch.height, device=device),
        patch.left + torch.arange(patch.width, device=device),
    )
