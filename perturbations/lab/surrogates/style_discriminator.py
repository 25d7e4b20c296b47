"""HiSD's discriminator: a shared trunk, a head per tag that knows the style and the other attributes, and a reader."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from perturbations.lab.surrogates.networks import Judging, Trunk


class StyleDiscriminator(Judging):
    """Is this a real picture of each attribute of a tag, given its style and its other attributes?

    A head that knows the other attributes rejects edits that change them as well: this is what disentangles
    the tags (Li et al., CVPR 2021, "tag-irrelevant conditions").
    """

    def __init__(self, *, image_size: int, tags: int, attributes: int, style_dim: int, conditions: int) -> None:
        super().__init__()
        self.main = Trunk(image_size=image_size)
        last = self.main.channels
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(last + style_dim + conditions, last // 2, 1),
                nn.LeakyReLU(0.2),
                nn.Conv2d(last // 2, attributes, 3, 1, 1),
            )
            for _ in range(tags)
        )
        self.attributes = nn.Conv2d(last, tags, 4, bias=False)

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

    def read(self, x: Tensor) -> Tensor:
        """Whether each tag holds of ``x [B, 3, S, S]``: logits ``[B, tags]``."""
        logits: Tensor = self.attributes(self.main(x)).flatten(1)
        return logits
