"""Adaptive equilibrium on a common scale: resistance in units of success, gradients of one length. Ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from perturbations.effect import SUCCESS_THRESHOLD
from perturbations.weighting.base import Signals, Weighting


class AefScaled(Weighting):
    """``w_k = p_k / ||g_k||`` with ``p = floor / K + (1 - floor) * softmax(-Ê / (T * 0.05))``.

    ``Ê`` is the bias-corrected moving average of the effect, capped at ``cap`` times the success threshold: a target
    that is beaten by a wide margin resists no less than one that is beaten by a wider one. Differences in the scale of
    losses or gradients between architectures cannot pass for resistance. A step uses the averages of the steps before.

    Args:
        beta: decay of the moving average, in [0, 1).
        temperature: T, in units of the success threshold.
        floor: in [0, 1]; every share is at least ``floor / K``, so that no target takes everything.
        cap: effect beyond which all targets count the same, in units of the success threshold.

    Raises:
        ValueError: an argument is outside its range, or the signals carry no Gram matrix.
    """

    needs_gram = True

    def __init__(
        self,
        targets: int,
        *,
        beta: float = 0.9,
        temperature: float = 1.0,
        floor: float = 0.5,
        cap: float = 4.0,
        eps: float = 1e-12,
    ) -> None:
        super().__init__(targets)
        if not 0.0 <= beta < 1.0 or not 0.0 <= floor <= 1.0:
            raise ValueError(f"beta must lie in [0, 1) and floor in [0, 1], got {beta} and {floor}")
        if not (temperature > 0.0 and cap > 0.0):
            raise ValueError(f"temperature and cap must be positive, got {temperature} and {cap}")
        self.beta, self.temperature, self.floor, self.cap, self.eps = beta, temperature, floor, cap, eps
        self.average = torch.zeros(targets)
        self.seen = 0

    @property
    def shares(self) -> Tensor:
        """The shares of the step's direction the averages stand for now, ``[K]``, summing to one."""
        corrected = self._current()
        relative = (corrected / SUCCESS_THRESHOLD).clamp(max=self.cap)
        softmax = torch.softmax(-relative / self.temperature, dim=0)
        return self.floor / self.targets + (1.0 - self.floor) * softmax

    def __call__(self, signals: Signals) -> Tensor:
        if signals.gram is None:
            raise ValueError("aef_scaled needs the Gram matrix of the gradients")
        shares = self.shares.to(signals.losses)
        # nothing manipulated in the batch: nothing learnt about that target
        effect = signals.effect.detach().float().cpu()
        self.average = self.beta * self.average + (1.0 - self.beta) * torch.where(
            effect.isnan(), self._current(), effect
        )
        self.seen += 1
        norms = signals.gram.diagonal().clamp_min(0.0).sqrt()
        return shares / norms.clamp_min(self.eps)

    def _current(self) -> Tensor:
        return self.average / (1.0 - self.beta**self.seen) if self.seen else self.average

    def reset(self) -> None:
        self.average = torch.zeros(self.targets)
        self.seen = 0

    def state_dict(self) -> dict[str, Any]:
        return {"average": self.average, "seen": self.seen}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.average = state["average"].clone()
        self.seen = int(state["seen"])
