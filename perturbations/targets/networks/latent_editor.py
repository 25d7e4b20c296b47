"""The denoiser of the latent diffusion surrogate: a small U-Net that edits while it takes noise out of a latent.

It is conditioned as in InstructPix2Pix (Brooks et al., CVPR 2023): the clean latent of the photo is an input beside the
noisy one, and labels say what the photo should become. Noise levels, and the scaling of what goes in, are those of
Karras et al. (NeurIPS 2022): ``z_σ = z + σ·n``, and the network says what ``z`` was.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ModulatedBlock(nn.Module):
    """``x + C(silu(a·N(C(silu(N(x)))) + b))`` at constant width, ``a`` and ``b`` from the condition ``[B, K]``."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        groups = norm_groups(channels)
        self.norm1 = nn.GroupNorm(groups, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.modulation = nn.Linear(condition, 2 * channels)
        self.norm2 = nn.GroupNorm(groups, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        a, b = self.modulation(condition)[:, :, None, None].chunk(2, dim=1)
        h = self.norm2(self.conv1(F.silu(self.norm1(x)))) * (1 + a) + b
        return x + cast(Tensor, self.conv2(F.silu(h)))


class LatentEditor(nn.Module):
    """Estimates the clean, edited latent: ``forward(noisy, source, sigma, labels)``, see there.

    Args:
        latent_channels: channels of a latent.
        width: channels at full resolution; there are twice as many at half of it.
        n_labels: labels of an edit.
    """

    def __init__(self, *, latent_channels: int, width: int, n_labels: int) -> None:
        super().__init__()
        condition = 2 * width
        self.embed = nn.Sequential(nn.Linear(1 + n_labels, condition), nn.SiLU(), nn.Linear(condition, condition))
        self.conv_in = nn.Conv2d(2 * latent_channels, width, 3, padding=1)
        self.before = ModulatedBlock(width, condition)
        self.down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.middle = nn.ModuleList(ModulatedBlock(2 * width, condition) for _ in range(2))
        self.up = nn.Conv2d(2 * width, width, 3, padding=1)
        self.after = ModulatedBlock(width, condition)
        self.norm_out = nn.GroupNorm(norm_groups(width), width)
        self.conv_out = nn.Conv2d(width, latent_channels, 3, padding=1)

    def forward(self, noisy: Tensor, source: Tensor, sigma: Tensor, labels: Tensor) -> Tensor:
        """The estimate, ``[B, C, h, w]``, which is the source plus what the network makes of it all.

        Args:
            noisy: ``[B, C, h, w]``, the edited latent under noise; h and w are even.
            source: ``[B, C, h, w]``, the latent of the photo; zero to use ``noisy`` alone.
            sigma: ``[B]``, the standard deviation of the noise, above zero.
            labels: ``[B, n_labels]`` in {0, 1}, what the photo should become.
        """
        condition = F.silu(self.embed(torch.cat([sigma.log()[:, None] / 4, 2 * labels - 1], dim=1)))
        scaled = noisy / (1 + sigma.square()).sqrt()[:, None, None, None]
        skip = self.before(self.conv_in(torch.cat([scaled, source], dim=1)), condition)
        h = self.down(skip)
        for block in self.middle:
            h = block(h, condition)
        h = skip + self.up(F.interpolate(h, scale_factor=2.0, mode="nearest"))
        h = self.after(h, condition)
        return source + cast(Tensor, self.conv_out(F.silu(self.norm_out(h))))

    def edit(self, source: Tensor, labels: Tensor, noise: Tensor, *, sigma: float, steps: int) -> Tensor:
        """Noise the source to level ``sigma`` and take the noise out again in ``steps`` DDIM steps, towards ``labels``.

        ``z_{σ'} = ẑ + (σ'/σ)·(z_σ - ẑ)`` (Song et al., ICLR 2021), with levels that fall linearly to zero.

        Args:
            source: ``[B, C, h, w]``, the latent of the photo.
            labels: ``[B, n_labels]`` in {0, 1}.
            noise: ``[B, C, h, w]`` or ``[1, C, h, w]``, standard normal.
        """
        z = source + sigma * noise
        for step in range(steps):
            level, following = sigma * (1 - step / steps), sigma * (1 - (step + 1) / steps)
            clean = self(z, source, torch.full_like(z[:, 0, 0, 0], level), labels)
            z = clean + (following / level) * (z - clean)
        return z


def norm_groups(channels: int, *, most: int = 8) -> int:
    """The largest power of two up to ``most`` that divides ``channels``."""
    return min(channels & -channels, most)
