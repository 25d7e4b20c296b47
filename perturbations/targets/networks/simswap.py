"""SimSwap's network (Chen et al., ACM MM 2020), in the layout of the official ``*_net_G.pth``.

That is ``Generator_Adain_Upsample``, run with ``eval()``; it takes and gives pictures in [0, 1].
"""

from __future__ import annotations

from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-8


class _Style(nn.Module):
    """Identity to scale and shift of every channel."""

    def __init__(self, latent_size: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(latent_size, 2 * channels)

    def forward(self, x: Tensor, identity: Tensor) -> Tensor:
        centred = x - x.mean(dim=(2, 3), keepdim=True)
        normed = centred * (centred.square().mean(dim=(2, 3), keepdim=True) + EPS).rsqrt()
        scale, shift = self.linear(identity)[:, :, None, None].chunk(2, dim=1)
        return cast(Tensor, normed * (1 + scale) + shift)


class _Block(nn.Module):
    """``x + S(C(relu(S(C(x)))))`` at constant width, both instance norms styled by the identity."""

    def __init__(self, channels: int, latent_size: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3))
        self.style1 = _Style(latent_size, channels)
        self.conv2 = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3))
        self.style2 = _Style(latent_size, channels)

    def forward(self, x: Tensor, identity: Tensor) -> Tensor:
        h = F.relu(self.style1(self.conv1(x), identity))
        return cast(Tensor, x + self.style2(self.conv2(h), identity))


def _down(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(n_in, n_out, 3, 2, 1), nn.BatchNorm2d(n_out), nn.ReLU())


def _up(n_in: int, n_out: int) -> nn.Sequential:
    double = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
    return nn.Sequential(double, nn.Conv2d(n_in, n_out, 3, 1, 1), nn.BatchNorm2d(n_out), nn.ReLU())


class SimSwapGenerator(nn.Module):
    """The official network: ``forward(x [B, 3, H, W] in [0, 1], identity [B, latent_size])``, image in [0, 1].

    H and W are multiples of 8 and at least 16.
    """

    def __init__(self, *, width: int = 64, latent_size: int = 512, n_blocks: int = 9) -> None:
        super().__init__()
        if min(width, latent_size, n_blocks) < 1:
            raise ValueError("SimSwap needs channels, a latent size and a block")
        self.first_layer = nn.Sequential(
            nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.down1 = _down(width, width * 2)
        self.down2 = _down(width * 2, width * 4)
        self.down3 = _down(width * 4, width * 8)
        self.BottleNeck = nn.ModuleList(_Block(width * 8, latent_size) for _ in range(n_blocks))
        self.up3 = _up(width * 8, width * 4)
        self.up2 = _up(width * 4, width * 2)
        self.up1 = _up(width * 2, width)
        self.last_layer = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())

    def swap(self, x: Tensor, identity: Tensor) -> Tensor:
        """The bottleneck, ``[B, 8 * width, H / 8, W / 8]``, after the last identity block."""
        h = self.down3(self.down2(self.down1(self.first_layer(x))))
        for block in self.BottleNeck:
            h = block(h, identity)
        return cast(Tensor, h)

    def decode(self, bottleneck: Tensor) -> Tensor:
        """Image in [0, 1] from the bottleneck."""
        return cast(Tensor, (self.last_layer(self.up1(self.up2(self.up3(bottleneck)))) + 1) / 2)

    def forward(self, x: Tensor, identity: Tensor) -> Tensor:
        return self.decode(self.swap(x, identity))
