"""Adaptive equilibrium on a common scale: effect in units of what is attainable, and gradients of length one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from perturbations.effect import LEAST_UNIT, SUCCESS_THRESHOLD
from perturbations.weighting.base import Signals, Weighting


class AefScaled(Weighting):
    """``w = floor * r + (1 - floor) * softmax(-Ê / T)``, of gradients of length one.

    ``r`` is the same for all targets that do not resist, and 0 for the others; if all resist, the same for all.

    ``Ê`` is the bias-corrected moving average of a target's progress, at least 0. If the target can be
    interrupted at this bound, its progress is the share of the batch that is interrupted: an interrupted face needs no
    more, and a large effect on some faces does not make up for others. A target resists this bound if its attainable
    effect, that of a δ trained against it alone, is below the success threshold. Its progress is its effect as a part
    of a modest goal, and it takes no more than an equal share. If nothing is known about attainable effects, the effect
    counts in units of the threshold. So neither a small scale of losses or gradients, nor an architecture that cannot
    be moved far, passes for resistance. A step uses the averages of the steps before it.

    Args:
        beta: decay of the moving average, in [0, 1).
        temperature: T, above 0.
        modesty: the goal of a target that resists, as a part of its attainable effect, in (0, 1]. It is low, because
            detail that interrupts no generator only makes δ more visible. If all targets resist, it is 1.
        floor: in [0, 1]; the part of a step that all targets share alike, or all that do not resist, if there are any.
            Where δ has a limit on its root mean square, it forgets what no step asks for: with a floor of .06, a target
            that was interrupted fell to a quarter of its effect within fifty steps; with .5 it kept all of it. A target
            that resists and has reached its goal gets next to nothing.

    Raises:
        ValueError: an argument is outside its range, or the signals have attainable effects but no success rates.
    """

    unit_gradients: ClassVar[bool] = True

    def __init__(
        self,
        targets: int,
        *,
        beta: float = 0.95,
        temperature: float = 0.05,
        floor: float = 0.5,
        modesty: float = 0.01,
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
        """The shares of the step that follow from the averages now, ``[K]``, summing to one."""
        softmax = torch.softmax(-self._corrected() / self.temperature, dim=0)
        resisting = torch.zeros(self.targets, dtype=torch.bool) if attainable is None else _resisting(attainable)
        if bool(resisting.all()):
            resisting = ~resisting  # nobody else is there to get more
        alike = (~resisting).float() / (~resisting).sum()
        return self._capped(self.floor * alike + (1.0 - self.floor) * softmax, resisting)

    def _capped(self, shares: Tensor, resisting: Tensor) -> Tensor:
        """Whatever ``resisting`` targets have above ``1 / K`` goes to the others in equal parts."""
        excess = (shares - 1.0 / self.targets).clamp_min(0.0) * resisting
        return shares - excess + excess.sum() * (~resisting).float() / (~resisting).sum()

    def __call__(self, signals: Signals) -> Tensor:
        shares = self.shares(signals.attainable).to(signals.losses)
        brought = self._brought(signals)
        # nothing manipulated in the batch: nothing learnt about that target
        seen = torch.where(brought.isnan(), self._corrected(), brought)
        self.average = self.beta * self.average + (1.0 - self.beta) * seen
        self.seen += 1
        return shares

    def _brought(self, signals: Signals) -> Tensor:
        """The progress of each target in this batch, ``[K]``; NaN if nothing was manipulated."""
        effect = signals.effect.detach().float().cpu()
        if signals.attainable is None:
            return effect / SUCCESS_THRESHOLD
        if signals.success is None:
            raise ValueError("aef_scaled needs success rates along with attainable effects")
        attainable = signals.attainable.detach().float().cpu().clamp_min(LEAST_UNIT)
        resisting = _resisting(attainable)
        modesty = 1.0 if bool(resisting.all()) else self.modesty
        return torch.where(resisting, effect / (modesty * attainable), signals.success.detach().float().cpu())

    def _corrected(self) -> Tensor:
        return self.average / (1.0 - self.beta**self.seen) if self.seen else self.average

    def state_dict(self) -> dict[str, Any]:
        return {"average": self.average, "seen": self.seen}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.average = state["average"].clone()
        self.seen = int(state["seen"])


def _resisting(attainable: Tensor) -> Tensor:
    """Which targets cannot be interrupted at this bound, ``[K]``, on the CPU."""
    return attainable.detach().cpu() < SUCCESS_THRESHOLD
