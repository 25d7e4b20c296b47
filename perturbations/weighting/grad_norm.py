"""Static normalisation: every gradient is scaled to length one, then averaged. The balance AEF argues against."""

from __future__ import annotations

from torch import Tensor

from perturbations.weighting.base import Signals, Weighting


class GradNorm(Weighting):
    """``w_k = 1 / (K * ||g_k||)``; a target whose gradient vanishes gets the weight of a gradient of length ``eps``.

    Raises:
        ValueError: the signals carry no Gram matrix.
    """

    needs_gram = True

    def __init__(self, targets: int, *, eps: float = 1e-12) -> None:
        super().__init__(targets)
        self.eps = eps

    def __call__(self, signals: Signals) -> Tensor:
        if signals.gram is None:
            raise ValueError("grad_norm needs the Gram matrix of the gradients")
        norms = signals.gram.diagonal().clamp_min(0.0).sqrt()
        return 1.0 / (self.targets * norms.clamp_min(self.eps))
