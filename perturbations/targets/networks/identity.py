"""The identity encoder of a face swap: maps a picture to the person in it, as a point on a sphere.

A compact residual network made for Poise. SimSwap uses ArcFace, whose official checkpoint is a pickled module and
cannot be loaded without running its code. Official generators therefore take fixed identities (see ``faceswap``).
"""

from __future__ import annotations

from typing import Final, cast

import torch.nn.functional as F
from torch import Tensor, nn

from perturbations.images import resize

INPUT_SIZE: Final = 64
"""What every picture is resized to first."""


class _Block(nn.Module):
    """Two normed convolutions beside a 1x1 shortcut; ``stride`` 2 halves the size."""

    def __init__(self, n_in: int, n_out: int, *, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.PReLU(n_out),
            nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(n_out),
        )
        self.stride = stride
        self.skip = nn.Sequential(nn.Conv2d(n_in, n_out, 1, bias=False), nn.BatchNorm2d(n_out))
        self.act = nn.PReLU(n_out)

    def forward(self, x: Tensor) -> Tensor:
        # thinned out first rather than by a stride: on some processors PyTorch 2.13's strided 1x1 convolutions of few
        # channels write outside their memory (channels last, AVX2)
        thinned = x[..., :: self.stride, :: self.stride]
        return cast(Tensor, self.act(self.body(x) + self.skip(thinned)))


class IdentityEncoder(nn.Module):
    """``forward(x [B, 3, H, W] in [-1, 1])`` gives identities ``[B, latent_size]`` of length 1.

    The cosine of two identities says how alike two faces are. Places of the last 8x8 map are weighted by a depthwise
    convolution rather than averaged, as in MobileFaceNet (Chen et al., 2018): in a face, place means something.
    """

    def __init__(self, *, width: int, latent_size: int) -> None:
        super().__init__()
        if min(width, latent_size) < 1:
            raise ValueError(f"an identity encoder needs channels, got width {width} and latent size {latent_size}")
        self.width, self.latent_size = width, latent_size
        self.main = nn.Sequential(
            nn.Conv2d(3, width, 3, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.PReLU(width),
            _Block(width, width * 2, stride=2),
            _Block(width * 2, width * 4, stride=2),
            _Block(width * 4, width * 8, stride=1),
            nn.Conv2d(width * 8, width * 8, INPUT_SIZE // 8, groups=width * 8, bias=False),
            nn.BatchNorm2d(width * 8),
            nn.Flatten(),
            nn.Linear(width * 8, latent_size),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(self.main(resize(x, INPUT_SIZE)).float(), dim=1)
