"""What recipes share: two networks, their optimisers and averages, and the step of label-conditioned architectures."""

from __future__ import annotations

import abc
from collections.abc import Mapping
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
"""The edits of label-conditioned surrogates: a full label vector each, so that nothing is left free."""

Asked = tuple[float | None, ...]
"""What every attribute should be after an edit, in {0, 1}; ``None`` where the face keeps its own."""


class Translation(NamedTuple):
    """fake: ``[B, 3, S, S]``, the edit; kept: what the recipe needs again for its own loss."""

    fake: Tensor
    kept: Any


class Recipe(abc.ABC):
    """Adversarial training of one target with logistic losses, lazy R1 and averaged weights."""

    asked: ClassVar[Mapping[str, Asked]] = EDITS
    """What each edit of the target asks for. Edits that ask for the same attributes cover all their combinations."""
    batch_size: ClassVar[int] = 16
    lr: ClassVar[float] = 2e-4
    betas: ClassVar[tuple[float, float]] = (0.5, 0.99)
    r1_weight: ClassVar[float] = 1.0
    r1_every: ClassVar[int] = 16
    anneal_from: ClassVar[float] = 0.5
    """Share of the steps after which the learning rate falls, linearly, to zero at the last one."""
    average_decay: ClassVar[float] = 0.995
    discriminator_noise: ClassVar[float] = 0.0
    """Standard deviation of Gaussian noise on all the discriminator sees: an invisible edit must not satisfy it."""
    input_noise: ClassVar[float] = 0.0
    """Largest standard deviation of Gaussian noise on what the generator is to edit: harmless noise must do no harm."""

    generator: nn.Module
    discriminator: nn.Module

    def __init__(self, *, image_size: int, width: int, seed: int, device: torch.device) -> None:
        torch.manual_seed(seed)
        self.device = device
        self.target = self.build(image_size=image_size, width=width).to(device)
        self.generator = self.target.generator.train().requires_grad_(True)
        self.generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        discriminator = self.build_discriminator(image_size=image_size)
        self.discriminator = discriminator.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
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
    def build_discriminator(self, *, image_size: int) -> nn.Module:
        """The network that tells real faces from edited ones."""

    @abc.abstractmethod
    def step(self, batch: Batch, *, step: int, seed: int) -> dict[str, float]:
        """One update of both networks; returns the losses. Whatever is drawn depends on (seed, step) alone."""

    def anneal(self, share_done: float) -> None:
        """Set the learning rates for a step that comes after ``share_done`` of all steps.

        A group of parameters may bring a ``rate``, its learning rate as a part of ``lr``.
        """
        left = min(1.0, (1.0 - share_done) / (1.0 - self.anneal_from))
        for optimizer in (self.optimizer_g, self.optimizer_d):
            for group in optimizer.param_groups:
                group["lr"] = self.lr * group.get("rate", 1.0) * left

    def _update_generator(self, terms: Mapping[str, Tensor]) -> dict[str, float]:
        """Descend the sum of the terms and return their values."""
        self.optimizer_g.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()
        self.optimizer_g.step()
        self.average.update(self.generator)
        return {name: float(value.detach()) for name, value in terms.items()}

    def _noisy(self, x: Tensor, *, seed: int, step: int) -> Tensor:
        if self.discriminator_noise == 0.0:
            return x
        rng = torch.Generator().manual_seed(seed * 15_485_863 + step)
        return x + self.discriminator_noise * torch.randn(x.shape, generator=rng).to(x)

    def _as_taken(self, x: Tensor, *, seed: int, step: int) -> Tensor:
        """``x [B, 3, S, S]`` as a camera may have taken it: every face with noise of its own strength."""
        if self.input_noise == 0.0:
            return x
        rng = torch.Generator().manual_seed(seed * 32_452_843 + step)
        strength = self.input_noise * torch.rand((len(x), 1, 1, 1), generator=rng)
        return (x + (strength * torch.randn(x.shape, generator=rng)).to(x)).clamp(-1.0, 1.0)

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


class LabelRecipe(Recipe):
    """A target that takes a full label vector: the discriminator also reads the attributes off, as in StarGAN.

    One forward of the generator serves both networks. Subclasses add their architecture's own loss (cycle,
    reconstruction).
    """

    attribute_weight: ClassVar[float] = 1.0

    def build_discriminator(self, *, image_size: int) -> nn.Module:
        return Discriminator(image_size=image_size)

    @abc.abstractmethod
    def translate(self, x: Tensor, source: Tensor, wanted: Tensor) -> Translation:
        """The edit of ``x`` from labels ``source`` to ``wanted`` (both ``[B, n_attrs]`` in {0, 1})."""

    @abc.abstractmethod
    def own_loss(self, x: Tensor, source: Tensor, translation: Translation) -> dict[str, Tensor]:
        """The architecture's own terms, already weighted."""

    def step(self, batch: Batch, *, step: int, seed: int) -> dict[str, float]:
        x = batch.x.to(self.device).contiguous(memory_format=torch.channels_last)
        source = batch.labels.to(self.device)
        rng = torch.Generator().manual_seed(seed * 7_919 + step)
        wanted = source[torch.randperm(len(source), generator=rng).to(self.device)]
        with autocast(self.device):
            translation = self.translate(self._as_taken(x, seed=seed, step=step), source, wanted)
        losses = self._discriminator_step(x, source, translation.fake.detach(), step=step, seed=seed)
        with autocast(self.device):
            realness, logits = self.discriminator(self._noisy(translation.fake, seed=seed, step=3 * step))
            terms = {
                "g_adversarial": logistic_generator(realness.float()),
                "g_attributes": self.attribute_weight * attribute_loss(logits, wanted),
                **self.own_loss(x, source, translation),
            }
        return losses | self._update_generator(terms)

    def _discriminator_step(self, x: Tensor, source: Tensor, fake: Tensor, *, step: int, seed: int) -> dict[str, float]:
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
