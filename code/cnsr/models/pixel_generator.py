"""The pixel generator (``PixelCNN``): a network for each pixel, made of 1x1 convolutions. Spec: ``networks.md``."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnsr.config import PixelCNNConfig, PixelCNNSettings
from cnsr.models.generator import Generator, Given, Place, Step
from cnsr.models.losses import ImageLoss, LossScales
from cnsr.models.pixel_layers import PixelLayers
from cnsr.models.shared_batch import mean_over_scenes

SCALES = LossScales(l1=2.0, nll=0.2, nll_iterations=200_000)


class PixelGenerator(Generator):
    """Maps the buffers of each pixel, the query pose and the representation to radiance, pixel by pixel.

    Pose and representation are the same in many pixels: in all of a scene, or, where the representation is a map, in
    those of one of its cells. Their share of a convolution, W_r r + W_v v + b, is therefore computed once a group of
    such pixels and added as a bias; only hidden channels and buffers go through products over all pixels. Hidden values
    lie as [groups, pixels, hidden], so that those are plain matrix products.
    """

    keeps_much = True

    def __init__(self, config: PixelCNNConfig, place: Place) -> None:
        super().__init__()
        settings = config.settings
        self.place = place
        self.settings: PixelCNNSettings = settings
        self.criterion = ImageLoss(settings.loss, config.output_passes, SCALES)
        hidden = settings.hidden_units
        extras = (
            settings.propagate_buffers * place.buffers
            + settings.propagate_representation * place.representation
            + settings.propagate_viewpoint * place.pose
        )
        self.input = nn.Conv2d(place.buffers + place.pose + place.representation, hidden, 1)
        self.layers = nn.ModuleList(nn.Conv2d(hidden + extras, hidden, 1) for _ in range(settings.layers))
        self.final = nn.Conv2d(hidden, place.output, 1)

    def training_step(self, given: Given, target: Tensor, iteration: int) -> Step:
        """Return the image [B, C, S, S] and the losses that the config names."""
        output = self(given)
        return Step(self.criterion.image(output), self.criterion(output, target, iteration))

    def sample(self, given: Given) -> Tensor:
        """Return the image [B, C, S, S]."""
        return self.criterion.image(self(given))

    @property
    def pointwise(self) -> bool:
        """All convolutions are 1x1."""
        return True

    def initialize_output(self, target: Tensor) -> None:
        """Set the last bias to the mean output that the target asks for, where ``initial_output`` is "log_mean".

        With `end_relu`, an output that starts below 0 has no gradient: the image stays black for long.
        """
        if self.settings.initial_output == "log_mean":
            with torch.no_grad():
                expected = mean_over_scenes(self.criterion.expected_output(target))  # [1, C, S, S]
                cast("Tensor", self.final.bias).copy_(expected.mean(dim=(0, 2, 3)))

    def forward(self, given: Given) -> Tensor:
        """Return the output Y [B, C, H, W] in float32, in log space if a loss is logarithmic."""
        kind = given.buffers.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else given.buffers.dtype
        with torch.autocast(kind, enabled=False):  # operations in place know no autocast: types are set here
            output = self._output(given, dtype)
        return F.relu(output) if self.settings.end_relu else output

    def _output(self, given: Given, dtype: torch.dtype) -> Tensor:
        """Return the last layer's output [B, C, H, W] in float32."""
        height, width = given.buffers.shape[2:]
        representation = given.representation.float()  # [B, R, h, w]
        if height % representation.shape[2] or width % representation.shape[3]:
            representation = F.interpolate(representation, size=(height, width), mode="nearest")
        scenes, _, rows, columns = representation.shape
        layers = self._layers(given.pose.float(), representation.permute(0, 2, 3, 1).flatten(1, 2), dtype)

        # A column of ones: the bias of a group is then one more row of its matrix.
        pixels = torch.cat((given.buffers, given.buffers.new_ones(scenes, 1, height, width)), dim=1).to(dtype)
        cells = pixels.reshape(scenes, -1, rows, height // rows, columns, width // columns)
        pixels = cells.permute(0, 2, 4, 3, 5, 1).flatten(3, 4).flatten(0, 2)  # [B h w, P, x + 1]
        seen = pixels if self.settings.propagate_buffers else pixels[:, :, self.place.buffers :]
        if self.training and torch.is_grad_enabled() and pixels.device.type == "cpu":
            output = layers.applied_sparingly(pixels, seen)
        else:
            output = layers.applied(pixels, seen)
        cells = output.float().view(scenes, rows, columns, height // rows, width // columns, -1)
        return cells.permute(0, 5, 1, 3, 2, 4).reshape(scenes, -1, height, width)

    def _layers(self, pose: Tensor, representation: Tensor, dtype: torch.dtype) -> PixelLayers:
        """Return the weights of all layers for scenes of these poses [B, V] and representations [B, cells, R]."""
        settings, x, v, r = self.settings, self.place.buffers, self.place.pose, self.place.representation
        on_buffers, on_pose, on_representation = torch.split(self.input.weight.flatten(1), [x, v, r], dim=1)
        bias = F.linear(pose, on_pose, self.input.bias)[:, None] + F.linear(representation, on_representation)
        matrices, shared = [_group_matrices(on_buffers, bias, dtype)], []
        widths = [
            settings.hidden_units,
            x * settings.propagate_buffers,
            r * settings.propagate_representation,
            v * settings.propagate_viewpoint,
        ]
        for layer in cast("list[nn.Conv2d]", list(self.layers)):
            on_hidden, on_buffers, on_representation, on_pose = torch.split(layer.weight.flatten(1), widths, dim=1)
            bias = cast("Tensor", layer.bias).expand(*representation.shape[:2], -1)
            if settings.propagate_representation:
                bias = bias + F.linear(representation, on_representation)
            if settings.propagate_viewpoint:
                bias = bias + F.linear(pose, on_pose)[:, None]
            matrices.append(_group_matrices(on_buffers, bias, dtype))
            shared.append(on_hidden.to(dtype))
        final, bias = self.final.weight.flatten(1).to(dtype), cast("Tensor", self.final.bias).to(dtype)
        return PixelLayers(tuple(matrices), tuple(shared), final, bias)


def _group_matrices(on_buffers: Tensor, bias: Tensor, dtype: torch.dtype) -> Tensor:
    """Return [B cells, x + 1, o]: the weights of the buffers [o, x], and each cell's bias of [B, cells, o] below."""
    rows = bias.flatten(0, 1)[:, None, :]
    return torch.cat((on_buffers.t().expand(len(rows), -1, -1), rows), dim=1).to(dtype)
