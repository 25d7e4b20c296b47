"""What happens to a photo between protection and attack. One transform is drawn per target and step.

Most transforms leave the photo what it was, so their result is compared with the clean output of the untransformed
image. Geometric ones move pixels and ``grey`` takes the colour away, so theirs is compared with the clean output of the
transformed image.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from perturbations.errors import UnknownName
from perturbations.images import compressed, resize, to_tensor, to_uint8
from perturbations.training.soft_jpeg import soft_jpeg

SIDES: Final = (96, 512)
"""Pixels that a face in a photo has, the least and the most."""
CROP_SIZE: Final = 0.08
"""Standard deviation of the logarithm of a crop's side; ``calibrate_crop`` measures .065 between Poise's and chips."""
CROP_PLACE: Final = 0.025
"""Standard deviation of a crop's place, in sides, across and down."""


def _gaussian(sigma: float) -> tuple[float, ...]:
    values = [math.exp(-0.5 * (i / sigma) ** 2) for i in range(-4, 5)]
    return tuple(value / sum(values) for value in values)


_KERNELS: Final = (*(_gaussian(sigma) for sigma in (0.5, 1.0, 1.5)), (1 / 3,) * 3)


@dataclass(frozen=True, slots=True)
class Transform:
    """``apply(x [B, 3, S, S] in [-1, 1], rng)`` gives a square of any size in that range; differentiable in ``x``.

    geometric: the clean output is that of the transformed image. whole: all detail of the photo is still there.
    """

    name: str
    geometric: bool
    whole: bool
    apply: Callable[[Tensor, torch.Generator], Tensor]


def identity(x: Tensor, rng: torch.Generator) -> Tensor:
    """Nothing."""
    del rng
    return x


def sized(x: Tensor, rng: torch.Generator) -> Tensor:
    """At the size a face has in a photo, from 96 to 512 pixels a side (uniform in its logarithm), in whole steps."""
    low, high = SIDES
    side = round(low * (high / low) ** float(torch.rand((), generator=rng)))
    return _through(resize(x, side), to_tensor(to_uint8(resize(x.detach(), side))))


def jpeg(x: Tensor, rng: torch.Generator) -> Tensor:
    """A real JPEG of such a face, quality 50 to 95, chroma halved or not, with the gradient of :func:`soft_jpeg`."""
    y = sized(x, rng)
    quality, halved = _quality(rng), bool(torch.rand((), generator=rng) < 0.5)
    options = {"subsampling": "4:2:0" if halved else "4:4:4"}
    decoded = np.stack([compressed(image, "JPEG", quality, **options) for image in to_uint8(y)])
    return _through(soft_jpeg(y, quality=quality, halved=halved), to_tensor(decoded))


def webp(x: Tensor, rng: torch.Generator) -> Tensor:
    """A real WebP of such a face, quality 50 to 95, with the gradient of a JPEG of that quality."""
    y = sized(x, rng)
    quality = _quality(rng)
    decoded = np.stack([compressed(image, "WEBP", quality) for image in to_uint8(y)])
    return _through(soft_jpeg(y, quality=quality, halved=True), to_tensor(decoded))


def blur(x: Tensor, rng: torch.Generator) -> Tensor:
    """Such a face, blurred by a Gaussian of half a pixel to a pixel and a half, or by a box of three."""
    y = sized(x, rng)
    kind = int(torch.randint(len(_KERNELS), (), generator=rng))
    kernel = torch.tensor(_KERNELS[kind], device=x.device)
    half = len(kernel) // 2
    padded = F.pad(y, (half,) * 4, mode="replicate")
    weights = torch.outer(kernel, kernel).expand(3, 1, -1, -1)
    return F.conv2d(padded, weights, groups=3)


def turn(x: Tensor, rng: torch.Generator) -> Tensor:
    """Turned by up to 10 degrees, borders replicated."""
    angle = math.radians(10.0) * (2.0 * float(torch.rand((), generator=rng)) - 1.0)
    cos, sin = math.cos(angle), math.sin(angle)
    matrix = torch.tensor([[cos, -sin, 0.0], [sin, cos, 0.0]], device=x.device).expand(len(x), -1, -1)
    grid = F.affine_grid(matrix, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def noise(x: Tensor, rng: torch.Generator) -> Tensor:
    """Gaussian noise with a standard deviation up to 0.03."""
    sigma = 0.03 * float(torch.rand((), generator=rng))
    return (x + sigma * torch.randn(x.shape, generator=rng).to(x)).clamp(-1.0, 1.0)


def grey(x: Tensor, rng: torch.Generator) -> Tensor:
    """Without colour, as a grey photo and what is added to it."""
    del rng
    return x.mean(dim=1, keepdim=True).expand_as(x)


def shift(x: Tensor, rng: torch.Generator) -> Tensor:
    """Another crop: moved and scaled by up to 6 % of the side, borders replicated."""
    side = x.shape[-1]
    reach = max(1, round(0.06 * side))
    left, right, top, bottom = (int(v) for v in torch.randint(-reach, reach + 1, (4,), generator=rng))
    return _window(x, -left, -top, side + right, side + bottom)


def crop(x: Tensor, rng: torch.Generator) -> Tensor:
    """The crops of other detectors, each normally distributed in the logarithm of its side and in its place."""
    side = x.shape[-1]
    cut: list[Tensor] = []
    for size, down, across in torch.randn((len(x), 3), generator=rng).clamp(-2.0, 2.0).tolist():
        other = max(1, round(side * math.exp(CROP_SIZE * size)))
        top, left = (round((side - other) / 2 + CROP_PLACE * side * moved) for moved in (down, across))
        cut.append(_window(x[len(cut)][None], left, top, left + other, top + other))
    return torch.cat(cut)


TRANSFORMS: Final = {
    t.name: t
    for t in (
        Transform("none", False, True, identity),
        Transform("jpeg", False, False, jpeg),
        Transform("noise", False, False, noise),
        Transform("size", False, False, sized),
        Transform("webp", False, False, webp),
        Transform("blur", False, False, blur),
        Transform("shift", True, True, shift),
        Transform("crop", True, True, crop),
        Transform("turn", True, True, turn),
        Transform("grey", True, False, grey),
    )
}


def transform(name: str) -> Transform:
    """A transform by name. Names joined by ``+`` are applied in that order, as ``crop+jpeg``.

    Raises:
        UnknownName: nothing of that name exists.
    """
    for part in name.split("+"):
        if part not in TRANSFORMS:
            raise UnknownName("transform", part, TRANSFORMS)
    parts = [TRANSFORMS[part] for part in name.split("+")]

    def one_by_one(x: Tensor, rng: torch.Generator) -> Tensor:
        for part in parts:
            x = part.apply(x, rng)
        return x

    geometric, whole = any(part.geometric for part in parts), all(part.whole for part in parts)
    return Transform(name, geometric, whole, one_by_one)


def _window(x: Tensor, left: int, top: int, right: int, bottom: int) -> Tensor:
    """A part of ``x``, which may reach outside it, at the size of ``x``; borders replicated."""
    height, width = x.shape[-2:]
    before, above, after, below = max(-left, 0), max(-top, 0), max(right - width, 0), max(bottom - height, 0)
    padded = F.pad(x, (before, after, above, below), mode="replicate")
    return resize(padded[..., top + above : bottom + above, left + before : right + before], (height, width))


def _quality(rng: torch.Generator) -> int:
    return int(torch.randint(50, 96, (), generator=rng))


def _through(soft: Tensor, real: Tensor) -> Tensor:
    """The values of ``real``, with the gradient of ``soft``."""
    return soft + (real.to(soft) - soft).detach()
