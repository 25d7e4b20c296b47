"""The detector's network: fully convolutional, one output cell for every 8 × 8 pixels.

It knows faces of one octave only, :data:`SMALLEST` to :data:`LARGEST` pixels; a pyramid of reduced copies of the
picture brings every face into it. So all of its few weights work on one task, and a picture's smallest copies cost
next to nothing.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

STRIDE: Final = 8
"""Pixels between two cells."""
SMALLEST: Final = 15.0
"""Side of the smallest square to find, in pixels of the copy looked at."""
LARGEST: Final = 38.0
"""Side of the largest."""
WIDTHS: Final = (16, 32, 72)
"""Channels at 1/2, 1/4 and 1/8 of the picture's size."""
BLOCKS: Final = 6
OUTPUTS: Final = 4
"""Of a cell: the logit of a face, the shift of its centre to the right and down, and the logarithm of its side."""
SHIFT_UNIT: Final = 16.0
"""Shifts are in units of this many pixels."""
SIDE_UNIT: Final = 24.0
"""Sides are logarithms of their part of this many pixels."""


def _convolution(inputs: int, outputs: int, *, side: int = 3, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, side, stride, side // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]


class Block(nn.Module):
    """A depthwise and a pointwise convolution beside a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_convolution(channels, channels, groups=channels), nn.ReLU(), *_convolution(channels, channels, side=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, H, W]`` to the same."""
        return torch.relu(x + self.body(x))


class Detector(nn.Sequential):
    """``[B, 3, H, W]`` in [-1, 1], both sides multiples of 8, to ``[B, 4, H / 8, W / 8]``; see :data:`OUTPUTS`."""

    def __init__(self) -> None:
        first, second, third = WIDTHS
        head = nn.Conv2d(third, OUTPUTS, 1)
        super().__init__(
            *_convolution(3, first, stride=2),
            nn.ReLU(),
            *_convolution(first, second, stride=2),
            nn.ReLU(),
            Block(second),
            *_convolution(second, second, stride=2, groups=second),
            nn.ReLU(),
            *_convolution(second, third, side=1),
            nn.ReLU(),
            *(Block(third) for _ in range(BLOCKS)),
            head,
        )
        with torch.no_grad():
            head.weight.mul_(0.1)
            head.get_parameter("bias").copy_(torch.tensor([-4.0, 0.0, 0.0, 0.0]))  # a face is rare
