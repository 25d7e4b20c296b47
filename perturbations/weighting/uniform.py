"""The mean: every target counts the same, as in CMUA-Watermark (Huang et al., AAAI 2022)."""

from __future__ import annotations

import torch
from torch import Tensor

from perturbations.weighting.base import Signals, Weighting


class Uniform(Weighting):
    """``w_k = 1 / K``, of gradients as they are."""

    def __call__(self, signals: Signals) -> Tensor:
        return torch.full_like(signals.losses, 1.0 / self.targets)
