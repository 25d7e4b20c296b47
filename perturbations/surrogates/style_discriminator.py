"""HiSD's discriminator: a shared trunk, then a head per tag that is told the style and all other attributes."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class StyleDiscriminator(nn.Module):
    """Is this a real picture of each attribute of a tag, given its style and what else is known of it?

    A head that knows the other attributes lets no edit pass that changes them on the way: this is what disentangles
    the tags (Li et al., CVPR 2021, "tag-irrelevant conditions").
    """

    def __init__(
        self,
        *,
        image_size: int,
        tags: int,
        attributes: int,
        style_dim: int,
        conditions: int,
        width: int = 32,
        max_width: int = 256,
    ) -> None:
        super().__init__()
        depth = int(math.log2(image_size)) - 2  # down to 4x4
        widths = [min(width * 2**i, max_width) for i in range(depth)]
        layers: list[nn.Module] = []
        for n_in, n_out in zip([3, *widths], widths, strict=False):
            layers += [nn.Conv2d(n_in, n_out, 4, 2, 1), nn.LeakyReLU(0.1)]
        self.main = nn.Sequential(*layers)
        last = widths[-1]
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(last + style_dim + conditions, last, 1),
                nn.LeakyReLU(0.1),
                nn.Conv2d(last, attributes, 3, 1, 1),
            )
            for _ in range(tags)
        )

    def forward(self, x: Tensor, style: Tensor, conditions: Tensor, tag: int) -> Tensor:
        """Realness ``[B, attributes, 4, 4]`` of ``x [B, 3, S, S]``.

        Args:
            style: ``[B, style_dim]``, the style of ``x`` for ``tag``.
            conditions: ``[B, conditions]`` in {0, 1}, the attributes that ``tag`` leaves alone.
            tag: whose attributes are judged.
        """
        h = self.main(x)
        known = torch.cat([style.to(h), conditions.to(h)], dim=1)
        planes = known[:, :, None, None].expand(-1, -1, *h.shape[-2:])
        realness: Tensor = self.heads[tag](torch.cat([h, planes], dim=1))
        return realness
