"""The discriminator of a face swap: real or swapped, and features that say what kind of picture it is."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from perturbations.lab.surrogates.networks import Judging, Trunk


class Judgement(NamedTuple):
    """realness: ``[B, 1, s, s]``; features: the outputs of the deeper layers, for weak feature matching."""

    realness: Tensor
    features: list[Tensor]


class SwapDiscriminator(Judging):
    """Strided convolutions down to 4x4 and a patch head; ``forward(x [B, 3, S, S])``."""

    def __init__(self, *, image_size: int, matched: int = 2) -> None:
        super().__init__()
        self.matched = matched
        self.main = Trunk(image_size=image_size)
        self.realness = nn.Conv2d(self.main.channels, 1, 3, 1, 1, bias=False)

    def forward(self, x: Tensor) -> Judgement:
        features = self.main.features(x)
        return Judgement(self.realness(features[-1]), features[-self.matched :])
