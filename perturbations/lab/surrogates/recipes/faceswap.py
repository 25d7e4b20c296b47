"""Face swap: one person's picture with another's identity; with the person's own identity, the picture itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from perturbations.data import open_faces
from perturbations.data.synthetic import synthetic_faces
from perturbations.images import to_tensor
from perturbations.lab.randomness import Stream, stream
from perturbations.lab.surrogates.augment import augment
from perturbations.lab.surrogates.faces import Batch, LabelledFaces
from perturbations.lab.surrogates.identity import identities_of, identity_of_nobody
from perturbations.lab.surrogates.losses import feature_distance, logistic_discriminator, logistic_generator, r1_penalty
from perturbations.lab.surrogates.recipes.base import Recipe
from perturbations.lab.surrogates.swap_discriminator import SwapDiscriminator
from perturbations.precision import autocast
from perturbations.targets.faceswap import FaceSwap, SeededEdit, SourceEdit, TargetEdit, Templates, parse_edit
from perturbations.targets.interface import Target
from perturbations.targets.networks.identity import IdentityEncoder

LATENT_SIZE: Final = 128
IDENTITY_WIDTH: Final = 16
BLOCKS: Final = 4
TEMPLATE_SIZE: Final = 128
DRAWN_FROM: Final = 512
"""How many faces an identity of nobody is drawn around."""
TEMPLATES: Final = {"woman": "30_1_x_synthetic010.webp", "man": "30_0_x_synthetic130.webp"}
"""Faces of nobody, by their names in the archive of synthetic faces."""
GENDERS: Final = tuple(TEMPLATES)


class FaceSwapRecipe(Recipe):
    """Losses of Chen et al. (ACM MM 2020): identity, reconstruction, weak feature matching; logistic loss and R1.

    Half of each batch keeps its identity and must give the picture back; the other half takes its neighbour's. Unlike
    in the paper, the identity of a swap is read off an augmented copy, where patterns that only please the encoder do
    not survive. A swap must also leave the picture's coarse colours, its means over squares of an eighth of the
    width: the encoder ignores them, and they ran wild. The templates of source-side edits are two of the
    synthetic faces; averages of many faces were tried, and what was painted on their blur fell apart.

    The identity encoder is not trained here. Give the recipe a trained one with :meth:`equip` before the first step;
    without, it swaps what an untrained network sees in a face.
    """

    asked: ClassVar[Mapping[str, tuple[float, ...]]] = {}
    identity_weight: ClassVar[float] = 6.0
    reconstruction_weight: ClassVar[float] = 15.0
    feature_weight: ClassVar[float] = 1.0
    colour_weight: ClassVar[float] = 5.0
    r1_weight: ClassVar[float] = 0.1
    discriminator_noise: ClassVar[float] = 0.02
    lr: ClassVar[float] = 4e-4
    target: FaceSwap

    @classmethod
    def build(cls, *, image_size: int, width: int) -> Target:
        on_target = {f"target_{name}": SeededEdit(seed) for seed, name in enumerate(GENDERS)}
        on_source = {f"source_{name}": SourceEdit(template) for template, name in enumerate(GENDERS)}
        return FaceSwap(
            edits={**on_target, **on_source},
            image_size=image_size,
            width=width,
            latent_size=LATENT_SIZE,
            n_blocks=BLOCKS,
            identity_width=IDENTITY_WIDTH,
            templates=len(GENDERS),
            template_size=TEMPLATE_SIZE,
        )

    def build_discriminator(self, *, image_size: int) -> SwapDiscriminator:
        return SwapDiscriminator(image_size=image_size)

    def equip(self, encoder: IdentityEncoder, faces: LabelledFaces, *, seed: int) -> None:
        """Set an encoder, the templates, and identities of nobody drawn from ``faces``.

        Raises:
            ValueError: the encoder is not of the size this recipe builds.
        """
        if (encoder.width, encoder.latent_size) != (IDENTITY_WIDTH, LATENT_SIZE):
            raise ValueError(
                f"a face swap takes identity encoders of width {IDENTITY_WIDTH} and latent size {LATENT_SIZE}, "
                f"not {encoder.width} and {encoder.latent_size}"
            )
        identity, templates = self._carried()
        identity.load_state_dict(encoder.state_dict())
        archive = open_faces([synthetic_faces()])
        place = {archive.name(index): index for index in range(len(archive))}
        for number, name in enumerate(GENDERS):
            template = archive.square(place[TEMPLATES[name]], TEMPLATE_SIZE)
            templates.faces[number] = to_tensor(template[None])[0]
            rows = torch.nonzero(faces.labels[:, 0] == number).flatten()[:DRAWN_FROM].numpy()
            nobody = identity_of_nobody(identities_of(identity, faces.images[rows]), seed=seed * len(GENDERS) + number)
            self.target.set_edit(f"target_{name}", TargetEdit(nobody))

    def _carried(self) -> tuple[IdentityEncoder, Templates]:
        identity, templates = self.target.identity, self.target.templates
        assert identity is not None  # noqa: S101 - build() has given it both
        assert templates is not None  # noqa: S101
        return identity, templates

    def step(self, batch: Batch, *, step: int, seed: int) -> dict[str, float]:
        rng = stream(Stream.edits, seed, step)
        x = batch.x.to(self.device).contiguous(memory_format=torch.channels_last)
        kept = len(x) // 2
        identity, _ = self._carried()
        with torch.no_grad():
            own = identity(x.flip(-1))
        wanted = torch.cat([own[:kept], own[kept:].roll(1, dims=0)])
        with autocast(self.device):
            fake = self.generator((x + 1) / 2, wanted) * 2 - 1
        losses = self._discriminator_step(x, fake.detach(), step=step, seed=seed)
        with autocast(self.device):
            judged = self.discriminator(self._noisy(fake, seed=seed, step=3 * step))
            with torch.no_grad():
                _, like = self.discriminator(x)
        read = identity(augment(fake.float(), rng))
        terms = {
            "g_adversarial": logistic_generator(judged.realness.float()),
            "g_identity": self.identity_weight * (1 - (read * wanted).sum(dim=1)).mean(),
            "g_reconstruction": self.reconstruction_weight * F.l1_loss(fake[:kept].float(), x[:kept]),
            "g_features": self.feature_weight * feature_distance(judged.features, like),
            "g_colours": self.colour_weight * F.l1_loss(_coarse(fake.float()), _coarse(x)),
        }
        return losses | self.update_generator(terms)

    def _discriminator_step(self, x: Tensor, fake: Tensor, *, step: int, seed: int) -> dict[str, float]:
        def judge() -> dict[str, Tensor]:
            real, _ = self.discriminator(self._noisy(x, seed=seed, step=3 * step + 1))
            false, _ = self.discriminator(self._noisy(fake, seed=seed, step=3 * step + 2))
            return {"d_adversarial": logistic_discriminator(real.float(), false.float())}

        return self.update_discriminator(judge, lambda: r1_penalty(self.discriminator, x), step=step)

    def averaged_target(self) -> Target:
        target = super().averaged_target()
        target.load_companions(nn.ModuleDict(dict(self.target.companions)).state_dict())
        return target

    def state_dict(self) -> dict[str, Any]:
        """Everything exact resumption needs: also the encoder, the templates and the identities."""
        return {
            **super().state_dict(),
            "companions": nn.ModuleDict(dict(self.target.companions)).state_dict(),
            "edits": {name: asdict(edit) for name, edit in self.target.specs.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        for name, module in self.target.companions.items():
            own = {k.removeprefix(f"{name}."): v for k, v in state["companions"].items() if k.startswith(f"{name}.")}
            module.load_state_dict(own)
        for name, fields in state["edits"].items():
            self.target.set_edit(name, parse_edit(fields))


def _coarse(x: Tensor) -> Tensor:
    """``[B, 3, 8, 8]``, the means of ``x [B, 3, S, S]`` over squares."""
    return F.adaptive_avg_pool2d(x, 8)
