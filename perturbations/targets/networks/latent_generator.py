"""An autoencoder and an editor of its latents, as one network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from perturbations.targets.networks.autoencoder_kl import AutoencoderKL
from perturbations.targets.networks.autoencoder_tiny import AutoencoderTiny
from perturbations.targets.networks.latent_editor import LatentEditor

Autoencoder = AutoencoderKL | AutoencoderTiny


class LatentGenerator(nn.Module):
    """Autoencoder and editor, and the ``mean`` and ``std`` (``[C]`` each) that bring latents to unit variance."""

    mean: Tensor
    std: Tensor

    def __init__(self, vae: Autoencoder, editor: LatentEditor, *, latent_channels: int) -> None:
        super().__init__()
        self.vae = vae
        self.editor = editor
        self.register_buffer("mean", torch.zeros(latent_channels))
        self.register_buffer("std", torch.ones(latent_channels))

    def standardized(self, latent: Tensor) -> Tensor:
        """``[B, C, h, w]`` as the autoencoder has it, to zero mean and unit variance over all photos."""
        return (latent - self.mean[:, None, None]) / self.std[:, None, None]

    def scaled(self, deviation: Tensor) -> Tensor:
        """A standard deviation ``[B, C, h, w]``, in the unit of standardised latents."""
        return deviation / self.std[:, None, None]

    def restored(self, latent: Tensor) -> Tensor:
        """The inverse of :meth:`standardized`."""
        return latent * self.std[:, None, None] + self.mean[:, None, None]
