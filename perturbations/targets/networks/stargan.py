"""StarGAN's network (Choi et al., CVPR 2018), in the layout of the official ``*-G.ckpt``.

The official test code never switches to ``eval()``: its instance norm uses the statistics of the input although it
stores running ones.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


class InputInstanceNorm2d(nn.InstanceNorm2d):
    """Instance norm with the statistics of the input in every mode; the stored running statistics are only carried."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=True, track_running_stats=True)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.eps)


class ResidualBlock(nn.Module):
    """``x + N(C(relu(N(C(x)))))`` at constant width."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            InputInstanceNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            InputInstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + cast(Tensor, self.main(x))


def concat_labels(x: Tensor, labels: Tensor) -> Tensor:
    """Image ``[B, 3, H, W]`` and labels ``[B, K]`` to ``[B, 3 + K, H, W]``: labels become constant planes."""
    return torch.cat([x, labels[:, :, None, None].expand(-1, -1, *x.shape[-2:]).to(x.dtype)], dim=1)


def trunk(*, conv_dim: int, c_dim: int, repeat_num: int) -> list[nn.Module]:
    """The layers StarGAN and AttentionGAN share, up to and including the last residual block."""
    layers: list[nn.Module] = [
        nn.Conv2d(3 + c_dim, conv_dim, 7, 1, 3, bias=False),
        InputInstanceNorm2d(conv_dim),
        nn.ReLU(inplace=True),
    ]
    width = conv_dim
    for _ in range(2):
        layers += [nn.Conv2d(width, width * 2, 4, 2, 1, bias=False), InputInstanceNorm2d(width * 2)]
        layers += [nn.ReLU(inplace=True)]
        width *= 2
    layers += [ResidualBlock(width) for _ in range(repeat_num)]
    return layers


def upsampler(width: int) -> list[nn.Module]:
    """The two upsampling stages behind the trunk, from ``width`` channels to ``width / 4``."""
    layers: list[nn.Module] = []
    for _ in range(2):
        layers += [nn.ConvTranspose2d(width, width // 2, 4, 2, 1, bias=False), InputInstanceNorm2d(width // 2)]
        layers += [nn.ReLU(inplace=True)]
        width //= 2
    return layers


class StarGANGenerator(nn.Module):
    """The official network: ``forward(x [B, 3, H, W], labels [B, c_dim])``; H and W are multiples of 4."""

    def __init__(self, *, conv_dim: int = 64, c_dim: int = 5, repeat_num: int = 6) -> None:
        super().__init__()
        encoder = trunk(conv_dim=conv_dim, c_dim=c_dim, repeat_num=repeat_num)
        self.tap_index = len(encoder)
        output = [nn.Conv2d(conv_dim, 3, 7, 1, 3, bias=False), nn.Tanh()]
        self.main = nn.Sequential(*encoder, *upsampler(conv_dim * 4), *output)

    def encode(self, x: Tensor, labels: Tensor) -> Tensor:
        """Output of the last residual block, ``[B, 4 * conv_dim, H / 4, W / 4]``."""
        return cast(Tensor, self.main[: self.tap_index](concat_labels(x, labels)))

    def decode(self, tap: Tensor) -> Tensor:
        """Image from the tap."""
        return cast(Tensor, self.main[self.tap_index :](tap))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        return self.decode(self.encode(x, labels))
