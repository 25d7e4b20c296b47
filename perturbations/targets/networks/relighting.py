"""The portrait relighter's network (Zhou et al., ICCV 2019), in the layout of the official ``trained_model_03.t7``.

An hourglass over the lightness of CIE Lab. It is run with ``eval()``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from perturbations.targets.networks.lights import COEFFICIENTS

LEVELS: Final = 4
"""How often the hourglass halves the picture."""


class Relit(NamedTuple):
    """lightness: ``[B, 1, S, S]`` in [0, 1]; light: ``[B, 9]``, the light the photo was under; face: the bottleneck
    without what is replaced, ``[B, C, S / 16, S / 16]``."""

    lightness: Tensor
    light: Tensor
    face: Tensor


class ResidualBlock(nn.Module):
    """``relu(N(C(relu(N(C(x))))) + C(x))``; at constant width ``+ x``, and the stored shortcut is only carried.

    The norm is over the batch, or over the picture and without parameters.
    """

    def __init__(self, n_in: int, n_out: int, *, batch_norm: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out) if batch_norm else nn.InstanceNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out) if batch_norm else nn.InstanceNorm2d(n_out)
        self.shortcuts = nn.Conv2d(n_in, n_out, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.bn1(self.conv1(x)))
        short = x if x.shape[1] == h.shape[1] else self.shortcuts(x)
        return F.relu(self.bn2(self.conv2(h)) + short)


class LightSwap(nn.Module):
    """Reads the light off the first channels of the bottleneck and writes another one there."""

    def __init__(self, *, features: int, hidden: int) -> None:
        super().__init__()
        self.features = features
        self.predict_FC1 = nn.Conv2d(features, hidden, 1, bias=False)
        self.predict_relu1 = nn.PReLU()
        self.predict_FC2 = nn.Conv2d(hidden, COEFFICIENTS, 1, bias=False)
        self.post_FC1 = nn.Conv2d(COEFFICIENTS, hidden, 1, bias=False)
        self.post_relu1 = nn.PReLU()
        self.post_FC2 = nn.Conv2d(hidden, features, 1, bias=False)

    def forward(self, x: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean = x[:, : self.features].mean(dim=(2, 3), keepdim=True)
        seen = self.predict_FC2(self.predict_relu1(self.predict_FC1(mean)))
        written = F.relu(self.post_FC2(self.post_relu1(self.post_FC1(wanted))))
        face = x[:, self.features :]
        return torch.cat([written.expand(-1, -1, *x.shape[2:]), face], dim=1), seen, face


class Hourglass(nn.Module):
    """One level: beside a path at full resolution, another at half of it with ``middle`` in it."""

    def __init__(self, n_in: int, n_low: int, middle: nn.Module) -> None:
        super().__init__()
        self.upper = ResidualBlock(n_in, n_in, batch_norm=False)
        self.low1 = ResidualBlock(n_in, n_low, batch_norm=True)
        self.middle = middle
        self.low2 = ResidualBlock(n_low, n_in, batch_norm=False)

    def forward(self, x: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        low, seen, face = self.middle(self.low1(F.max_pool2d(x, 2)), wanted)
        wide = F.interpolate(self.low2(low), scale_factor=2.0, mode="nearest")
        return self.upper(x) + wide, seen, face


class RelightingNetwork(nn.Module):
    """The official network, which ``widths`` scales: channels at full size, then at every level down to the bottleneck.

    ``forward(lightness [B, 1, S, S] in [0, 1], light [B, 9, 1, 1])``; S is a multiple of 16.
    """

    def __init__(self, *, widths: Sequence[int], light_features: int, light_hidden: int) -> None:
        super().__init__()
        if len(widths) != LEVELS + 1 or not 0 < light_features < widths[-1]:
            raise ValueError(f"an hourglass needs {LEVELS + 1} widths, the last one above that of the light")
        width = widths[0]
        self.pre_conv = nn.Conv2d(1, width, 5, padding=2)
        self.pre_bn = nn.BatchNorm2d(width)
        middle: nn.Module = LightSwap(features=light_features, hidden=light_hidden)
        for n_in, n_low in zip(widths[-2::-1], widths[:0:-1], strict=True):
            middle = Hourglass(n_in, n_low, middle)
        self.HG3 = middle
        self.conv_1 = nn.Conv2d(width, width, 3, padding=1)
        self.bn_1 = nn.BatchNorm2d(width)
        self.conv_2 = nn.Conv2d(width, width, 1)
        self.bn_2 = nn.BatchNorm2d(width)
        self.conv_3 = nn.Conv2d(width, width, 1)
        self.bn_3 = nn.BatchNorm2d(width)
        self.output = nn.Conv2d(width, 1, 1)

    def forward(self, lightness: Tensor, light: Tensor) -> Relit:
        h, seen, face = self.HG3(F.relu(self.pre_bn(self.pre_conv(lightness))), light)
        h = F.relu(self.bn_1(self.conv_1(h)))
        h = F.relu(self.bn_2(self.conv_2(h)))
        h = F.relu(self.bn_3(self.conv_3(h)))
        return Relit(torch.sigmoid(self.output(h)), seen.flatten(1), face)
