"""HiSD's network (Li et al., CVPR 2021), in the layout of ``gen_test`` of the official ``gen_*.pt``.

Its norms divide by the *unbiased* standard deviation plus 1e-5, and it ends without a tanh.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-5
SLOPE = 0.2


def standardize(x: Tensor) -> Tensor:
    """``[B, C, H, W]`` with mean 0 and unbiased standard deviation 1 over H and W (which hold 2 pixels or more)."""
    std, mean = torch.std_mean(x, dim=(2, 3), keepdim=True, correction=1)
    return (x - mean) / (std + EPS)


class _Norm(nn.Module):
    """Instance norm with learned scale and shift, stored as ``[1, C, 1]``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, channels, 1))
        self.bias = nn.Parameter(torch.zeros(1, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return standardize(x) * self.weight[..., None] + self.bias[..., None]


class _Residual(nn.Module):
    """What all blocks share: two activated convolutions beside a 1x1 shortcut, divided by the square root of 2."""

    def __init__(self, n_in: int, n_mid: int, n_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_mid, 3, 1, 1)
        self.conv2 = nn.Conv2d(n_mid, n_out, 3, 1, 1)
        self.sc = nn.Conv2d(n_in, n_out, 1, bias=False)


class _Down(_Residual):
    """Halves the size; ``normed`` in the encoder, plain in the extractor."""

    def __init__(self, n_in: int, n_out: int, *, normed: bool) -> None:
        super().__init__(n_in, n_in, n_out)
        self.in1 = _Norm(n_in) if normed else nn.Identity()
        self.in2 = _Norm(n_in) if normed else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = F.avg_pool2d(self.conv1(F.leaky_relu(self.in1(x), SLOPE)), 2)
        h = self.conv2(F.leaky_relu(self.in2(h), SLOPE))
        return cast(Tensor, h + F.avg_pool2d(self.sc(x), 2)) / math.sqrt(2)


class _Up(_Residual):
    """Doubles the size."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(n_in, n_out, n_out)
        self.in1 = _Norm(n_in)
        self.in2 = _Norm(n_out)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.interpolate(F.leaky_relu(self.in1(x), SLOPE), scale_factor=2.0))
        h = self.conv2(F.leaky_relu(self.in2(h), SLOPE))
        return cast(Tensor, h + F.interpolate(self.sc(x), scale_factor=2.0)) / math.sqrt(2)


class _Middle(_Residual):
    """Keeps the size; both norms are scaled and shifted by the style."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(n_in, n_out, n_out)
        # per norm: shift, then scale
        self.splits = [n_in, n_in, n_out, n_out]

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        shift1, scale1, shift2, scale2 = torch.split(style[:, :, None, None], self.splits, dim=1)
        h = self.conv1(F.leaky_relu(standardize(x) * (1 + scale1) + shift1, SLOPE))
        h = self.conv2(F.leaky_relu(standardize(h) * (1 + scale2) + shift2, SLOPE))
        return cast(Tensor, h + self.sc(x)) / math.sqrt(2)


class _Extractors(nn.Module):
    """The styles of an image, one per tag: ``[B, tags, style_dim]``."""

    def __init__(self, channels: Sequence[int], *, style_dim: int, tags: int) -> None:
        super().__init__()
        self.tags = tags
        self.model = nn.Sequential(
            nn.Conv2d(3, channels[0], 1),
            *(_Down(a, b, normed=False) for a, b in pairwise(channels)),
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels[-1], style_dim * tags, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.model(x)).reshape(x.shape[0], self.tags, -1)


class _Translator(nn.Module):
    """Moves a content code towards a style; a mask says where."""

    def __init__(self, channels: Sequence[int], *, content_dim: int, style_dim: int) -> None:
        super().__init__()
        blocks = [_Middle(a, b) for a, b in pairwise(channels)]
        self.splits = [sum(block.splits) for block in blocks]
        self.model = nn.ModuleList([nn.Conv2d(content_dim, channels[0], 1), *blocks])
        self.style_to_params = nn.Linear(style_dim, sum(self.splits))
        self.features = nn.Sequential(nn.Conv2d(channels[-1], content_dim, 1))
        self.masks = nn.Sequential(nn.Conv2d(channels[-1], content_dim, 1), nn.Sigmoid())

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        first, *blocks = self.model
        h = first(content)
        for block, share in zip(blocks, torch.split(self.style_to_params(style), self.splits, dim=1), strict=True):
            h = block(h, share)
        mask = self.masks(h)
        return cast(Tensor, self.features(h) * mask + content * (1 - mask))


class _Dense(nn.Module):
    """A linear layer behind an activation."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_in, n_out)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.linear(F.relu(x)))


class _Mapper(nn.Module):
    """Noise to the style of one attribute of a tag."""

    def __init__(
        self, pre: Sequence[int], post: Sequence[int], *, noise_dim: int, style_dim: int, attributes: int
    ) -> None:
        super().__init__()
        self.pre_model = nn.Sequential(nn.Linear(noise_dim, pre[0]), *(_Dense(a, b) for a, b in pairwise(pre)))
        self.post_models = nn.ModuleList(
            nn.Sequential(*(_Dense(a, b) for a, b in pairwise(post)), nn.Linear(post[-1], style_dim))
            for _ in range(attributes)
        )

    def forward(self, noise: Tensor, attribute: int) -> Tensor:
        return cast(Tensor, self.post_models[attribute](self.pre_model(noise)))


class HiSDGenerator(nn.Module):
    """The official network. ``attributes`` holds how many attributes each tag has; channel lists read in forward order.

    H and W are multiples of ``2 ** (len(encoder) - 1)``, and for :meth:`extract` of ``2 ** (len(extractors) - 1)``.
    """

    def __init__(
        self,
        *,
        attributes: Sequence[int],
        style_dim: int,
        noise_dim: int,
        encoder: Sequence[int],
        decoder: Sequence[int],
        extractors: Sequence[int],
        translators: Sequence[int],
        mappers_pre: Sequence[int],
        mappers_post: Sequence[int],
    ) -> None:
        super().__init__()
        lists = (attributes, encoder, decoder, extractors, translators, mappers_pre, mappers_post)
        if min(map(len, lists)) < 1 or min(map(min, lists)) < 1 or len(translators) < 2:
            raise ValueError("HiSD needs channels everywhere, a tag with attributes and a translating block")
        if encoder[-1] != decoder[0]:
            raise ValueError(f"the decoder takes {decoder[0]} channels, the encoder gives {encoder[-1]}")
        self.encoder = nn.Sequential(
            nn.Conv2d(3, encoder[0], 1), *(_Down(a, b, normed=True) for a, b in pairwise(encoder))
        )
        self.decoder = nn.Sequential(*(_Up(a, b) for a, b in pairwise(decoder)), nn.Conv2d(decoder[-1], 3, 1))
        self.extractors = _Extractors(extractors, style_dim=style_dim, tags=len(attributes))
        self.translators = nn.ModuleList(
            _Translator(translators, content_dim=encoder[-1], style_dim=style_dim) for _ in attributes
        )
        self.mappers = nn.ModuleList(
            _Mapper(mappers_pre, mappers_post, noise_dim=noise_dim, style_dim=style_dim, attributes=count)
            for count in attributes
        )

    def encode(self, x: Tensor) -> Tensor:
        """The content code, ``[B, encoder[-1], H / 2**k, W / 2**k]`` with ``k = len(encoder) - 1``."""
        return cast(Tensor, self.encoder(x))

    def extract(self, x: Tensor, tag: int) -> Tensor:
        """The style of an image for a tag, ``[B, style_dim]``."""
        return cast(Tensor, self.extractors(x))[:, tag]

    def map(self, noise: Tensor, tag: int, attribute: int) -> Tensor:
        """The style ``[B, style_dim]`` that noise ``[B, noise_dim]`` means for an attribute of a tag."""
        return cast(Tensor, self.mappers[tag](noise, attribute))

    def translate(self, content: Tensor, style: Tensor, tag: int) -> Tensor:
        """The content code moved towards a style."""
        return cast(Tensor, self.translators[tag](content, style))

    def decode(self, content: Tensor) -> Tensor:
        """Image ``[B, 3, H, W]``, not clipped to [-1, 1]."""
        return cast(Tensor, self.decoder(content))

    def forward(self, x: Tensor, style: Tensor, tag: int) -> Tensor:
        return self.decode(self.translate(self.encode(x), style, tag))
