"""AttentionGAN (Tang et al., IJCNN 2019 and TNNLS 2021): attention-masked translation, the multi-domain version.

The network paints new content and an attention mask; the output keeps the input wherever the mask is closed:
``y = attention * content + (1 - attention) * x``. Layout: ``*-G.ckpt`` of the official ``v1-multi`` implementation,
which is StarGAN's with four output channels (attention, then RGB) and no final tanh. Like StarGAN it is run without
``eval()``: its instance norm uses the statistics of the input.

The tap joins what both halves of that formula hang on: the output of the last residual block and the attention mask.
See :func:`joint_tap` for how they are scaled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, cast

import torch
from torch import Tensor, nn

from perturbations.targets.interface import Layout, Manipulation, Target, check_labels, label_tensor
from perturbations.targets.stargan import (
    InputInstanceNorm2d,
    ResidualBlock,
    concat_labels,
    infer_translator,
    numbered_edits,
    published_translations,
    trunk,
    upsampler,
)


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


def joint_tap(bottleneck: Tensor, attention: Tensor, *, rms: Tensor) -> Tensor:
    """Bottleneck and attention as one tap, ``[B, N]``, such that neither dwarfs the other.

    Both are first put on one scale (the bottleneck divided by its expected root mean square ``rms``; the attention
    lies in [0, 1] already), then weighted by how many elements they have, so that for two taps
    ``MSE(a, b) = MSE(bottleneck) / (2 rms²) + MSE(attention) / 2``: each part counts half, whatever the width.
    """
    parts = [(bottleneck / rms).flatten(1), attention.flatten(1)]
    total = sum(part.shape[1] for part in parts)
    return torch.cat([part * (total / (2 * part.shape[1])) ** 0.5 for part in parts], dim=1)


def _power(norm: InputInstanceNorm2d) -> Tensor:
    return (norm.weight.detach().square() + norm.bias.detach().square()).mean()


class AttentionGAN(Target):
    """AttentionGAN as a target; an edit is a full label vector. The output is clipped, as a saved image is."""

    architecture = "attentiongan"
    paradigm = "attention-masked translation"
    small: ClassVar[Mapping[str, Any]] = {
        "edits": {"male": (1.0, 0.0), "old": (0.0, 1.0)},
        "image_size": 32,
        "conv_dim": 4,
        "c_dim": 2,
        "repeat_num": 1,
    }
    generator: AttentionGANGenerator

    def __init__(
        self,
        *,
        edits: Mapping[str, Sequence[float]],
        image_size: int = 256,
        conv_dim: int = 64,
        c_dim: int = 5,
        repeat_num: int = 6,
    ) -> None:
        super().__init__(image_size=image_size, edits=tuple(edits))
        self.labels = check_labels(edits, c_dim)
        self.hyper = {"conv_dim": conv_dim, "c_dim": c_dim, "repeat_num": repeat_num}
        self.generator = AttentionGANGenerator(**self.hyper)
        self.freeze()

    def manipulate(self, x: Tensor, edit: str) -> Manipulation:
        bottleneck = self.generator.encode(x, label_tensor(self.labels[self.known_edit(edit)], x))
        painting = self.generator.paint(bottleneck)
        tap = joint_tap(bottleneck, painting.attention, rms=self.generator.bottleneck_rms())
        return Manipulation(blend(x, painting).clamp(-1, 1), tap)

    @property
    def config(self) -> Mapping[str, Any]:
        return {"image_size": self.image_size, "edits": self.labels, **self.hyper}

    @classmethod
    def infer_config(cls, layout: Layout) -> Mapping[str, Any] | None:
        return infer_translator(layout, head="main", channels=4)

    @classmethod
    def published_edits(cls, config: Mapping[str, Any]) -> Any:
        return published_translations(config)

    @classmethod
    def label_edits(cls, config: Mapping[str, Any]) -> Any:
        return numbered_edits(config["c_dim"])
