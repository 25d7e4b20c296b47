"""What the encoder and the decoder of ``AutoencoderKL`` are built of, under the names of the official files."""

from __future__ import annotations

from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-6


class ResnetBlock(nn.Module):
    """``x + C(silu(N(C(silu(N(x))))))``; a 1x1 convolution on the way past if the width changes."""

    def __init__(self, inputs: int, outputs: int, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, inputs, eps=EPSILON)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, outputs, eps=EPSILON)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        past = x if self.conv_shortcut is None else cast(Tensor, self.conv_shortcut(x))
        return past + cast(Tensor, h)


class SelfAttention(nn.Module):
    """Adds to every position what it sees at all others, with one head."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.group_norm = nn.GroupNorm(groups, channels, eps=EPSILON)
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(channels, channels)
        self.to_v = nn.Linear(channels, channels)
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def forward(self, x: Tensor) -> Tensor:
        seen = self.group_norm(x).flatten(2).transpose(1, 2)  # [B, H*W, C]
        found = F.scaled_dot_product_attention(*(m(seen)[:, None] for m in (self.to_q, self.to_k, self.to_v)))
        return x + cast(Tensor, self.to_out[0](found[:, 0])).transpose(1, 2).reshape(x.shape)


class MiddleBlock(nn.Module):
    """Two residual blocks, and attention between them unless ``attention`` is false."""

    def __init__(self, channels: int, groups: int, *, attention: bool) -> None:
        super().__init__()
        first = ResnetBlock(channels, channels, groups)
        self.attentions = nn.ModuleList([SelfAttention(channels, groups)] if attention else [])
        self.resnets = nn.ModuleList([first, ResnetBlock(channels, channels, groups)])

    def forward(self, x: Tensor) -> Tensor:
        x = self.resnets[0](x)
        for attention in self.attentions:
            x = attention(x)
        return cast(Tensor, self.resnets[1](x))


class Halved(nn.Module):
    """Half the resolution: a strided convolution that pads below and to the right only."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.conv(F.pad(x, (0, 1, 0, 1))))


class Doubled(nn.Module):
    """Twice the resolution: every pixel repeated, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest")))


class DownBlock(nn.Module):
    """Residual blocks, then half the resolution, unless it is the last."""

    def __init__(self, inputs: int, outputs: int, layers: int, groups: int, *, last: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(ResnetBlock(outputs if i else inputs, outputs, groups) for i in range(layers))
        self.downsamplers = nn.ModuleList([] if last else [Halved(outputs)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in (*self.resnets, *self.downsamplers):
            x = layer(x)
        return x


class UpBlock(nn.Module):
    """Residual blocks, then twice the resolution, unless it is the last."""

    def __init__(self, inputs: int, outputs: int, layers: int, groups: int, *, last: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(ResnetBlock(outputs if i else inputs, outputs, groups) for i in range(layers))
        self.upsamplers = nn.ModuleList([] if last else [Doubled(outputs)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in (*self.resnets, *self.upsamplers):
            x = layer(x)
        return x
