"""AttentionGAN's network (Tang et al., TNNLS 2021), in the layout of the official ``v1-multi`` ``*-G.ckpt``.

It is StarGAN's with four output channels (attention, then RGB) and no final tanh. Like StarGAN it is run without
``eval()``: its instance norm uses the statistics of the input.
"""

from __future__ import annotations

from typing import NamedTuple, cast

from torch import Tensor, nn

from perturbations.targets.networks.stargan import InputInstanceNorm2d, ResidualBlock, concat_labels, trunk, upsampler


class Painting(NamedTuple):
    """What the decoder yields: content ``[B, 3, H, W]`` (unbounded) and attention ``[B, 1, H, W]`` in [0, 1]."""

    content: Tensor
    attention: Tensor


class AttentionGANGenerator(nn.Module):
    """The official network: ``forward(x [B, 3, H, W], labels [B, c_dim])``; H and W are multiples of 4."""

    def __init__(self, *, conv_dim: int = 64, c_dim: int = 5, repeat_num: int = 6) -> None:
        super().__init__()
        encoder = trunk(conv_dim=conv_dim, c_dim=c_dim, repeat_num=repeat_num)
        self.tap_index = len(encoder)
        self.main = nn.Sequential(
            *encoder, *upsampler(conv_dim * 4), nn.Conv2d(conv_dim, 4, 7, stride=1, padding=3, bias=False)
        )

    def encode(self, x: Tensor, labels: Tensor) -> Tensor:
        """Output of the last residual block, ``[B, 4 * conv_dim, H / 4, W / 4]``."""
        return cast(Tensor, self.main[: self.tap_index](concat_labels(x, labels)))

    def paint(self, bottleneck: Tensor) -> Painting:
        """Content and attention from the output of :meth:`encode`."""
        planes = self.main[self.tap_index :](bottleneck)  # [B, 1 + 3, H, W]
        return Painting(planes[:, 1:], planes[:, :1].sigmoid())

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """The translated image as the official code returns it: ``[B, 3, H, W]``, not clipped to [-1, 1]."""
        return blend(x, self.paint(self.encode(x, labels)))

    def bottleneck_rms(self) -> Tensor:
        """The expected root mean square of the bottleneck, a constant of the weights (scalar, detached).

        The bottleneck is the sum of the last downsampling stage and one instance norm per residual block. A normed
        channel of weight γ and bias β has mean square γ² + β² whatever the input is, a rectified one about half of
        that; the terms are taken as independent.
        """
        layers = list(self.main)[: self.tap_index]
        norms = [layer for layer in layers if isinstance(layer, InputInstanceNorm2d)]
        blocks = [layer.main[4] for layer in layers if isinstance(layer, ResidualBlock)]
        power = _power(norms[-1]) / 2 + sum(_power(cast(InputInstanceNorm2d, norm)) for norm in blocks)
        return power.sqrt().clamp_min(1e-6)


def blend(x: Tensor, painting: Painting) -> Tensor:
    """Content where attention is open, the input where it is closed."""
    return painting.attention * painting.content + (1 - painting.attention) * x


def _power(norm: InputInstanceNorm2d) -> Tensor:
    return (norm.weight.detach().square() + norm.bias.detach().square()).mean()
