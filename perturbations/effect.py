"""The effect of a perturbation: L2mask, the usual measure of how far a generator's output was driven off.

Definition (CMUA-Watermark, Huang et al., AAAI 2022): only pixels that the manipulation changes count, so a generator
that repaints the hair is judged by the hair.
"""

from __future__ import annotations

import torch
from torch import Tensor

MASK_THRESHOLD = 0.5
"""A pixel is manipulated if the sum over RGB of ``|clean - reference|`` exceeds this (range [-1, 1])."""

SUCCESS_THRESHOLD = 0.05
"""A pair of image and edit is interrupted if its L2mask exceeds this."""

LEAST_UNIT = 1e-4
"""No effect is expressed as a part of an attainable one below this: such an attainable effect is chance."""


def success_rate(effects: Tensor) -> Tensor:
    """Share of pairs that are interrupted, a scalar, from their L2mask ``[N]``; NaN if nothing was manipulated."""
    seen = effects[~effects.isnan()]
    return (seen > SUCCESS_THRESHOLD).float().mean()


def manipulation_mask(reference: Tensor, clean: Tensor) -> Tensor:
    """Where the manipulation changes the picture: ``[B, 1, H, W]`` of bool, from two ``[B, 3, H, W]`` in [-1, 1]."""
    return (clean.float() - reference.float()).abs().sum(dim=1, keepdim=True) > MASK_THRESHOLD


def l2_mask(reference: Tensor, clean: Tensor, disrupted: Tensor) -> Tensor:
    """``Σ m·(disrupted − clean)² / (3·Σ m)`` per image, ``[B]``; NaN if nothing was manipulated.

    Args:
        reference: what the edit replaces, ``[B, 3, H, W]`` in [-1, 1] (:meth:`Target.mask_reference`).
        clean: the generator's output for the original.
        disrupted: the generator's output for the protected picture.
    """
    mask = manipulation_mask(reference, clean).float()
    squares = ((disrupted.float() - clean.float()).square() * mask).sum(dim=(1, 2, 3))
    count = mask.sum(dim=(1, 2, 3))
    return torch.where(count > 0, squares / (3.0 * count.clamp(min=1.0)), torch.full_like(squares, torch.nan))
