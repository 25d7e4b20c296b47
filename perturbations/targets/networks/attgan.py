"""AttGAN's network (He et al., TIP 2019), in the layout of ``G`` of the official ``weights.*.pth``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

MAX_WIDTH = 1024


class _EncoderLayer(nn.Module):
    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(n_in, n_out, 4, 2, 1, bias=False), nn.BatchNorm2d(n_out), nn.LeakyReLU(inplace=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.layers(x))


class _DecoderLayer(nn.Module):
    def __init__(self, n_in: int, n_out: int, *, last: bool) -> None:
        super().__init__()
        up = nn.ConvTranspose2d(n_in, n_out, 4, 2, 1, bias=last)
        self.layers = nn.Sequential(*([up, nn.Tanh()] if last else [up, nn.BatchNorm2d(n_out), nn.ReLU(inplace=True)]))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.layers(x))


class AttGANGenerator(nn.Module):
    """The official network: ``encode`` gives one feature map a layer, ``decode`` turns them and attributes to an image.

    H and W are multiples of ``2 ** enc_layers``.
    """

    def __init__(
        self,
        *,
        enc_dim: int = 64,
        enc_layers: int = 5,
        dec_dim: int = 64,
        dec_layers: int = 5,
        n_attrs: int = 13,
        shortcut_layers: int = 1,
        inject_layers: int = 0,
    ) -> None:
        super().__init__()
        self.shortcut_layers = min(shortcut_layers, dec_layers - 1)
        self.inject_layers = min(inject_layers, dec_layers - 1)
        widths = [min(enc_dim * 2**i, MAX_WIDTH) for i in range(enc_layers)]
        self.enc_layers = nn.ModuleList(_EncoderLayer(a, b) for a, b in zip([3, *widths], widths, strict=False))
        self.dec_layers = nn.ModuleList()
        n_in = widths[-1] + n_attrs
        for i in range(dec_layers):
            last = i == dec_layers - 1
            n_out = 3 if last else min(dec_dim * 2 ** (dec_layers - i - 1), MAX_WIDTH)
            self.dec_layers.append(_DecoderLayer(n_in, n_out, last=last))
            n_in = n_out
            n_in += widths[-2 - i] if self.shortcut_layers > i else 0
            n_in += n_attrs if self.inject_layers > i else 0

    def encode(self, x: Tensor) -> list[Tensor]:
        """The output of every encoder layer, shallow to deep; layer i is ``[B, W_i, H / 2**(i+1), W / 2**(i+1)]``."""
        maps = []
        for layer in self.enc_layers:
            x = layer(x)
            maps.append(x)
        return maps

    def decode(self, maps: Sequence[Tensor], attributes: Tensor) -> Tensor:
        """Image ``[B, 3, H, W]`` from encoder maps and attributes ``[B, n_attrs]``."""

        def planes(like: Tensor) -> Tensor:
            return attributes[:, :, None, None].expand(-1, -1, *like.shape[-2:]).to(like.dtype)

        z = torch.cat([maps[-1], planes(maps[-1])], dim=1)
        for i, layer in enumerate(self.dec_layers):
            z = layer(z)
            if self.shortcut_layers > i:
                z = torch.cat([z, maps[-2 - i]], dim=1)
            if self.inject_layers > i:
                z = torch.cat([z, planes(z)], dim=1)
        return z

    def forward(self, x: Tensor, attributes: Tensor) -> Tensor:
        return self.decode(self.encode(x), attributes)
