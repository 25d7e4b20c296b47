"""Adversarial training, shared by every recipe: a generator, a discriminator, and the generator's average."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from perturbations.lab.surrogates.networks import Average
from perturbations.precision import autocast


class Adversarial:
    """Two networks, their Adam optimisers, averaged weights, lazy R1 (Karras et al., CVPR 2020), exact resumption.

    Args:
        generator: everything that is trained, except the discriminator.
        kept: the part whose weights are averaged and used afterwards; all of it by default.
    """

    batch_size: int = 16
    lr: ClassVar[float] = 2e-4
    betas: ClassVar[tuple[float, float]] = (0.5, 0.99)
    r1_weight: ClassVar[float] = 1.0
    r1_every: ClassVar[int] = 16
    anneal_from: ClassVar[float] = 0.5
    """Share of the steps after which the learning rate falls, linearly, to zero at the last one."""
    average_decay: ClassVar[float] = 0.995

    rate: float = 1.0
    """What the learning rates are multiplied by throughout."""

    generator: nn.Module
    discriminator: nn.Module

    def __init__(
        self, *, generator: nn.Module, discriminator: nn.Module, device: torch.device, kept: nn.Module | None = None
    ) -> None:
        self.device = device
        self.generator = generator.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.discriminator = discriminator.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.discriminator.requires_grad_(False)
        self.kept = self.generator if kept is None else kept
        self.average = Average(self.kept, decay=self.average_decay)
        self.optimizer_g = torch.optim.Adam(self.parameter_groups(), lr=self.lr, betas=self.betas)
        self.optimizer_d = torch.optim.Adam(self.discriminator.parameters(), lr=self.lr, betas=self.betas)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The generator's parameters; a group may bring a ``rate``, its learning rate as a part of ``lr``."""
        return [{"params": list(self.generator.parameters())}]

    def anneal(self, share_done: float) -> None:
        """Set the learning rates for a step that comes after ``share_done`` of all steps."""
        left = self.rate * self.left(share_done)
        for optimizer in (self.optimizer_g, self.optimizer_d):
            for group in optimizer.param_groups:
                group["lr"] = self.lr * group.get("rate", 1.0) * left

    def left(self, share_done: float) -> float:
        """The part of the learning rate that is left for a step that comes after ``share_done`` of all steps."""
        return min(1.0, (1.0 - share_done) / (1.0 - self.anneal_from))

    def update_generator(self, terms: Mapping[str, Tensor]) -> dict[str, float]:
        """Descend the sum of the terms and return their values."""
        _descend(self.optimizer_g, terms)
        self.average.update(self.kept)
        return _values(terms)

    def update_discriminator(
        self,
        judge: Callable[[], Mapping[str, Tensor]],
        penalty: Callable[[], Tensor],
        *,
        step: int,
        rounds: int = 1,
    ) -> dict[str, float]:
        """Descend the sum of what ``judge`` gives and return its values.

        R1 joins in ``rounds`` successive steps of every ``r1_every``, weighted as if it did in all of them.
        """
        self.discriminator.requires_grad_(True)
        with autocast(self.device):
            terms = dict(judge())
        lazily = {}
        if step % self.r1_every < rounds:
            lazily["r1"] = self.r1_weight * self.r1_every / rounds * penalty()
        _descend(self.optimizer_d, terms | lazily)
        self.discriminator.requires_grad_(False)
        return _values(terms)

    def state_dict(self) -> dict[str, Any]:
        """Everything exact resumption needs."""
        return {
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "average": self.average.state,
            "optimizer_g": self.optimizer_g.state_dict(),
            "optimizer_d": self.optimizer_d.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what :meth:`state_dict` returned."""
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        self.average.state = {name: tensor.to(self.device) for name, tensor in state["average"].items()}
        self.optimizer_g.load_state_dict(state["optimizer_g"])
        self.optimizer_d.load_state_dict(state["optimizer_d"])


def _descend(optimizer: torch.optim.Optimizer, terms: Mapping[str, Tensor]) -> None:
    optimizer.zero_grad(set_to_none=True)
    torch.stack(list(terms.values())).sum().backward()
    optimizer.step()


def _values(terms: Mapping[str, Tensor]) -> dict[str, float]:
    return {name: float(value.detach()) for name, value in terms.items()}
