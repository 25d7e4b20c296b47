"""How the decoder learns to draw: it reconstructs real faces from their codes, and fools the critic with random codes.

VAE/GAN (Larsen et al., ICML 2016). Reconstruction teaches the structure of a face within minutes and keeps the decoder
from drawing only one face. The critic, shown codes drawn from the prior, demands what an autoencoder blurs.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from perturbations.lab.surrogates.faces import Batch
from perturbations.lab.synthesis.critic import Critic
from perturbations.lab.synthesis.decoder import CODE, SMALL, Decoder, Encoder
from perturbations.lab.synthesis.recipe import DrawingRecipe
from perturbations.precision import autocast


class SmallFaces(DrawingRecipe):
    """Half of every batch of fakes are faces given back, the other half faces of nobody."""

    batch_size: int = 32
    image_size: ClassVar[int] = SMALL
    r1_weight: ClassVar[float] = 0.3
    reconstruction_weight: ClassVar[float] = 10.0
    kl_weight: ClassVar[float] = 4e-3
    """Of the Kullback-Leibler divergence in nats. Strong, as autoencoders go (a Laplace likelihood of scale 1.2): codes
    of nobody must lie where codes of people do, and sharpness is the critic's business."""
    ramp: ClassVar[int] = 1000

    def __init__(self, *, width: int, seed: int, device: torch.device) -> None:
        torch.manual_seed(seed)
        self.encoder, self.decoder = Encoder(width=width), Decoder(width=width)
        learner = nn.ModuleList([self.encoder, self.decoder])
        critic = Critic(image_size=SMALL, width=width)
        super().__init__(generator=learner, kept=self.decoder, discriminator=critic, device=device)

    def step(self, batch: Batch, *, step: int, seed: int) -> dict[str, float]:
        rng = self._rng(step, seed)
        x = batch.x.to(self.device).contiguous(memory_format=torch.channels_last)
        given = x[: (len(x) + 1) // 2]
        with autocast(self.device):
            mean, log_variance = self.encoder(given)
            code = mean + (0.5 * log_variance).exp() * self._noise(*mean.shape, rng=rng)
            nobody = self._noise(len(x) - len(given), CODE, rng=rng)
            fake: Tensor = self.decoder(torch.cat([code, nobody]))
        losses = self._critic_step(x, fake, rng, step=step)
        with autocast(self.device):
            adversarial = self._adversarial(fake, rng, step=step)
        kl = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(dim=1).mean()
        terms = {
            "g_adversarial": adversarial,
            "g_reconstruction": self.reconstruction_weight * (fake[: len(given)] - given).abs().mean(),
            "g_kl": self.kl_weight * kl,
        }
        return losses | self.update_generator(terms)

    def averaged(self) -> Decoder:
        """The decoder with averaged weights, frozen, on the CPU."""
        decoder = Decoder(width=self.decoder.width)
        decoder.load_state_dict({name: tensor.cpu() for name, tensor in self.average.state.items()})
        return decoder.eval().requires_grad_(False)
