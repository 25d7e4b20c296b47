"""The discriminator of both networks, which sees slightly altered pictures, real and drawn alike."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from perturbations.lab.surrogates.networks import keep_variance


class Critic(nn.Module):
    """Strided convolutions down to 4×4, and a map of how much the batch varies there (Karras et al., ICLR 2018).

    ``forward(x [B, 3, S, S])`` gives realness ``[B, 1, 1, 1]`` and the features below it.
    """

    def __init__(self, *, image_size: int, width: int = 48, max_width: int = 256) -> None:
        super().__init__()
        depth = int(math.log2(image_size)) - 2
        widths = [min(width * 2 ** (i + 1), max_width) for i in range(depth)]
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, 1, 1), nn.LeakyReLU(0.2)]
        for n_in, n_out in zip([width, *widths], widths, strict=False):
            layers += [nn.Conv2d(n_in, n_out, 4, 2, 1), nn.LeakyReLU(0.2)]
        self.main = nn.Sequential(*layers)
        self.last = nn.Conv2d(widths[-1] + 1, widths[-1], 3, 1, 1)
        self.realness = nn.Linear(widths[-1] * 16, 1)
        keep_variance(self.main, self.last)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.main(x)
        spread = (h.float().var(dim=0, unbiased=False) + 1e-8).sqrt().mean()
        plane = spread.to(h.dtype).expand(len(h), 1, *h.shape[-2:])
        h = F.leaky_relu(self.last(torch.cat([h, plane], dim=1)), 0.2).flatten(1)
        return self.realness(h)[:, :, None, None], h


def altered(
    x: Tensor, rng: torch.Generator, *, shift: float = 0.1, light: float = 0.3, contrast: float = 0.3
) -> Tensor:
    """``[B, 3, S, S]``, each moved by up to ``shift`` of its side, and its light and contrast changed.

    Differentiable augmentation (Zhao et al., NeurIPS 2020): a critic that sees only altered pictures cannot memorise
    them.
    """
    count, side = len(x), x.shape[-1]
    draws = torch.rand((4, count, 1, 1, 1), generator=rng).to(x.device)
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    x = (x - mean) * (1.0 + contrast * (2.0 * draws[0] - 1.0)) + mean + light * (2.0 * draws[1] - 1.0)
    reach = max(1, round(shift * side))
    padded = F.pad(x, (reach, reach, reach, reach), mode="reflect")
    rows, columns = ((draws[i].flatten() * (2 * reach + 1)).long().clamp(max=2 * reach) for i in (2, 3))
    span = torch.arange(side, device=x.device)
    index = torch.arange(count, device=x.device)[:, None, None]
    moved = padded.permute(0, 2, 3, 1)[index, (rows[:, None] + span)[:, :, None], (columns[:, None] + span)[:, None]]
    # [B, S, S, 3] -> [B, 3, S, S]
    return moved.permute(0, 3, 1, 2)
