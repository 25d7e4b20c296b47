"""Between faces of 32×32 pixels and their codes: a style-based decoder, and the encoder that teaches it."""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SMALL: Final = 32
"""Side of the faces the decoder draws."""
CODE: Final = 128
"""Length of a code; a face nobody has is drawn from a standard normal one."""
_SLOPE: Final = 0.2


class ModulatedConv(nn.Module):
    """3×3 convolution whose input channels are scaled by a style and whose output is brought back to unit variance.

    Weight demodulation of Karras et al. (CVPR 2020); scaling input and output instead of the weights is the same sum
    and leaves one convolution for the whole batch.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in, 3, 3) * (9 * n_in) ** -0.5)
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.style = nn.Linear(CODE, n_in)
        nn.init.ones_(self.style.bias)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """``[B, n_in, H, W]`` and ``[B, CODE]`` to ``[B, n_out, H, W]``."""
        scale = self.style(style).float()
        power = scale.square() @ self.weight.square().sum(dim=(2, 3)).T  # [B, n_out]
        y = F.conv2d(x * scale[:, :, None, None].to(x.dtype), self.weight, padding=1)
        y = y * (power + 1e-8).rsqrt()[:, :, None, None].to(y.dtype) + self.bias[:, None, None].to(y.dtype)
        return F.leaky_relu(y, _SLOPE) * 2**0.5


class _Level(nn.Module):
    """Two convolutions at one resolution, and what they add to the picture."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.first = ModulatedConv(n_in, n_out)
        self.second = ModulatedConv(n_out, n_out)
        self.picture = nn.Conv2d(n_out, 3, 1)

    def forward(self, h: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        h = self.second(self.first(h, style), style)
        return h, self.picture(h)


class Decoder(nn.Module):
    """Codes ``[B, CODE]`` to faces ``[B, 3, 32, 32]``, about in [-1, 1]; every resolution adds to the picture."""

    def __init__(self, *, width: int = 48) -> None:
        super().__init__()
        self.width = width
        widths = (4 * width, 4 * width, 2 * width, width)  # at 4, 8, 16 and 32 pixels
        self.style = nn.Sequential(nn.Linear(CODE, CODE), nn.LeakyReLU(_SLOPE), nn.Linear(CODE, CODE))
        self.start = nn.Linear(CODE, widths[0] * 16)
        self.levels = nn.ModuleList(
            _Level(n_in, n_out) for n_in, n_out in zip((widths[0], *widths), widths, strict=False)
        )

    def forward(self, code: Tensor) -> Tensor:
        style = self.style(code)
        h = self.start(code).unflatten(1, (-1, 4, 4)).contiguous(memory_format=torch.channels_last)
        h, picture = self.levels[0](h, style)
        for level in list(self.levels)[1:]:
            h, part = level(F.interpolate(h, scale_factor=2, mode="nearest"), style)
            picture = F.interpolate(picture, scale_factor=2, mode="bilinear", align_corners=False) + part
        face: Tensor = picture.float()
        return face


class Encoder(nn.Module):
    """Faces ``[B, 3, 32, 32]`` to mean and logarithm of the variance of their codes, both ``[B, CODE]``."""

    def __init__(self, *, width: int = 48) -> None:
        super().__init__()
        widths = (width, 2 * width, 4 * width)
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, 1, 1), nn.LeakyReLU(_SLOPE)]
        for n_in, n_out in zip((width, *widths), widths, strict=False):
            layers += [nn.Conv2d(n_in, n_out, 4, 2, 1), nn.LeakyReLU(_SLOPE)]
        self.main = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Linear(widths[-1] * 16, 2 * CODE)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.head(self.main(x)).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-10.0, 4.0)
