"""Equilibrium within one target, among its edits or transforms: those interrupted least often get the most weight."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from perturbations.effect import success_rate


class Balance:
    """``w_e = E * softmax(-ŝ_e / T)``, ``ŝ_e`` the bias-corrected moving average of the success rate of one of E.

    Does within one target what the weighting does among targets. A universal δ that moves a generator far on average
    may do so in one edit and leave another intact; the saturation of the loss works face by face and hardly notices.
    If no edit is ever interrupted, or all are, all weights are one.

    Args:
        temperature: T, above 0; ``None``: all weigh one.
        beta: decay of the moving average, in [0, 1).

    Raises:
        ValueError: an argument is outside its range.
    """

    def __init__(self, names: Sequence[str], *, temperature: float | None, beta: float = 0.95) -> None:
        if temperature is not None and not temperature > 0.0:
            raise ValueError(f"a temperature must be positive, got {temperature}")
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"beta must lie in [0, 1), got {beta}")
        self.names, self.temperature, self.beta = tuple(names), temperature, beta
        self.average = torch.zeros(len(self.names))
        self.seen = torch.zeros(len(self.names))
        """Share of data in the average, by name: ``1 - beta**n`` after n observations."""

    def weights(self) -> dict[str, float]:
        """The weight of each now; their mean is one."""
        if self.temperature is None:
            return dict.fromkeys(self.names, 1.0)
        success = self.average / self.seen.clamp_min(1e-12)
        shares = torch.softmax(-success / self.temperature, dim=0)
        return dict(zip(self.names, (len(self.names) * shares).tolist(), strict=True))

    def observe(self, name: str, effect: Tensor) -> None:
        """L2mask ``[B]`` of some faces under ``name``; NaN, if nothing was manipulated, is ignored."""
        success = float(success_rate(effect))
        if math.isnan(success):
            return
        i = self.names.index(name)
        self.average[i] = self.beta * self.average[i] + (1.0 - self.beta) * success
        self.seen[i] = self.beta * self.seen[i] + (1.0 - self.beta)

    def state_dict(self) -> dict[str, Any]:
        return {"average": self.average, "seen": self.seen}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.average, self.seen = state["average"].clone(), state["seen"].clone()
