"""Equilibrium among the edits of one target: those that are interrupted least often weigh most."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from perturbations.effect import success_rate


class EditBalance:
    """``w_e = E * softmax(-ŝ_e / T)``, ``ŝ_e`` the bias-corrected moving average of an edit's success rate.

    What the weighting does among targets, within one. A universal δ that moves a generator far on average may do so in
    one of its edits and leave another whole; the saturation of the loss works face by face and hardly sees that. Where
    no edit is ever interrupted, or all are, all weigh one.

    Args:
        temperature: T, above 0; ``None``: all edits weigh one.
        beta: decay of the moving average, in [0, 1).

    Raises:
        ValueError: an argument is outside its range.
    """

    def __init__(self, edits: Sequence[str], *, temperature: float | None, beta: float = 0.95) -> None:
        if temperature is not None and not temperature > 0.0:
            raise ValueError(f"the temperature of edits must be positive, got {temperature}")
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"beta must lie in [0, 1), got {beta}")
        self.edits, self.temperature, self.beta = tuple(edits), temperature, beta
        self.average = torch.zeros(len(self.edits))
        self.seen = torch.zeros(len(self.edits))
        """How much of the average is data, by edit: ``1 - beta**n`` after n observations."""

    def weights(self) -> dict[str, float]:
        """The weight of each edit now; their mean is one."""
        if self.temperature is None:
            return dict.fromkeys(self.edits, 1.0)
        success = self.average / self.seen.clamp_min(1e-12)
        shares = torch.softmax(-success / self.temperature, dim=0)
        return dict(zip(self.edits, (len(self.edits) * shares).tolist(), strict=True))

    def observe(self, edit: str, effect: Tensor) -> None:
        """L2mask ``[B]`` of some faces under an edit; NaN, where nothing was manipulated, teaches nothing."""
        success = float(success_rate(effect))
        if math.isnan(success):
            return
        i = self.edits.index(edit)
        self.average[i] = self.beta * self.average[i] + (1.0 - self.beta) * success
        self.seen[i] = self.beta * self.seen[i] + (1.0 - self.beta)

    def state_dict(self) -> dict[str, Any]:
        return {"average": self.average, "seen": self.seen}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.average, self.seen = state["average"].clone(), state["seen"].clone()
