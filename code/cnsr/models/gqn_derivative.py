"""Gradients of numbers in an image that a recurrent generator (`cnsr.models.gqn`) draws, many at a time.

Between the buffers and the image lies a recurrent core, at a fraction of the resolution: its inputs are the buffers
after `downsample`, and the representation. If fewer numbers go into the core than outputs are asked for, the change of
each of them is followed forward through all steps, to all outputs at once; otherwise the gradient of each output goes
backward. Both are products of spectra (`cnsr.models.fourier`) for a batch of directions, with factors that the view
fixes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cnsr.models.cell_derivatives import CellDerivative, Change, Kernels, pixels_first
from cnsr.models.constant_maps import taps_inside
from cnsr.models.fourier import Fourier, flipped
from cnsr.models.generator import Given, ImageDerivative, Told
from cnsr.models.inputs import unresized

_CHUNK = 64
"""Directions in one product: more are not faster."""
_FEWEST = 8
"""Directions that make it worth while to transform weights."""
_MOST = 512
"""Directions for which a step's weights are transformed once."""
_FORWARD_SHARE = 0.9
"""Of the time that the forward way takes, what is gone when all inputs have been followed."""


@dataclass(frozen=True)
class LatentStep:
    """One step at the values that it has for a view.

    Attributes:
        cell: derivative of the generator's cell.
        noise: derivative of the latent variables by what the prior says of their standard deviation, [1, Z, s, s].
        on_patches: weights [C scale scale, H] from the hidden state to the image; scale x scale pixels of the image
            are one of the state's.
    """

    cell: CellDerivative
    noise: Tensor
    on_patches: Tensor


class GQNDerivative(ImageDerivative):
    """Derivative of the image that the prior draws.

    Args:
        steps: in their order.
        prior: weights [2 Z, H, k, k].
        downsample: weights [x, x, scale, scale], or `None` without buffers.
        given: the view.
        slopes: derivative of the image by what the steps draw, [C, S, S].
    """

    def __init__(
        self, steps: Sequence[LatentStep], prior: Tensor, downsample: Tensor | None, given: Given, slopes: Tensor
    ) -> None:
        self.steps, self.prior, self.downsample, self.given, self.slopes = steps, prior, downsample, given, slopes
        self.noises = [pixels_first(step.noise) for step in steps]
        self.size = steps[0].noise.shape[-1]
        self.scale = slopes.shape[-1] // self.size
        self.latent, self.hidden = steps[0].noise.shape[1], prior.shape[1]
        self.kernel = prior.shape[-1]
        # Channels of the cells' weights: hidden state, pose, representation, latent variables, buffers.
        start = self.hidden + given.pose.shape[1]
        end = start + given.representation.shape[1]
        last = end + self.latent + given.buffers.shape[1]
        self.channels = range(start, end)
        self.is_map = given.representation.shape[2:] != (1, 1)
        # The maps that a cell sees beside its state: latent variables, buffers, and a representation that is one.
        self.maps = [*range(end, last), *(self.channels if self.is_map else ())]
        self.map_inputs = len(self.maps) - self.latent  # of the core
        self.inside = taps_inside(self.size, self.kernel, slopes)  # [s s, k k]

    @property
    def core_inputs(self) -> int:
        """How many numbers go into the core."""
        return self.map_inputs * self.size**2 + (0 if self.is_map else len(self.channels))

    @property
    def least_memory(self) -> int:
        """Bytes for the spectra of a step's weights, and for few directions."""
        return self._kernel_bytes + _FEWEST * (self._direction_bytes + self._state_bytes)

    def gradients(self, outputs: Tensor, memory: int, told: Told) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the gradients; at the full resolution they may need more room than in the core."""
        most = max(1, memory // 8 // max(1, self.given.nbytes))
        for rows in self._on_core(outputs, memory, told):
            for some in torch.split(rows, most):
                yield self._on_given(some)

    def _on_core(self, outputs: Tensor, memory: int, told: Told) -> Iterator[Tensor]:
        """Yield gradients [k, inputs] with respect to the core's inputs, forward or backward."""
        fourier = Fourier(self.size, self.kernel, self.slopes)
        table = len(outputs) * self.core_inputs * self.slopes.element_size()
        if len(outputs) > self.core_inputs and not self.is_map and table + self.least_memory <= memory:
            jacobian = self._forward(fourier, outputs, memory - table, told)
            for some in torch.split(jacobian, self._batch(memory - table)):
                yield some
                told((1 - _FORWARD_SHARE) * len(some))
        else:
            for some in torch.split(outputs, self._batch(memory)):
                yield self._backward(fourier, some, self._chunk(memory), told)

    def _on_given(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return gradients with respect to buffers and representation from those for the core's inputs, [k, inputs].

        The latter are the representation, where it is a vector, and then the maps [s, s, x].
        """
        vector = 0 if self.is_map else len(self.channels)
        maps = rows[:, vector:].view(len(rows), self.size, self.size, self.map_inputs).permute(0, 3, 1, 2)
        on_buffers = maps[:, : self.given.buffers.shape[1]]
        if self.downsample is None:
            buffers = self.given.buffers.new_zeros(len(rows), *self.given.buffers.shape[1:])
        else:
            buffers = F.conv_transpose2d(on_buffers, self.downsample, stride=self.scale)
        if not self.is_map:
            return buffers, rows[:, :vector, None, None]
        return buffers, unresized(maps[:, on_buffers.shape[1] :], *self.given.representation.shape[2:])

    def _forward(self, fourier: Fourier, outputs: Tensor, memory: int, told: Told) -> Tensor:
        """Return the gradients [m, inputs] of outputs with respect to the core's inputs, one input after the other."""
        jacobian = self.slopes.new_empty(len(outputs), self.core_inputs)
        channel, row, column = outputs.unbind(1)
        cells = row // self.scale * self.size + column // self.scale
        places = self._patch_channels(outputs)
        slopes = self.slopes[channel, row, column][:, None]
        inputs = torch.arange(self.core_inputs, device=outputs.device)
        vector, maps = inputs[: len(self.channels)], inputs[len(self.channels) :]
        size, share = self._batch(memory), _FORWARD_SHARE * len(outputs) / max(1, len(inputs))
        for some in (*torch.split(vector, size), *torch.split(maps, size)):
            if not len(some):
                continue
            patches = self._followed(fourier, some, self._chunk(memory), lambda n: told(n * share))
            jacobian[:, some[0] : some[-1] + 1] = patches[cells, :, places] * slopes
        return jacobian

    def _followed(self, fourier: Fourier, inputs: Tensor, chunk: int, told: Told) -> Tensor:
        """Return what changes of single inputs change in the image.

        Args:
            fourier: for the states' size.
            inputs: numbers of the inputs, all of the vector or all of maps.
            chunk: how many to take in one product.
            told: called with the number of inputs, or the share of one, that are done in the meantime.

        Returns:
            [s s, n, C scale scale].
        """
        count, s = len(inputs), self.size
        channels: range | None = None
        maps = self.slopes.new_zeros(s * s, count, self.map_inputs)
        if inputs[0] < len(self.channels):
            channels = self.channels[int(inputs[0]) : int(inputs[-1]) + 1]
        else:
            place = inputs - len(self.channels)
            maps[place // self.map_inputs, torch.arange(count, device=place.device), place % self.map_inputs] = 1
        maps = maps.view(s, s, count, -1)
        states: list[tuple[Tensor, ...] | None] = [None] * len(range(0, count, chunk))
        patches = self.slopes.new_zeros(s, s, count, len(self.steps[0].on_patches))
        on_prior = fourier.kernels(self.prior)
        kernels: Sequence[Kernels | None] = [None] * len(self.steps[0].cell.weights)
        for step, noise in zip(self.steps, self.noises, strict=True):
            kernels = step.cell.kernels(fourier, self.maps, False, kernels)
            for index, start in enumerate(range(0, count, chunk)):
                some = slice(start, start + chunk)
                constants = None if channels is None else self._constants(step.cell, channels[some])
                change = self._change(fourier, on_prior, noise, states[index], maps[:, :, some], constants)
                state = states[index] = step.cell.forward(fourier, kernels, change)
                patches[:, :, some] += torch.matmul(state[0], step.on_patches.t())
                told(state[0].shape[2] / len(self.steps))
        return patches.flatten(0, 1)

    def _change(
        self,
        fourier: Fourier,
        on_prior: Tensor,
        noise: Tensor,
        state: tuple[Tensor, ...] | None,
        maps: Tensor,
        constants: Sequence[Tensor] | None,
    ) -> Change:
        """Return what changes for a step, given what changed before it, in the maps and by the vector."""
        if state is None:  # the prior of the first step knows nothing
            latent = maps.new_zeros(*maps.shape[:3], self.latent)
            return Change(None, None, fourier.data(torch.cat((latent, maps), dim=-1)), constants)
        hidden = fourier.data(state[0])
        mean, raw = fourier.inverse(fourier.products([(hidden, on_prior)])).chunk(2, dim=-1)
        latent = torch.addcmul(mean, noise, raw)
        return Change(state, hidden, fourier.data(torch.cat((latent, maps), dim=-1)), constants)

    def _constants(self, cell: CellDerivative, channels: range) -> list[Tensor]:
        """Return what each of the cell's gates makes of channels that are constant maps, [s, s, n, H]."""
        made = []
        for weight in cell.weights:
            taps = weight[:, channels.start : channels.stop].flatten(2).permute(2, 1, 0)  # [k k, n, H]
            maps = torch.mm(self.inside, taps.flatten(1))
            made.append(maps.view(self.size, self.size, *taps.shape[1:]))
        return made

    def _backward(self, fourier: Fourier, outputs: Tensor, chunk: int, told: Told) -> Tensor:
        """Return the gradients [k, inputs] of some outputs with respect to the core's inputs."""
        count, s = len(outputs), self.size
        channel, row, column = outputs.unbind(1)
        cells, slopes = (row // self.scale, column // self.scale), self.slopes[channel, row, column][:, None]
        places, numbers = self._patch_channels(outputs), torch.arange(count, device=outputs.device)
        vector = self.slopes.new_zeros(count, 0 if self.is_map else len(self.channels))
        maps = self.slopes.new_zeros(s, s, count, self.map_inputs)
        states = [self._nothing(len(some)) for some in torch.split(numbers, chunk)]
        on_prior = fourier.kernels(flipped(self.prior))
        kernels: Sequence[Kernels | None] = [None] * len(self.steps[0].cell.weights)
        for step, noise in zip(reversed(self.steps), reversed(self.noises), strict=True):
            kernels = step.cell.kernels(fourier, self.maps, True, kernels)
            for index, some in enumerate(torch.split(numbers, chunk)):
                state = states[index]
                state[0][cells[0][some], cells[1][some], some - some[0]] += step.on_patches[places[some]] * slopes[some]
                found = step.cell.backward(fourier, kernels, state)
                part = slice(int(some[0]), int(some[-1]) + 1)
                maps[:, :, part] += found.maps[..., self.latent :]
                if not self.is_map:
                    vector[part] += self._on_vector(step.cell, found.gates)
                if found.state is not None:
                    latent = found.maps[..., : self.latent]
                    on_latent = fourier.data(torch.cat((latent, latent * noise), dim=-1))
                    found.state[0].add_(fourier.inverse(fourier.products([(on_latent, on_prior)])))
                    states[index] = found.state
                told(len(some) / len(self.steps))
        return torch.cat((vector, maps.permute(2, 0, 1, 3).flatten(1)), dim=1)

    def _nothing(self, count: int) -> tuple[Tensor, ...]:
        """Return gradients of a state that are 0."""
        shape = (self.size, self.size, count, self.hidden)
        return tuple(self.slopes.new_zeros(shape) for _ in range(self.steps[0].cell.states))

    def _on_vector(self, cell: CellDerivative, gates: Sequence[Tensor]) -> Tensor:
        """Return gradients [k, R] of the representation from those of what a step's convolutions gave."""
        total = self.slopes.new_zeros(gates[0].shape[2], len(self.channels))
        for weight, gradient in zip(cell.weights, gates, strict=True):
            taps = torch.mm(self.inside.t(), gradient.flatten(0, 1).flatten(1))  # [k k, k H]
            on_vector = weight[:, self.channels.start : self.channels.stop].flatten(2).permute(2, 0, 1)  # [k k, H, R]
            total += torch.bmm(taps.view(len(taps), *gradient.shape[2:]), on_vector).sum(dim=0)
        return total

    def _patch_channels(self, outputs: Tensor) -> Tensor:
        """Return where in its state pixel's patch each output lies (see `torch.nn.functional.pixel_shuffle`)."""
        channel, row, column = outputs.unbind(1)
        return (channel * self.scale + row % self.scale) * self.scale + column % self.scale

    @property
    def _kernel_bytes(self) -> int:
        """Bytes for the spectra of a step's weights."""
        channels = (self.hidden + len(self.maps)) * len(self.steps[0].cell.weights) + 2 * self.latent
        return Fourier.products_of(self.size, self.kernel) * self.hidden * channels * self.slopes.element_size()

    @property
    def _direction_bytes(self) -> int:
        """Bytes for one direction in a product, with as many spectra and maps as a step has at once."""
        numbers = Fourier.products_of(self.size, self.kernel) + self.size**2  # of a spectrum and its map
        channels = (len(self.steps[0].cell.weights) + 3) * self.hidden + 2 * len(self.maps)
        return numbers * channels * self.slopes.element_size()

    @property
    def _state_bytes(self) -> int:
        """Bytes for what is kept of one direction between the steps."""
        numbers = self.steps[0].cell.states * self.hidden + len(self.steps[0].on_patches) + len(self.maps)
        return self.size**2 * numbers * self.slopes.element_size()

    def _chunk(self, memory: int) -> int:
        return max(1, min(_CHUNK, (memory - self._kernel_bytes) // 2 // self._direction_bytes))

    def _batch(self, memory: int) -> int:
        return max(1, min(_MOST, (memory - self._kernel_bytes) // 2 // self._state_bytes))
