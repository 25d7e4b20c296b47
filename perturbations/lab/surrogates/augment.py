"""Changes to a photo that leave the person the same."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

NOISE = 0.08
"""Largest standard deviation of the noise; random signs of the default bound have 0.05."""


def augment(x: Tensor, rng: torch.Generator, *, occlude: bool = False) -> Tensor:
    """``[B, 3, S, S]`` moved, mirrored, recoloured, blurred and noised, each picture in its own way; differentiable.

    Args:
        rng: a generator on the CPU; the result depends on it alone.
        occlude: also cover a square of up to 40 % of the width.
    """
    y = _recoloured(_moved(x, rng), rng)
    soft = F.interpolate(F.avg_pool2d(y, 2), size=x.shape[-2:], mode="bilinear", align_corners=False)
    y = torch.lerp(y, soft, _uniform(len(x), rng, 0.0, 1.0).round().mul(_uniform(len(x), rng, 0.0, 1.0)).to(y))
    noise = torch.randn(x.shape, generator=rng) * _uniform(len(x), rng, 0.0, NOISE)
    y = y + noise.to(y)
    return y * _holes(x, rng) if occlude else y


def _uniform(count: int, rng: torch.Generator, low: float, high: float) -> Tensor:
    """``[B, 1, 1, 1]``, one number per picture."""
    return low + (high - low) * torch.rand((count, 1, 1, 1), generator=rng)


def _moved(x: Tensor, rng: torch.Generator) -> Tensor:
    """Mirrored half the time, turned by up to 12 degrees, scaled by up to 15 %, shifted by up to 6 % of the width."""
    angle, zoom, right, down = (
        _uniform(len(x), rng, -1.0, 1.0).flatten() * most for most in (math.radians(12.0), 0.15, 0.12, 0.12)
    )
    mirror = torch.where(torch.rand(len(x), generator=rng) < 0.5, -1.0, 1.0)
    cos, sin = angle.cos() * (1 + zoom), angle.sin() * (1 + zoom)
    rows = [torch.stack([cos * mirror, -sin, right], dim=1), torch.stack([sin * mirror, cos, down], dim=1)]
    matrix = torch.stack(rows, dim=1).to(x)  # [B, 2, 3]
    grid = F.affine_grid(matrix, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _recoloured(x: Tensor, rng: torch.Generator) -> Tensor:
    """Contrast, white balance, brightness and saturation."""
    tint = 1.0 + 0.15 * (2.0 * torch.rand((len(x), 3, 1, 1), generator=rng) - 1.0)
    gain = (_uniform(len(x), rng, 0.75, 1.25) * tint).to(x)
    grey = x.mean(dim=1, keepdim=True).expand_as(x)
    return torch.lerp(x, grey, _uniform(len(x), rng, -0.3, 1.0).to(x)) * gain + _uniform(len(x), rng, -0.2, 0.2).to(x)


def _holes(x: Tensor, rng: torch.Generator) -> Tensor:
    """``[B, 1, S, S]``, 0 in a square of each picture and 1 elsewhere."""
    place = torch.linspace(0.0, 1.0, x.shape[-1])
    half = _uniform(len(x), rng, 0.0, 0.2)
    row, column = _uniform(len(x), rng, 0.1, 0.9), _uniform(len(x), rng, 0.1, 0.9)
    inside = ((place[:, None] - row).abs() < half) & ((place - column).abs() < half)
    return (~inside).to(x)
