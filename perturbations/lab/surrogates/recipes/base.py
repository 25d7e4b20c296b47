"""What recipes share: two networks, their optimisers and averages, and the step of label-conditioned architectures."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor

from perturbations.errors import BadCheckpoint
from perturbations.lab.randomness import Stream, stream
from perturbations.lab.surrogates.adversarial import Adversarial
from perturbations.lab.surrogates.augment import augment
from perturbations.lab.surrogates.faces import Batch
from perturbations.lab.surrogates.losses import attribute_loss, logistic_discriminator, logistic_generator, r1_penalty
from perturbations.lab.surrogates.networks import Average, Discriminator, Judging
from perturbations.lab.surrogates.stages import LARGEST_BATCH, Place, Stage
from perturbations.precision import autocast
from perturbations.targets.interface import Target

EDITS: dict[str, tuple[float, float]] = {
    # man, old
    "young_woman": (0.0, 0.0),
    "old_woman": (0.0, 1.0),
    "young_man": (1.0, 0.0),
    "old_man": (1.0, 1.0),
}
"""The edits of label-conditioned surrogates: a full label vector each, so that nothing is left open."""


class Translation(NamedTuple):
    """fake: ``[B, 3, S, S]``, the edit; kept: data the recipe needs for its own loss."""

    fake: Tensor
    kept: Any


class Recipe(Adversarial, abc.ABC):
    """Adversarial training of one target with logistic losses, lazy R1 and averaged weights."""

    asked: ClassVar[Mapping[str, tuple[float, ...]]] = EDITS
    """What every attribute should be after each edit of the target, in {0, 1}: all combinations, once each."""
    discriminator_noise: ClassVar[float] = 0.0
    """Standard deviation of Gaussian noise on the discriminator's input: an invisible edit must not satisfy it."""

    grown_after: ClassVar[float] = 0.3
    """Share of a stage over which the discriminator's new layers are faded in."""
    discriminator: Judging

    def __init__(self, *, image_size: int, width: int, seed: int, device: torch.device) -> None:
        self.width, self.seed = width, seed
        self.batch_size = Stage(image_size, 1).batch
        self.rate = (self.batch_size / LARGEST_BATCH) ** 0.5
        torch.manual_seed(seed)
        self.target = self.build(image_size=image_size, width=width).to(device)
        generator = self.target.generator.train().requires_grad_(True)
        discriminator = self.build_discriminator(image_size=image_size)
        super().__init__(generator=generator, discriminator=discriminator, device=device)

    @classmethod
    @abc.abstractmethod
    def build(cls, *, image_size: int, width: int) -> Target:
        """The compact target."""

    @abc.abstractmethod
    def build_discriminator(self, *, image_size: int) -> Judging:
        """The network that tells real faces from edited ones."""

    @abc.abstractmethod
    def step(self, batch: Batch, *, step: int, seed: int) -> dict[str, float]:
        """One update of both networks; returns the losses. All random draws depend on (seed, step) alone."""

    def _noisy(self, x: Tensor, *, seed: int, step: int) -> Tensor:
        if self.discriminator_noise == 0.0:
            return x
        rng = stream(Stream.augmentation, seed, step)
        return x + self.discriminator_noise * torch.randn(x.shape, generator=rng).to(x)

    def enter(self, place: Place) -> None:
        """Prepare a step at ``place``: learning rates, and how much the discriminator's newest layers count."""
        self.anneal(place.share)
        self.discriminator.main.fade = 1.0 if place.first else min(1.0, place.share / self.grown_after)

    def grown(self, *, image_size: int) -> Self:
        """This recipe at another size: the same weights, and a discriminator that has learnt what they share."""
        larger = type(self)(image_size=image_size, width=self.width, seed=self.seed, device=self.device)
        new, learnt = larger.discriminator.state_dict(), self.discriminator.state_dict()
        larger.load_state_dict(
            self.state_dict()
            | {
                "discriminator": {name: learnt.get(name, tensor) for name, tensor in new.items()},
                "optimizer_d": larger.optimizer_d.state_dict(),
            }
        )
        return larger

    def start_from(self, trained: Target) -> None:
        """Start from the weights of another surrogate, with a new discriminator.

        Raises:
            BadCheckpoint: it is of another architecture or width.
        """
        try:
            self.generator.load_state_dict(trained.generator.state_dict())
        except RuntimeError as error:
            raise BadCheckpoint(f"its weights do not fit a {self.target.architecture} of this width: {error}") from None
        self.average = Average(self.kept, decay=self.average_decay)

    def averaged_target(self) -> Target:
        """A frozen copy of the target with the averaged weights."""
        target = type(self.target).from_config(self.target.config).to(self.device)
        target.load_generator(self.average.state)
        return target


class LabelRecipe(Recipe):
    """A target that takes a full label vector: the discriminator also reads the attributes off, as in StarGAN.

    Attributes are read off an augmented copy (moved, recoloured, blurred, noised), realness off the picture itself. An
    invisible edit, or one of colour only, does not survive the first and so cannot satisfy the attribute head; grain
    shows in the second. The discriminator is wide, for it costs a tenth of the generator.

    If the wanted labels are those a face has, the edit must give the photo back; ``identity_weight`` weighs this
    (the identity loss of Zhu et al., ICCV 2017): it costs no further pass, and without it colours drift.

    One forward of the generator serves both networks. Subclasses add their architecture's own loss (cycle,
    reconstruction).
    """

    lr: ClassVar[float] = 4e-4
    r1_weight: ClassVar[float] = 0.1
    discriminator_noise: ClassVar[float] = 0.02
    attribute_weight: ClassVar[float] = 2.0
    identity_weight: ClassVar[float] = 0.0

    def build_discriminator(self, *, image_size: int) -> Discriminator:
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
        rng = stream(Stream.edits, seed, step)
        wanted = source[torch.randperm(len(source), generator=rng).to(self.device)]
        with autocast(self.device):
            translation = self.translate(x, source, wanted)
        losses = self._discriminator_step(x, source, translation.fake.detach(), rng, step=step, seed=seed)
        with autocast(self.device):
            realness, _ = self.discriminator(self._noisy(translation.fake, seed=seed, step=3 * step))
            _, logits = self.discriminator(augment(translation.fake.float(), rng))
            terms = {
                "g_adversarial": logistic_generator(realness.float()),
                "g_attributes": self.attribute_weight * attribute_loss(logits, wanted),
                **self.own_loss(x, source, translation),
            }
            if self.identity_weight > 0.0:
                unchanged = (source == wanted).all(dim=1).float()[:, None, None, None]
                drift = ((translation.fake.float() - x).abs() * unchanged).mean()
                terms["g_identity"] = self.identity_weight * drift
        return losses | self.update_generator(terms)

    def _discriminator_step(
        self, x: Tensor, source: Tensor, fake: Tensor, rng: torch.Generator, *, step: int, seed: int
    ) -> dict[str, float]:
        def judge() -> dict[str, Tensor]:
            real, _ = self.discriminator(self._noisy(x, seed=seed, step=3 * step + 1))
            false, _ = self.discriminator(self._noisy(fake, seed=seed, step=3 * step + 2))
            _, logits = self.discriminator(augment(x, rng))
            return {
                "d_adversarial": logistic_discriminator(real.float(), false.float()),
                "d_attributes": attribute_loss(logits, source),
            }

        return self.update_discriminator(judge, lambda: r1_penalty(self.discriminator, x), step=step)
