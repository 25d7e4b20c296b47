"""What a photo goes through between protection and attack; one is drawn per target and step.

Photometric transforms keep every pixel in its place, so their result is compared with the clean output of the
untransformed image. Geometric ones move pixels: theirs is compared with the clean output of the transformed image.
"""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class Transform:
    """``apply(x [B, 3, H, W] in [-1, 1], rng)`` gives the same shape and range; differentiable in ``x``."""

    name: str
    geometric: bool
    apply: Callable[[Tensor, torch.Generator], Tensor]


def identity(x: Tensor, rng: torch.Generator) -> Tensor:
    """Nothing."""
    del rng
    return x


def jpeg(x: Tensor, rng: torch.Generator) -> Tensor:
    """A real JPEG round trip at a quality from 60 to 95, with the gradient of :func:`soft_jpeg`."""
    quality = int(torch.randint(60, 96, (), generator=rng))
    decoded = np.stack([compressed(image, "JPEG", quality) for image in to_uint8(x)])
    soft = soft_jpeg(x, quality=quality)
    return soft + (to_tensor(decoded).to(x) - soft).detach()


def noise(x: Tensor, rng: torch.Generator) -> Tensor:
    """Gaussian noise with a standard deviation up to 0.03."""
    sigma = 0.03 * float(torch.rand((), generator=rng))
    return (x + sigma * torch.randn(x.shape, generator=rng).to(x)).clamp(-1.0, 1.0)


def rescale(x: Tensor, rng: torch.Generator) -> Tensor:
    """Down to between a third and all of the size and back, as platforms do, and as small faces in photos are."""
    side = x.shape[-1]
    small = max(1, int(side * (1.0 + 2.0 * float(torch.rand((), generator=rng))) / 3.0))
    return resize(resize(x, small), side)


def shift(x: Tensor, rng: torch.Generator) -> Tensor:
    """Another crop: moved and scaled by up to 6 % of the side, borders replicated."""
    side = x.shape[-1]
    reach = max(1, round(0.06 * side))
    left, right, top, bottom = (int(v) for v in torch.randint(-reach, reach + 1, (4,), generator=rng))
    moved = F.pad(x, (max(left, 0), max(right, 0), max(top, 0), max(bottom, 0)), mode="replicate")
    height, width = moved.shape[-2:]
    moved = moved[..., max(-top, 0) : height - max(-bottom, 0), max(-left, 0) : width - max(-right, 0)]
    return resize(moved, side)


TRANSFORMS: Final = {
    t.name: t
    for t in (
        Transform("none", False, identity),
        Transform("jpeg", False, jpeg),
        Transform("noise", False, noise),
        Transform("rescale", False, rescale),
        Transform("shift", True, shift),
    )
}


def transform(name: str) -> Transform:
    """A transform by name.

    Raises:
        UnknownName: nothing of that name exists.
    """
    if name not in TRANSFORMS:
        raise UnknownName("transform", name, TRANSFORMS)
    return TRANSFORMS[name]
