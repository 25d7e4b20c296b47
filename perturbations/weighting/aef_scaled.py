"""Adaptive equilibrium on a common scale: effect in units of what is attainable, and gradients of length one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from perturbations.effect import LEAST_UNIT, SUCCESS_THRESHOLD
from perturbations.weighting.base import Signals, Weighting


class AefScaled(Weighting):
    """``w = floor / K + (1 - floor) * softmax(-Ê / T)``, of gradients of length one.

    ``Ê`` is the bias-corrected moving average of how far a target has been brought, from 0 to about 1. Of one that can
    be interrupted at this bound that is the share of the batch that is: what is interrupted needs no more, and a large
    effect on some faces does not make up for others. One whose attainable effect, that of a δ trained against it alone,
    stays below the success threshold is hopeless at this bound: it is brought as far as its effect, in parts of what is
    attainable, has come towards a modest goal, and takes no more than an equal share. Where nothing is known of what is
    attainable, the effect counts in units of the threshold. So neither a small scale of losses or gradients nor an
    architecture that cannot be moved far passes for resistance. A step uses the averages of the steps before.

    Args:
        beta: decay of the moving average, in [0, 1).
        temperature: T, above 0.
        modesty: the part of the attainable effect that is a hopeless target's goal, in (0, 1].
        floor: in [0, 1]; every share is at least ``floor / K``, so that no target takes everything.

    Raises:
        ValueError: an argument is outside its range, or the signals say what is attainable but not how often targets
            are interrupted.
    """

    unit_gradients: ClassVar[bool] = True

    def __init__(
        self,
        targets: int,
        *,
        beta: float = 0.95,
        temperature: float = 0.05,
        floor: float = 0.06,
        modesty: float = 0.54,
    ) -> None:
        super().__init__(targets)
        if not 0.0 <= beta < 1.0 or not 0.0 <= floor <= 1.0:
            raise ValueError(f"beta must lie in [0, 1) and floor in [0, 1], got {beta} and {floor}")
        if not (temperature > 0.0 and 0.0 < modesty <= 1.0):
            raise ValueError(f"temperature must be positive and modesty in (0, 1], got {temperature} and {modesty}")
        self.beta, self.temperature, self.floor, self.modesty = beta, temperature, floor, modesty
        self.average = torch.zeros(targets)
        self.seen = 0

    def shares(self, attainable: Tensor | None = None) -> Tensor:
        """The shares of the step's direction the averages stand for now, ``[K]``, summing to one."""
        softmax = torch.softmax(-self._corrected() / self.temperature, dim=0)
        shares = self.floor / self.targets + (1.0 - self.floor) * softmax
        return shares if attainable is None else self._capped(shares, attainable.detach().cpu() < SUCCESS_THRESHOLD)

    def _capped(self, shares: Tensor, hopeless: Tensor) -> Tensor:
        """What ``hopeless`` targets have beyond ``1 / K`` goes to the others in equal parts, if there are any."""
        if bool(hopeless.all()):
            return shares
        excess = (shares - 1.0 / self.targets).clamp_min(0.0) * hopeless
        return shares - excess + excess.sum() * (~hopeless).float() / (~hopeless).sum()

    def __call__(self, signals: Signals) -> Tensor:
        shares = self.shares(signals.attainable).to(signals.losses)
        brought = self._brought(signals)
        # nothing manipulated in the batch: nothing learnt about that target
        seen = torch.where(brought.isnan(), self._corrected(), brought)
        self.average = self.beta * self.average + (1.0 - self.beta) * seen
        self.seen += 1
        return shares

    def _brought(self, signals: Signals) -> Tensor:
        """How far each target has been brought in this batch, ``[K]``; NaN where nothing was manipulated."""
        effect = signals.effect.detach().float().cpu()
        if signals.attainable is None:
            return effect / SUCCESS_THRESHOLD
        if signals.success is None:
            raise ValueError("aef_scaled needs success rates where it is told what is attainable")
        attainable = signals.attainable.detach().float().cpu().clamp_min(LEAST_UNIT)
        towards_goal = effect / (self.modesty * attainable)
        return torch.where(attainable < SUCCESS_THRESHOLD, towards_goal, signals.success.detach().float().cpu())

    def _corrected(self) -> Tensor:
        return self.average / (1.0 - self.beta**self.seen) if self.seen else self.average

    def state_dict(self) -> dict[str, Any]:
        return {"average": self.average, "seen": self.seen}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.average = state["average"].clone()
        self.seen = int(state["seen"])
