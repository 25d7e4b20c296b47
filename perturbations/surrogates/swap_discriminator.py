"""The discriminator of a face swap: real or swapped, and features that say what kind of picture it is."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn


class Judgement(NamedTuple):
    """realness: ``[B, 1, s, s]``; features: the outputs of the deeper layers, for weak feature matching."""

    realness: Tensor
    features: list[Tensor]


class SwapDiscriminator(nn.Module):
    """Strided convolutions down to 4x4 and a patch head; ``forward(x [B, 3, S, S])``."""

    def __init__(self, *, image_size: int, width: int = 32, max_width: int = 256, matched: int = 2) -> None:
        super().__init__()
        widths = [min(width * 2**i, max_width) for i in range(image_size.bit_length() - 3)]
        self.matched = matched
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(n_in, n_out, 4, 2, 1), nn.LeakyReLU(0.1))
            for n_in, n_out in zip([3, *widths], widths, strict=False)
        )
        self.realness = nn.Conv2d(widths[-1], 1, 3, 1, 1, bias=False)

    def forward(self, x: Tensor) -> Judgement:
        features = []
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        return Judgement(self.realness(x), features[-self.matched :])
