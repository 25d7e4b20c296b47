"""HiSD: every attribute is a tag with its own styles; a step trains one tag, alone or after an edit of the others."""

from __future__ import annotations

from typing import Any, ClassVar, Final, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from perturbations.data import ATTRIBUTES
from perturbations.lab.randomness import Stream, stream
from perturbations.lab.surrogates.augment import augment
from perturbations.lab.surrogates.faces import Batch
from perturbations.lab.surrogates.losses import attribute_loss, logistic_discriminator, logistic_generator, r1_penalty
from perturbations.lab.surrogates.recipes.base import EDITS, Recipe
from perturbations.lab.surrogates.style_discriminator import StyleDiscriminator
from perturbations.precision import autocast
from perturbations.targets.hisd import ChainedEdit, HiSD, LatentEdit
from perturbations.targets.interface import Target
from perturbations.targets.networks.hisd import HiSDGenerator

STYLE_DIM: Final = 64
NOISE_DIM: Final = 16
BLOCKS: Final = 5
"""Translating blocks of a tag."""
HALVINGS: Final = 5
"""Of the extractor; as many at every size, so that weights trained at one go on at another."""
TAGS: Final = len(ATTRIBUTES)
VALUES: Final = 2
"""Attributes of a tag: it does not hold (0), or it does (1)."""

_SEX: Final = (LatentEdit(tag=0, attribute=0, seed=0), LatentEdit(tag=0, attribute=1, seed=1))
_AGE: Final = (LatentEdit(tag=1, attribute=0, seed=2), LatentEdit(tag=1, attribute=1, seed=3))
CHAINED_EDITS: Final = {edit: ChainedEdit((_AGE[int(old)], _SEX[int(man)])) for edit, (man, old) in EDITS.items()}
"""The edits of the label-conditioned surrogates, in two latent-guided steps: age, then sex."""


class _Views(NamedTuple):
    """What one step sees of a batch, for its tag.

    before, after: ``[B, TAGS]`` in {0, 1}, the attributes of each face, and those asked for: those of other faces.
    own, asked: ``[B, STYLE_DIM]``, the style extracted from the face and the one mapped from noise.
    edited, back: ``[B, 3, S, S]``, the latent-guided edit, and its reference-guided edit with the face's own styles.
    seen: ``[B, STYLE_DIM]``, the style extracted from ``edited``.
    """

    tag: int
    before: Tensor
    after: Tensor
    own: Tensor
    asked: Tensor
    edited: Tensor
    back: Tensor
    seen: Tensor

    @property
    def source(self) -> Tensor:
        """``[B]`` of int: the attribute each face has."""
        return self.before[:, self.tag].long()

    @property
    def wanted(self) -> Tensor:
        """``[B]`` of int: the attribute asked for."""
        return self.after[:, self.tag].long()

    @property
    def conditions(self) -> tuple[Tensor, Tensor]:
        """``[B, TAGS - 1]`` in {0, 1}: the attributes of the other tags, of each face and of its edit."""
        others = _others(self.tag)
        return self.before[:, others], self.after[:, others]


class HiSDRecipe(Recipe):
    """Losses of Li et al. (CVPR 2021): adversarial, reconstruction (direct, by the own style, by the cycle), style.

    As in the paper, Adam has no first moment, and the mappers learn a hundred times more slowly than the rest: at full
    rate all noise ends in one style. They start from He's initialisation, so that styles differ from the beginning.
    Unlike there, the discriminator gets the style extracted from the picture it judges, painted or real: given the
    mapped one, it knew edits by their style alone, and the pictures fell apart. Styles are extracted from augmented
    copies, and an edit must leave each channel's mean and deviation: otherwise the easiest style of all is the light,
    and edits only dim or brighten. Once edits are there, they may change it more. And as for label-conditioned recipes,
    attributes are also read off augmented copies. Edits come in chains, one tag
    after the other, so in every other round the tag's translator starts from a code that the others have already moved,
    and must not undo what they did.
    """

    betas: ClassVar[tuple[float, float]] = (0.0, 0.99)
    mapper_rate: ClassVar[float] = 0.01
    """Learning rate of the mappers, as a fraction of ``lr``."""
    reconstruction_weight: ClassVar[float] = 5.0
    style_weight: ClassVar[float] = 1.0
    attribute_weight: ClassVar[float] = 6.0
    light_weight: ClassVar[float] = 15.0
    light_left: ClassVar[float] = 1 / 3
    """The part of it at the last step: it falls with the learning rate."""
    lr: ClassVar[float] = 4e-4
    r1_weight: ClassVar[float] = 0.1
    discriminator_noise: ClassVar[float] = 0.02
    light: float = light_weight
    generator: HiSDGenerator
    discriminator: StyleDiscriminator

    def parameter_groups(self) -> list[dict[str, Any]]:
        mappers = list(self.generator.mappers.parameters())
        slow = {id(parameter) for parameter in mappers}
        rest = [parameter for parameter in self.generator.parameters() if id(parameter) not in slow]
        return [{"params": rest}, {"params": mappers, "lr": self.lr * self.mapper_rate, "rate": self.mapper_rate}]

    def anneal(self, share_done: float) -> None:
        super().anneal(share_done)
        self.light = self.light_weight * (self.light_left + (1.0 - self.light_left) * self.left(share_done))

    @classmethod
    def build(cls, *, image_size: int, width: int) -> Target:
        code = (width, 2 * width, 4 * width)
        target = HiSD(
            edits=CHAINED_EDITS,
            image_size=image_size,
            attributes=(VALUES,) * TAGS,
            style_dim=STYLE_DIM,
            noise_dim=NOISE_DIM,
            encoder=code,
            decoder=code[::-1],
            extractors=[min(width * 2**i, 8 * width) // 2 for i in range(HALVINGS + 1)],
            translators=(width,) * (BLOCKS + 1),
            mappers_pre=(STYLE_DIM,) * 3,
            mappers_post=(STYLE_DIM,) * 3,
        )
        target.generator.mappers.apply(_he)
        return target

    def build_discriminator(self, *, image_size: int) -> StyleDiscriminator:
        return StyleDiscriminator(
            image_size=image_size, tags=TAGS, attributes=VALUES, style_dim=STYLE_DIM, conditions=TAGS - 1
        )

    def step(self, batch: Batch, *, step: int, seed: int) -> dict[str, float]:
        x = batch.x.to(self.device).contiguous(memory_format=torch.channels_last)
        rng = stream(Stream.edits, seed, step)
        with autocast(self.device):
            content = self.generator.encode(x)
            tag, chained = step % TAGS, step // TAGS % 2 == 1
            path = [*(_others(tag) if chained else ()), tag]
            views = self._views(x, content, batch.labels.to(self.device), rng, path=path)
        losses = self._discriminator_step(x, views, rng, step=step, seed=seed)
        with autocast(self.device):
            judged = self._noisy(torch.cat([views.edited, views.back]), seed=seed, step=2 * step)
            as_before, as_after = views.conditions
            edited, back = self.discriminator(
                judged,
                torch.cat([views.seen, views.own]).detach(),
                torch.cat([as_after, as_before]),
                views.tag,
            ).chunk(2)
            read = self.discriminator.read(augment(views.edited.float(), rng))
            terms = {
                "g_adversarial": logistic_generator(_of(edited, views.wanted))
                + logistic_generator(_of(back, views.source)),
                "g_attributes": self.attribute_weight * attribute_loss(read, views.after),
                "g_reconstruction": self.reconstruction_weight * self._reconstruction(x, content, views),
                "g_style": self.style_weight * F.l1_loss(views.seen.float(), views.asked.float()),
                "g_light": self.light * F.l1_loss(_light(views.edited.float()), _light(x)),
            }
        return losses | self.update_generator(terms)

    def _views(self, x: Tensor, content: Tensor, before: Tensor, rng: torch.Generator, *, path: list[int]) -> _Views:
        """One edit of every face by the tags of ``path`` in turn, of which the last is the one the step trains."""
        tag = path[-1]
        after = before.clone()
        own = {step: self.generator.extract(augment(x, rng), step) for step in path}
        code = content
        for step in path:
            after[:, step] = before[torch.randperm(len(before), generator=rng).to(self.device), step]
            asked = self._mapped(after[:, step].long(), step, rng)
            code = self.generator.translate(code, asked, step)
        edited = self.generator.decode(code)
        code = self.generator.encode(edited)
        for step in reversed(path):
            code = self.generator.translate(code, own[step], step)
        return _Views(
            tag=tag,
            before=before,
            after=after,
            own=own[tag],
            asked=asked,
            edited=edited,
            back=self.generator.decode(code),
            seen=self.generator.extract(augment(edited.float(), rng), tag),
        )

    def _mapped(self, wanted: Tensor, tag: int, rng: torch.Generator) -> Tensor:
        """A style ``[B, STYLE_DIM]`` of each face's wanted attribute ``[B]``, from noise of its own."""
        noise = torch.randn((len(wanted), NOISE_DIM), generator=rng).to(self.device)
        # [B, VALUES, STYLE_DIM]: the styles of both attributes, of which each face takes one
        styles = torch.stack([self.generator.map(noise, tag, value) for value in range(VALUES)], dim=1)
        return styles[torch.arange(len(wanted), device=wanted.device), wanted]

    def _reconstruction(self, x: Tensor, content: Tensor, views: _Views) -> Tensor:
        """Mean absolute error of the plain decoding, of the decoding with the own style, and of the cycle, summed."""
        plain = self.generator.decode(content)
        same = self.generator.decode(self.generator.translate(content, views.own, views.tag))
        return torch.stack([F.l1_loss(y.float(), x) for y in (plain, same, views.back)]).sum()

    def _discriminator_step(
        self, x: Tensor, views: _Views, rng: torch.Generator, *, step: int, seed: int
    ) -> dict[str, float]:
        edited, back = views.edited.detach(), views.back.detach()
        own, seen = views.own.detach(), views.seen.detach()
        as_before, as_after = views.conditions

        def judge() -> dict[str, Tensor]:
            realness = self.discriminator(
                self._noisy(torch.cat([x, edited, back]), seed=seed, step=2 * step + 1),
                torch.cat([own, seen, own]),
                torch.cat([as_before, as_after, as_before]),
                views.tag,
            )
            asked_for = torch.cat([views.source, views.wanted, views.source])
            real, on_edited, on_back = _of(realness, asked_for).chunk(3)
            return {
                # a real face weighs as much as both of its fakes
                "d_adversarial": logistic_discriminator(real, on_edited) + logistic_discriminator(real, on_back),
                "d_attributes": attribute_loss(self.discriminator.read(augment(x, rng)), views.before),
            }

        def penalty() -> Tensor:
            return r1_penalty(lambda faces: self._realness(faces, own, views), x)

        # R1 once a round for every tag's head, which share its weight
        return self.update_discriminator(judge, penalty, step=step, rounds=TAGS)

    def _realness(self, x: Tensor, own: Tensor, views: _Views) -> tuple[Tensor, None]:
        return _of(self.discriminator(x, own, views.conditions[0], views.tag), views.source), None


def _others(tag: int) -> list[int]:
    return [other for other in range(TAGS) if other != tag]


def _of(realness: Tensor, attribute: Tensor) -> Tensor:
    """The channel of each face's own attribute, ``[B, 1, 4, 4]``, out of ``[B, VALUES, 4, 4]``."""
    return realness.float()[torch.arange(len(attribute), device=attribute.device), attribute][:, None]


def _light(x: Tensor) -> Tensor:
    """Mean and standard deviation of every channel, ``[B, 6]``."""
    return torch.cat([x.mean(dim=(2, 3)), x.std(dim=(2, 3))], dim=1)


def _he(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.normal_(module.bias)
