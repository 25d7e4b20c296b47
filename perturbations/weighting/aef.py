"""The Adaptive Equilibrium Framework (Zheng, Wang and Guo, arXiv 2605.00443), as implemented here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from perturbations.weighting.base import Signals, Weighting


class Aef(Weighting):
    """``E ← beta * E + (1 - beta) * ℓ`` and ``w = softmax(E / T)``: the targets that resist most get the most weight.

    A step uses the weights of the step before, so the first one is uniform. ``floor`` is the share of the weight that
    is spread evenly, whatever the losses say: without it one target that cannot be moved at all takes everything.

    Args:
        beta: decay of the moving average, in [0, 1).
        temperature: T, above 0; towards 0 the most resistant target takes all that the floor leaves.
        floor: in [0, 1]; every weight is at least ``floor / K``.

    Raises:
        ValueError: an argument is outside its range.
    """

    def __init__(self, targets: int, *, beta: float = 0.9, temperature: float = 0.1, floor: float = 0.1) -> None:
        super().__init__(targets)
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"beta must lie in [0, 1), got {beta}")
        if not temperature > 0.0:
            raise ValueError(f"temperature must be positive, got {temperature}")
        if not 0.0 <= floor <= 1.0:
            raise ValueError(f"floor must lie in [0, 1], got {floor}")
        self.beta = beta
        self.temperature = temperature
        self.floor = floor
        self.average = torch.zeros(targets)

    @property
    def weights(self) -> Tensor:
        """The weights the moving average stands for now, ``[K]``, summing to one."""
        softmax = torch.softmax(self.average / self.temperature, dim=0)
        return self.floor / self.targets + (1.0 - self.floor) * softmax

    def __call__(self, signals: Signals) -> Tensor:
        weights = self.weights
        self.average = self.beta * self.average + (1.0 - self.beta) * signals.losses.detach().float().cpu()
        return weights.to(signals.losses)

    def state_dict(self) -> dict[str, Any]:
        return {"average": self.average}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.average = state["average"].clone()
