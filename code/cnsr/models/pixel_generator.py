"""The pixel generator (``PixelCNN``): a network for each pixel, made of 1x1 convolutions. Spec: ``networks.md``."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnsr.config import PixelCNNConfig, PixelCNNSettings
from cnsr.models.generator import Generator, Given, Place, Step
from cnsr.models.losses import ImageLoss, LossScales

SLOPE = 0.01  # of LeakyReLU below 0
SCALES = LossScales(l1=2.0, nll=0.2, nll_iterations=200_000)


class PixelGenerator(Generator):
    """Maps the buffers of each pixel, the query pose and the representation to radiance, pixel by pixel.

    Pose and representation are the same in all pixels of a scene. Their share of a convolution, W_r r + W_v v + b, is
    therefore computed once a scene and added as a bias; only hidden channels and buffers go through products over all
    pixels. Hidden values lie as [B, pixels, hidden], so that those are plain matrix products.
    """

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

    def initialize_output(self, target: Tensor) -> None:
        """Set the last bias to the mean output that the target asks for, where ``initial_output`` is "log_mean".

        With `end_relu`, an output that starts below 0 has no gradient: the image stays black for long.
        """
        if self.settings.initial_output == "log_mean":
            with torch.no_grad():
                cast("Tensor", self.final.bias).copy_(self.criterion.expected_output(target).mean(dim=(0, 2, 3)))

    def forward(self, given: Given) -> Tensor:
        """Return the output Y [B, C, H, W] in float32, in log space if a loss is logarithmic."""
        height, width = given.buffers.shape[2:]
        kind = given.buffers.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else given.buffers.dtype
        with torch.autocast(kind, enabled=False):  # operations in place know no autocast: types are set here
            output = self._pixels(given, dtype).float()  # [B, P, C]
        output = output.transpose(1, 2).reshape(len(output), -1, height, width)
        return F.relu(output) if self.settings.end_relu else output

    def _pixels(self, given: Given, dtype: torch.dtype) -> Tensor:
        settings, x, v, r = self.settings, self.place.buffers, self.place.pose, self.place.representation
        flat = given.buffers.flatten(2)  # [B, x, P]
        # A column of ones: the bias of a scene is then one more row of its matrix.
        pixels = torch.cat((flat, flat.new_ones(flat.shape[0], 1, flat.shape[2])), dim=1)
        pixels = pixels.transpose(1, 2).to(dtype)  # [B, P, x + 1]
        pose, representation = given.pose.float(), given.representation.flatten(1).float()

        on_buffers, on_pose, on_representation = torch.split(self.input.weight.flatten(1), [x, v, r], dim=1)
        bias = F.linear(pose, on_pose, self.input.bias) + F.linear(representation, on_representation)
        hidden = F.leaky_relu_(torch.bmm(pixels, _scene_matrices(on_buffers, bias, dtype)), SLOPE)
        widths = [
            settings.hidden_units,
            x * settings.propagate_buffers,
            r * settings.propagate_representation,
            v * settings.propagate_viewpoint,
        ]
        for layer in cast("list[nn.Conv2d]", list(self.layers)):
            on_hidden, on_buffers, on_representation, on_pose = torch.split(layer.weight.flatten(1), widths, dim=1)
            bias = cast("Tensor", layer.bias).expand(len(pose), -1)
            if settings.propagate_representation:
                bias = bias + F.linear(representation, on_representation)
            if settings.propagate_viewpoint:
                bias = bias + F.linear(pose, on_pose)
            seen = pixels if settings.propagate_buffers else pixels[:, :, x:]
            # One large product for all scenes, and a thin one for each: faster than a batch of large ones.
            product = torch.matmul(hidden, on_hidden.to(dtype).t())  # [B, P, hidden]
            hidden = F.leaky_relu_(product.baddbmm_(seen, _scene_matrices(on_buffers, bias, dtype)), SLOPE)
        return F.linear(hidden, self.final.weight.flatten(1).to(dtype), cast("Tensor", self.final.bias).to(dtype))


def _scene_matrices(on_buffers: Tensor, bias: Tensor, dtype: torch.dtype) -> Tensor:
    """Return [B, x + 1, o]: the weights of the buffers [o, x] and, in the last row, each scene's bias [B, o]."""
    shared = on_buffers.t().expand(len(bias), -1, -1)
    return torch.cat((shared, bias[:, None, :]), dim=1).to(dtype)
