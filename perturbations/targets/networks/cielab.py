"""Between sRGB and CIE Lab (CIE 15:2004, white D65), differentiable everywhere that pictures lie.

Everything is in float32 whatever the surrounding precision: bfloat16 lacks the precision for a cube root's inverse.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

_TO_XYZ: Final = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
"""Of linear sRGB, with the primaries of ITU-R BT.709."""
_WHITE: Final = (0.950456, 1.0, 1.088754)
"""D65, as the sum of the three primaries, so that grey has no chroma."""
_KNEE: Final = 6 / 29
"""Below its cube the cube root is a line."""


def lab_of(rgb: Tensor) -> Tensor:
    """``[B, 3, H, W]`` of sRGB in [0, 1] to L in [0, 100], a and b."""
    linear = _linear(rgb.float())
    x, y, z = (_root(channel / white) for channel, white in zip(_mixed(linear, _TO_XYZ), _WHITE, strict=True))
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def rgb_of(lab: Tensor) -> Tensor:
    """``[B, 3, H, W]`` of Lab to sRGB; values outside [0, 1] are not sRGB colours and are left unchanged."""
    lightness, a, b = lab.float().unbind(dim=1)
    y = (lightness + 16) / 116
    xyz = [_cube(t) * white for t, white in zip((y + a / 500, y, y - b / 200), _WHITE, strict=True)]
    inverse = torch.linalg.inv(torch.tensor(_TO_XYZ, dtype=torch.float64)).tolist()
    return _encoded(torch.stack(_mixed(torch.stack(xyz, dim=1), inverse), dim=1))


def _mixed(x: Tensor, matrix: tuple[tuple[float, ...], ...] | list[list[float]]) -> list[Tensor]:
    """The rows of ``matrix`` times the channels; by hand, since autocast would do a product in half precision."""
    first, second, third = x.unbind(dim=1)
    return [r * first + g * second + b * third for r, g, b in matrix]


def _linear(rgb: Tensor) -> Tensor:
    curved = ((rgb.clamp_min(0.04) + 0.055) / 1.055) ** 2.4
    return torch.where(rgb > 0.04045, curved, rgb / 12.92)


def _encoded(linear: Tensor) -> Tensor:
    curved = 1.055 * linear.clamp_min(0.003) ** (1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, curved, linear * 12.92)


def _root(t: Tensor) -> Tensor:
    line = t / (3 * _KNEE**2) + 4 / 29
    return torch.where(t > _KNEE**3, t.clamp_min(_KNEE**3 / 2) ** (1 / 3), line)


def _cube(t: Tensor) -> Tensor:
    return torch.where(t > _KNEE, t**3, 3 * _KNEE**2 * (t - 4 / 29))
