"""A network that is trained, and the average of its weights, which is what ships."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

import torch
from torch import Tensor, nn

AVERAGE: Final = 0.998
"""The part of the average that stays at every step."""
N = TypeVar("N", bound=nn.Module)


class Averaged(Generic[N]):
    """``network`` with its optimizer and its average, and how many steps it has learnt."""

    def __init__(self, network: N, *, rate: float) -> None:
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).eval()
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=rate, weight_decay=1e-4)
        self.step = 0

    def learn(self, loss: Callable[[N], Tensor], rate: float) -> float:
        """One step with that learning rate."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.network.train()
        far = loss(self.network)
        self.optimizer.zero_grad(set_to_none=True)
        far.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        share = max(1 - AVERAGE, 1 / (self.step + 2))
        with torch.no_grad():
            for mean, now in zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True):
                if mean.is_floating_point():
                    mean.lerp_(now, share)
        self.step += 1
        return float(far.detach())

    def save(self, path: Path) -> None:
        state = {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        part = path.with_suffix(".part")
        torch.save(state, part)
        part.replace(path)

    def resume(self, path: Path) -> None:
        """Go on from ``path``, if it exists."""
        if not path.exists():
            return
        state = torch.load(path, weights_only=True)
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
