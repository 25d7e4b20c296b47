"""The generators that ship with Poise, loaded once in each process."""

from __future__ import annotations

import torch

from perturbations.checkpoints.shipped import load_surrogates
from perturbations.targets.interface import Target


class Surrogates:
    """Generators and their twins on one device, each loaded once."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._loaded: dict[bool, tuple[Target, ...]] = {}

    def shipped(self, *, twins: bool) -> tuple[Target, ...]:
        """The surrogates, or their twins."""
        if twins not in self._loaded:
            self._loaded[twins] = tuple(load_surrogates(twins=twins, device=self.device))
        return self._loaded[twins]
