"""Latent diffusion: an autoencoder, and in its latent space a denoiser that learns to edit in very few steps."""

from __future__ import annotations

from typing import Final, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from perturbations.lab.randomness import Stream, stream
from perturbations.lab.surrogates.faces import Batch
from perturbations.lab.surrogates.losses import feature_distance
from perturbations.lab.surrogates.networks import Discriminator
from perturbations.lab.surrogates.recipes.base import EDITS, LabelRecipe, Translation
from perturbations.targets.interface import Target
from perturbations.targets.latent_diffusion import DiffusionEdit, LatentDiffusion
from perturbations.targets.networks.autoencoder_kl import AutoencoderKL
from perturbations.targets.networks.latent_editor import norm_groups
from perturbations.targets.networks.latent_generator import LatentGenerator

EDIT_NOISE: Final = 1.0
"""Noise level of an edit, in standard deviations of the latents: as much noise as photo."""
BLOCKS: Final = (1, 2, 2)
"""Widths of the autoencoder's blocks as multiples of the first; a latent always has a quarter of the picture's
size, so that weights trained at one size go on at another."""
CHANNELS: Final = 4


class Latents(NamedTuple):
    """mean, std: the posterior's moments; latent: the standardised mean, cut off from the encoder; edited: its edit.

    All ``[B, C, h, w]``; kept: ``[B]`` of bool, whether the face is to stay as it is.
    """

    mean: Tensor
    std: Tensor
    latent: Tensor
    edited: Tensor
    kept: Tensor


class LatentDiffusionRecipe(LabelRecipe):
    """Both stages of Rombach et al. (CVPR 2022) at once, and the editor trained adversarially on its later task.

    The autoencoder: L1, features of the discriminator, a small KL term. The editor: the denoising loss at levels drawn
    as by Karras et al. (NeurIPS 2022), for half of the photos without the clean latent beside, and, since there are no
    pairs of a photo and its edit, both DDIM steps of an edit trained through as in Adversarial Diffusion Distillation
    (Sauer et al., ECCV 2024): the decoded edit must be real and of the wanted attributes, and the edit of the edited
    latent, back towards the face's own labels, must be the latent again. Photos that are asked to stay must stay.

    The editor sees the latents as they are: its losses reach editor and decoder, never the encoder, so that the latent
    space is that of an autoencoder and of nothing else. The statistics that standardise latents follow the batches.
    """

    reconstruction_weight = 10.0
    feature_weight = 1.0
    kl_weight = 0.002
    identity_weight = 10.0
    cycle_weight = 2.0
    denoising_weight = 1.0
    statistics_rate = 0.02
    """How far the statistics of latents follow those of a batch."""
    generator: LatentGenerator
    discriminator: Discriminator

    def __init__(self, *, image_size: int, width: int, seed: int, device: torch.device) -> None:
        super().__init__(image_size=image_size, width=width, seed=seed, device=device)
        self._rng = torch.Generator()

    @classmethod
    def build(cls, *, image_size: int, width: int) -> Target:
        return LatentDiffusion(
            edits=edits_of_surrogates(),
            image_size=image_size,
            block_out_channels=[width * times for times in BLOCKS],
            layers_per_block=1,
            latent_channels=CHANNELS,
            norm_num_groups=norm_groups(width),
            mid_block_attention=False,
            editor_width=2 * width,
            n_labels=2,
        )

    def step(self, batch: Batch, *, step: int, seed: int) -> dict[str, float]:
        self._rng = stream(Stream.noise, seed, step)
        return super().step(batch, step=step, seed=seed)

    def translate(self, x: Tensor, source: Tensor, wanted: Tensor) -> Translation:
        mean, std = cast(AutoencoderKL, self.generator.vae).encode(x)
        self._follow(mean.detach().float())
        latent = self.generator.standardized(mean.detach())
        edited = self._edit(latent, wanted)
        fake = self.generator.vae.decode(self.generator.restored(edited))
        return Translation(fake, Latents(mean, std, latent, edited, (source == wanted).all(dim=1)))

    def own_loss(self, x: Tensor, source: Tensor, translation: Translation) -> dict[str, Tensor]:
        kept: Latents = translation.kept
        mean, std = kept.mean.float(), kept.std.float()
        again = self.generator.vae.decode(mean + std * self._normal(mean))
        with torch.no_grad():
            wanted = self.discriminator.main.features(x)
        features = feature_distance(self.discriminator.main.features(again), wanted)
        return {
            "g_reconstruction": self.reconstruction_weight * F.l1_loss(again.float(), x),
            "g_features": self.feature_weight * features,
            "g_kl": self.kl_weight * 0.5 * (mean.square() + std.square() - 1 - 2 * std.log()).mean(),
            **self.editor_loss(x, source, translation),
        }

    def editor_loss(self, x: Tensor, source: Tensor, translation: Translation) -> dict[str, Tensor]:
        """The terms that reach the editor, and the autoencoder at most through its decoder."""
        kept: Latents = translation.kept
        drift = ((translation.fake.float() - x).abs() * kept.kept.float()[:, None, None, None]).mean()
        back = self._edit(kept.edited, source)
        return {
            "g_identity": self.identity_weight * drift,
            "g_cycle": self.cycle_weight * F.l1_loss(back.float(), kept.latent.float()),
            "g_denoising": self.denoising_weight * self._denoising_loss(kept.latent.float(), source),
        }

    def _edit(self, latent: Tensor, labels: Tensor) -> Tensor:
        steps = cast(LatentDiffusion, self.target).sampling["sampling_steps"]
        return self.generator.editor.edit(latent, labels, self._normal(latent), sigma=EDIT_NOISE, steps=steps)

    def _denoising_loss(self, latent: Tensor, labels: Tensor) -> Tensor:
        count = len(latent)
        sigma = (1.2 * torch.randn(count, generator=self._rng) - 0.4).exp().to(latent)
        beside = (torch.rand(count, generator=self._rng) < 0.5).to(latent)[:, None, None, None]
        noisy = latent + sigma[:, None, None, None] * self._normal(latent)
        estimate = self.generator.editor(noisy, beside * latent, sigma, labels)
        return F.mse_loss(estimate.float(), latent)

    @torch.no_grad()
    def _follow(self, mean: Tensor) -> None:
        self.generator.mean.lerp_(mean.mean(dim=(0, 2, 3)), self.statistics_rate)
        self.generator.std.lerp_(mean.std(dim=(0, 2, 3)).clamp_min(1e-3), self.statistics_rate)

    def _normal(self, like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=self._rng).to(like)


def edits_of_surrogates() -> dict[str, DiffusionEdit]:
    """The edits of shipped editors: those of all label-conditioned surrogates, each with its own noise."""
    return {
        name: DiffusionEdit(noise=EDIT_NOISE, seed=seed, labels=labels)
        for seed, (name, labels) in enumerate(EDITS.items())
    }
