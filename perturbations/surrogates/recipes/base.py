"""What all recipes share: one discriminator step and one generator step, both from one forward of the generator."""

from __future__ import annotations

import abc
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from perturbations.precision import autocast
from perturbations.surrogates.faces import Batch
from perturbations.surrogates.losses import (
    attribute_loss,
    logistic_discriminator,
    logistic_generator,
    r1_penalty,
)
from perturbations.surrogates.networks import Average, Discriminator
from perturbations.targets.base import Target

EDITS: dict[str, tuple[float, float]] = {
    # man, old
    "young_woman": (0.0, 0.0),
    "old_woman": (0.0, 1.0),
    "young_man": (1.0, 0.0),
    "old_man": (1.0, 1.0),
}
"""The edits of our surrogates: a full label vector each, so that nothing is left free."""


class Translation(NamedTuple):
    """fake: ``[B, 3, S, S]``, the edit; kept: what the recipe needs again for its own loss."""

    fake: Tensor
    kept: Any


class Recipe(abc.ABC):
    """Adversarial training of one target: logistic losses, attribute classification, lazy R1, averaged weights.

    Subclasses build the target and add their architecture's own loss (cycle, reconstruction).
    """

    batch_size: ClassVar[int] = 16
    lr: ClassVar[float] = 2e-4
    betas: ClassVar[tuple[float, float]] = (0.5, 0.99)
    attribute_weight: ClassVar[float] = 1.0
    r1_weight: ClassVar[float] = 1.0
    r1_every: ClassVar[int] = 16
    average_decay: ClassVar[float] = 0.995
    discriminator_noise: ClassVar[float] = 0.0
    """Standard deviation of Gaussian noise on all the discriminator sees: an edit nobody can see must not satisfy it."""

    def __init__(self, *, image_size: int, width: int, seed: int, device: torch.device) -> None:
        torch.manual_seed(seed)
        self.device = device
        self.target = self.build(image_size=image_size, width=width).to(device)
        self.generator = self.target.generator.train().requires_grad_(True)
        self.generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.discriminator = Discriminator(image_size=image_size).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = Average(self.generator, decay=self.average_decay)
        self.optimizer_g = self._adam(self.generator)
        self.optimizer_d = self._adam(self.discriminator)

    def _adam(self, module: nn.Module) -> torch.optim.Adam:
        return torch.optim.Adam(module.parameters(), lr=self.lr, betas=self.betas)

    @classmethod
    @abc.abstractmethod
    def build(cls, *, image_size: int, width: int) -> Target:
        """The compact target."""

    @abc.abstractmethod
    def translate(self, x: Tensor, source: Tensor, wanted: Tensor) -> Translation:
        """The edit of ``x`` from labels ``source`` to ``wanted`` (both ``[B, n_attrs]`` in {0, 1})."""

    @abc.abstractmethod
    def own_loss(self, x: Tensor, source: Tensor, translation: Translation) -> dict[str, Tensor]:
        """The architecture's own terms, already weighted."""

    def step(self, batch: Batch, *, step: int, seed: int) -> dict[str, float]:
        """One update of both networks; returns the losses."""
        x = batch.x.to(self.device).contiguous(memory_format=torch.channels_last)
        source = batch.labels.to(self.device)
        rng = torch.Generator().manual_seed(seed * 7_919 + step)
        wanted = source[torch.randperm(len(source), generator=rng).to(self.device)]
        with autocast(self.device):
            translation = self.translate(x, source, wanted)
        losses = self._discriminator_step(x, source, translation.fake.detach(), step=step, seed=seed)
        with autocast(self.device):
            realness, logits = self.discriminator(self._noisy(translation.fake, seed=seed, step=3 * step))
            terms = {
                "g_adversarial": logistic_generator(realness.float()),
                "g_attributes": self.attribute_weight * attribute_loss(logits, wanted),
                **self.own_loss(x, source, translation),
            }
            total = torch.stack(list(terms.values())).sum()
        self.optimizer_g.zero_grad(set_to_none=True)
        total.backward()
        self.optimizer_g.step()
        self.average.update(self.generator)
        return losses | {name: float(value.detach()) for name, value in terms.items()}

    def _noisy(self, x: Tensor, *, seed: int, step: int) -> Tensor:
        if self.discriminator_noise == 0.0:
            return x
        rng = torch.Generator().manual_seed(seed * 15_485_863 + step)
        return x + self.discriminator_noise * torch.randn(x.shape, generator=rng).to(x)

    def _discriminator_step(
        self, x: Tensor, source: Tensor, fake: Tensor, *, step: int, seed: int
    ) -> dict[str, float]:
        self.discriminator.requires_grad_(True)
        with autocast(self.device):
            real_realness, logits = self.discriminator(self._noisy(x, seed=seed, step=3 * step + 1))
            fake_realness, _ = self.discriminator(self._noisy(fake, seed=seed, step=3 * step + 2))
            adversarial = logistic_discriminator(real_realness.float(), fake_realness.float())
            attributes = attribute_loss(logits, source)
        loss = adversarial + attributes
        if step % self.r1_every == 0:
            loss = loss + self.r1_weight * self.r1_every * r1_penalty(self.discriminator, x)
        self.optimizer_d.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer_d.step()
        self.discriminator.requires_grad_(False)
        return {"d_adversarial": float(adversarial.detach()), "d_attributes": float(attributes.detach())}

    def averaged_target(self) -> Target:
        """A frozen copy of the target with the averaged weights."""
        target = type(self.target).from_config(self.target.config).to(self.device)
        target.load_generator(self.average.state)
        return target

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
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        self.average.state = {name: tensor.to(self.device) for name, tensor in state["average"].items()}
        self.optimizer_g.load_state_dict(state["optimizer_g"])
        self.optimizer_d.load_state_dict(state["optimizer_d"])
