"""JPEG with a gradient: what survives the quantisation passes, what is rounded away hardly does.

Colours to luma and chroma, chroma halved if asked for, the cosine transform of 8×8 blocks, division by the quantisation
tables of ITU-T T.81, Annex K, scaled for a quality as libjpeg does, rounding, and all of it back. The rounding is
replaced by ``round(v) + (v - round(v))³`` (Shin and Song, "JPEG-resistant adversarial images", 2017), whose slope is
near zero where a coefficient is about to vanish.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK: Final = 8

LUMA: Final = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
"""Table K.1."""
CHROMA: Final = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
"""Table K.2."""
_TO_YCBCR: Final = (
    (0.299, 0.587, 0.114),
    (-0.168736, -0.331264, 0.5),
    (0.5, -0.418688, -0.081312),
)


def soft_jpeg(x: Tensor, *, quality: int, halved: bool = True) -> Tensor:
    """``x [B, 3, H, W]`` in [-1, 1] after a JPEG round trip; differentiable.

    quality: 1 to 100, on libjpeg's scale. halved: chroma at half the size (4:2:0), as libjpeg does it by default.
    """
    height, width = x.shape[-2:]
    padded = F.pad(x.float(), (0, -width % (2 * BLOCK), 0, -height % (2 * BLOCK)), mode="replicate") * 127.5
    forward = torch.tensor(_TO_YCBCR, device=x.device)
    ycbcr = torch.einsum("cd,bdhw->bchw", forward, padded)
    ycbcr = torch.cat((ycbcr[:, :1], ycbcr[:, 1:] - 0.5), dim=1)  # 127.5 and not 128 is the middle of [-1, 1]
    luma = _quantised(ycbcr[:, :1], _table(LUMA, quality).to(x.device))
    table = _table(CHROMA, quality).to(x.device)
    if halved:
        chroma = _quantised(F.avg_pool2d(ycbcr[:, 1:], 2), table)
        chroma = F.interpolate(chroma, scale_factor=2.0, mode="bilinear", align_corners=False) + 0.5
    else:
        chroma = _quantised(ycbcr[:, 1:], table) + 0.5
    back = torch.einsum("cd,bdhw->bchw", torch.linalg.inv(forward), torch.cat((luma, chroma), dim=1))
    return (back[..., :height, :width] / 127.5).clamp(-1.0, 1.0)


def _quantised(plane: Tensor, table: Tensor) -> Tensor:
    """``[B, C, H, W]``, sides multiples of eight, through the transform, the quantisation and back."""
    batch, channels, height, width = plane.shape
    blocks = plane.reshape(batch, channels, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    basis = _basis().to(plane)
    scaled = torch.einsum("ui,bcyixj,vj->bcyxuv", basis, blocks, basis) / table
    rounded = scaled.detach().round()
    soft = rounded + (scaled - rounded) ** 3
    back = torch.einsum("ui,bcyxuv,vj->bcyixj", basis, soft * table, basis)
    return back.reshape(batch, channels, height, width)


@cache
def _basis() -> Tensor:
    """The orthonormal cosine transform, ``[8, 8]``: frequency by position."""
    frequency = torch.arange(BLOCK, dtype=torch.float64)[:, None]
    position = torch.arange(BLOCK, dtype=torch.float64)[None, :]
    basis = torch.cos(math.pi * frequency * (2.0 * position + 1.0) / (2.0 * BLOCK)) * math.sqrt(2.0 / BLOCK)
    basis[0] /= math.sqrt(2.0)
    return basis.float()


@cache
def _table(base: tuple[tuple[int, ...], ...], quality: int) -> Tensor:
    """A quantisation table for a quality, ``[8, 8]``."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return ((torch.tensor(base) * scale + 50) // 100).clamp(1, 255).float()
