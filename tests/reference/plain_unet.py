"""The U-Net generator as its formula is written: maps expanded and concatenated before every convolution.

Like ``plain_networks.py``: weights are a mapping from parameter name to tensor, and inputs set the type.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

DOWN = ("down_block1", "down_block2", "down_block3", "down_block4", "down_block5", "down_block6", "down_block7")
UP = (4, 5, 6, 1, 2, 3)  # from the deepest level up


def block(w: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    x = F.relu(F.conv2d(x, w[f"{name}.model.0.weight"], w[f"{name}.model.0.bias"], padding=1))
    return F.relu(F.conv2d(x, w[f"{name}.model.2.weight"], w[f"{name}.model.2.bias"], padding=1))


def unet(w: Mapping[str, Tensor], buffers: Tensor, pose: Tensor, r: Tensor, *, end_relu: bool) -> Tensor:
    """Buffers [B, x, S, S], pose [B, V], representation [B, R, h, w] -> output [B, C, S, S]."""
    x, skips = buffers, []
    for name in DOWN:
        if skips:
            x = F.max_pool2d(x, 2)
        height, width = x.shape[2:]
        r_maps = r.repeat(1, 1, height, width) if r.shape[2:] == (1, 1) else F.interpolate(r, size=(height, width))
        pose_maps = pose[:, :, None, None].repeat(1, 1, height, width)
        x = block(w, name, torch.cat([x, r_maps, pose_maps], dim=1))
        skips.append(x)
    skips.pop()
    for level in UP:
        weight, bias = w[f"upscale{level}.weight"], w[f"upscale{level}.bias"]
        up = F.conv_transpose2d(x, weight, bias, stride=2, padding=1)
        x = block(w, f"up_block{level}", torch.cat([up, skips.pop()], dim=1))
    output = F.conv2d(x, w["final.weight"], w["final.bias"])
    return F.relu(output) if end_relu else output
