"""Losses of adversarial training."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def logistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Logistic loss of a discriminator (Goodfellow et al., 2014)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def logistic_generator(fake: Tensor) -> Tensor:
    """Non-saturating logistic loss of a generator (Goodfellow et al., 2014)."""
    return F.softplus(-fake).mean()


def r1_penalty(discriminator: Callable[[Tensor], tuple[Tensor, object]], real: Tensor) -> Tensor:
    """R1 (Mescheder et al., ICML 2018): half the mean squared norm of the gradient of realness at real images.

    The discriminator's first result is realness, ``[B, 1, s, s]``.
    """
    x = real.detach().requires_grad_(True)
    realness, _ = discriminator(x)
    (gradient,) = torch.autograd.grad(realness.mean(dim=(1, 2, 3)).sum(), x, create_graph=True)
    return 0.5 * gradient.square().sum(dim=(1, 2, 3)).mean()


def attribute_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross entropy, mean over batch and attributes; ``labels`` in {0, 1}."""
    return F.binary_cross_entropy_with_logits(logits.float(), labels)


def feature_distance(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference of a discriminator's features over the mean size of ``wanted``, mean over the layers."""
    pairs = zip(found, wanted, strict=True)
    return torch.stack([F.l1_loss(a.float(), b.float()) / b.float().abs().mean() for a, b in pairs]).mean()
