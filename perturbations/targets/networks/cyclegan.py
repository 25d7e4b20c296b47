"""CycleGAN's ResNet generator (Zhu et al., ICCV 2017), in the layout of the official ``*_net_G.pth``."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """``x + N(C(relu(N(C(x)))))`` at constant width, padded by reflection."""

    def __init__(self, channels: int, *, affine: bool) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels, affine=affine),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels, affine=affine),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + cast(Tensor, self.conv_block(x))


class ResNetGenerator(nn.Module):
    """The official network: ``forward(x [B, 3, H, W])`` gives ``[B, 3, H, W]``; H and W are multiples of 4."""

    def __init__(self, *, width: int, blocks: int, affine: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), *_normed(width, affine=affine)]
        for n_in in (width, 2 * width):
            layers += [nn.Conv2d(n_in, 2 * n_in, 3, 2, 1), *_normed(2 * n_in, affine=affine)]
        layers += [ResidualBlock(4 * width, affine=affine) for _ in range(blocks)]
        self.tap_index = len(layers)
        for n_in in (4 * width, 2 * width):
            layers += [nn.ConvTranspose2d(n_in, n_in // 2, 3, 2, 1, 1), *_normed(n_in // 2, affine=affine)]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def encode(self, x: Tensor) -> Tensor:
        """Output of the last residual block, ``[B, 4 * width, H / 4, W / 4]``."""
        return cast(Tensor, self.model[: self.tap_index](x))

    def decode(self, tap: Tensor) -> Tensor:
        """Image from the tap."""
        return cast(Tensor, self.model[self.tap_index :](tap))

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


def _normed(channels: int, *, affine: bool) -> list[nn.Module]:
    return [nn.InstanceNorm2d(channels, affine=affine), nn.ReLU(inplace=True)]
