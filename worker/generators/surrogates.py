"""The generators that ship with Poise, loaded once in each process."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from perturbations.checkpoints.shipped import load_surrogate, shipped_names
from perturbations.targets.interface import Target


class Surrogates:
    """Generators and their twins on one device, each loaded when it is first asked for."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._loaded: dict[tuple[str, bool], Target] = {}

    def shipped(self, *, twins: bool, only: Sequence[str] | None = None) -> tuple[Target, ...]:
        """The surrogates, or their twins, in the order reports use. only: names of those that are wanted."""
        return tuple(self._get(name, twins) for name in shipped_names() if only is None or name in only)

    def _get(self, name: str, twin: bool) -> Target:
        if (name, twin) not in self._loaded:
            self._loaded[name, twin] = load_surrogate(name, twin=twin, device=self.device)
        return self._loaded[name, twin]
