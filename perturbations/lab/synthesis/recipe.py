"""What the trainings of the two networks share: a critic that sees altered pictures."""

from __future__ import annotations

import abc
from typing import ClassVar

import torch
from torch import Tensor

from perturbations.lab.randomness import Stream, stream
from perturbations.lab.surrogates.adversarial import Adversarial
from perturbations.lab.surrogates.faces import Batch
from perturbations.lab.surrogates.losses import logistic_discriminator, logistic_generator, r1_penalty
from perturbations.lab.synthesis.critic import altered


class DrawingRecipe(Adversarial, abc.ABC):
    """Adversarial training of a network that draws, at a size of its own."""

    image_size: ClassVar[int]
    lr: ClassVar[float] = 4e-4
    average_decay: ClassVar[float] = 0.998
    ramp: ClassVar[int]
    """Steps over which the critic is faded in."""

    @abc.abstractmethod
    def step(self, batch: Batch, *, step: int, seed: int) -> dict[str, float]:
        """One update of both networks; returns the losses. All random draws depend on (seed, step) alone."""

    def _rng(self, step: int, seed: int) -> torch.Generator:
        return stream(Stream.augmentation, seed, step)

    def _noise(self, *shape: int, rng: torch.Generator) -> Tensor:
        return torch.randn(shape, generator=rng).to(self.device)

    def _critic_step(self, real: Tensor, fake: Tensor, rng: torch.Generator, *, step: int) -> dict[str, float]:
        real, fake = altered(real, rng), altered(fake.detach(), rng)

        def judge() -> dict[str, Tensor]:
            (real_score, _), (fake_score, _) = self.discriminator(real), self.discriminator(fake)
            return {"d_adversarial": logistic_discriminator(real_score.float(), fake_score.float())}

        return self.update_discriminator(judge, lambda: r1_penalty(self.discriminator, real), step=step)

    def _adversarial(self, fake: Tensor, rng: torch.Generator, *, step: int) -> Tensor:
        """What the critic makes of ``fake``, for the generator; call it under autocast."""
        realness, _ = self.discriminator(altered(fake, rng))
        return min(1.0, step / self.ramp) * logistic_generator(realness.float())
