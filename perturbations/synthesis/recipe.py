"""What the two networks' trainings share: a critic, optimisers, averaged weights, and the state that resumes them."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from perturbations.precision import autocast
from perturbations.surrogates.faces import Batch
from perturbations.surrogates.losses import logistic_discriminator, r1_penalty
from perturbations.surrogates.networks import Average
from perturbations.synthesis.critic import Critic, altered


class DrawingRecipe(abc.ABC):
    """Adversarial training of a network that draws, with logistic losses, lazy R1 and averaged weights.

    ``learner`` holds all that is trained but the critic; ``drawer`` is the part of it that is kept and averaged.
    """

    batch_size: ClassVar[int]
    image_size: ClassVar[int]
    lr: ClassVar[float] = 4e-4
    betas: ClassVar[tuple[float, float]] = (0.5, 0.99)
    r1_weight: ClassVar[float]
    r1_every: ClassVar[int] = 16
    anneal_from: ClassVar[float] = 0.5
    """Share of the steps after which the learning rate falls, linearly, to zero at the last one."""
    average_decay: ClassVar[float] = 0.998

    def __init__(self, *, learner: nn.Module, drawer: nn.Module, critic: Critic, device: torch.device) -> None:
        self.device = device
        self.learner = learner.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.drawer = drawer
        self.critic = critic.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = Average(drawer, decay=self.average_decay)
        self.optimizer_g = torch.optim.Adam(self.learner.parameters(), lr=self.lr, betas=self.betas)
        self.optimizer_d = torch.optim.Adam(self.critic.parameters(), lr=self.lr, betas=self.betas)

    @abc.abstractmethod
    def step(self, batch: Batch, *, step: int, seed: int) -> dict[str, float]:
        """One update of both networks; returns the losses. Whatever is drawn depends on (seed, step) alone."""

    def anneal(self, share_done: float) -> None:
        """Set the learning rate for a step that comes after ``share_done`` of all steps."""
        left = min(1.0, (1.0 - share_done) / (1.0 - self.anneal_from))
        for optimizer in (self.optimizer_g, self.optimizer_d):
            for group in optimizer.param_groups:
                group["lr"] = self.lr * left

    def _rng(self, step: int, seed: int) -> torch.Generator:
        return torch.Generator().manual_seed(seed * 15_485_863 + step)

    def _noise(self, *shape: int, rng: torch.Generator) -> Tensor:
        return torch.randn(shape, generator=rng).to(self.device)

    def _critic_step(self, real: Tensor, fake: Tensor, rng: torch.Generator, *, step: int) -> float:
        self.critic.requires_grad_(True)
        real, fake = altered(real, rng), altered(fake.detach(), rng)
        with autocast(self.device):
            (real_score, _), (fake_score, _) = self.critic(real), self.critic(fake)
        adversarial = logistic_discriminator(real_score.float(), fake_score.float())
        loss = adversarial
        if step % self.r1_every == 0:
            loss = loss + self.r1_weight * self.r1_every * r1_penalty(self.critic, real)
        self.optimizer_d.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer_d.step()
        self.critic.requires_grad_(False)
        return float(adversarial.detach())

    def _update(self, terms: Mapping[str, Tensor]) -> dict[str, float]:
        """Descend the sum of the terms and return their values."""
        self.optimizer_g.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()
        self.optimizer_g.step()
        self.average.update(self.drawer)
        return {name: float(value.detach()) for name, value in terms.items()}

    def state_dict(self) -> dict[str, Any]:
        """Everything exact resumption needs."""
        return {
            "learner": self.learner.state_dict(),
            "critic": self.critic.state_dict(),
            "average": self.average.state,
            "optimizer_g": self.optimizer_g.state_dict(),
            "optimizer_d": self.optimizer_d.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.learner.load_state_dict(state["learner"])
        self.critic.load_state_dict(state["critic"])
        self.average.state = {name: tensor.to(self.device) for name, tensor in state["average"].items()}
        self.optimizer_g.load_state_dict(state["optimizer_g"])
        self.optimizer_d.load_state_dict(state["optimizer_d"])
