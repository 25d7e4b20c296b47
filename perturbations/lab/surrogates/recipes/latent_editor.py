"""An editor in the latent space of a published autoencoder, which itself stays unchanged."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from perturbations.errors import BadCheckpoint
from perturbations.lab.surrogates.recipes.base import Translation
from perturbations.lab.surrogates.recipes.latent_diffusion import LatentDiffusionRecipe, Latents, edits_of_surrogates
from perturbations.targets.interface import Target
from perturbations.targets.latent_diffusion import LatentDiffusion
from perturbations.targets.networks.latent_generator import LatentGenerator


class LatentEditorRecipe(LatentDiffusionRecipe):
    """The editor's half of :class:`LatentDiffusionRecipe`, on the autoencoder of ``published``.

    An autoencoder has no edit of its own; with this one it has those of the surrogates. A perturbation has to disrupt
    its encoder, which everyone who edits photos in that latent space must use.
    """

    published: ClassVar[LatentDiffusion]

    @classmethod
    def build(cls, *, image_size: int, width: int) -> Target:
        target = LatentDiffusion(
            edits=edits_of_surrogates(),
            image_size=image_size,
            **cls.published.hyper,
            editor_width=2 * width,
            n_labels=2,
        )
        generator = cast(LatentGenerator, target.generator)
        generator.vae.load_state_dict(cls.published.generator.state_dict())
        return target

    def parameter_groups(self) -> list[dict[str, Any]]:
        self.generator.vae.eval().requires_grad_(False)
        return [{"params": list(self.generator.editor.parameters())}]

    def translate(self, x: Tensor, source: Tensor, wanted: Tensor) -> Translation:
        with torch.no_grad():
            mean, _ = self.generator.vae.encode(x)
        self._follow(mean.float())
        latent = self.generator.standardized(mean)
        edited = self._edit(latent, wanted)
        fake = self.generator.vae.decode(self.generator.restored(edited))
        return Translation(fake, Latents(mean, mean, latent, edited, (source == wanted).all(dim=1)))

    def own_loss(self, x: Tensor, source: Tensor, translation: Translation) -> dict[str, Tensor]:
        return self.editor_loss(x, source, translation)


def on_autoencoder(published: Target) -> type[LatentEditorRecipe]:
    """The recipe on one autoencoder.

    Raises:
        BadCheckpoint: it is not an autoencoder, or has an editor already.
    """
    if not isinstance(published, LatentDiffusion) or isinstance(published.generator, LatentGenerator):
        raise BadCheckpoint(f"an editor is trained on a bare autoencoder, not on a whole {published.architecture}")
    vae: nn.Module = published.generator
    vae.requires_grad_(False)
    return type("LatentEditorRecipe", (LatentEditorRecipe,), {"published": published})
