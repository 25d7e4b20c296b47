"""AttentionGAN (Tang et al., IJCNN 2019 and TNNLS 2021): attention-masked translation, the multi-domain version.

The network paints new content and an attention mask; the output keeps the input wherever the mask is closed:
``y = attention * content + (1 - attention) * x``. Layout: ``*-G.ckpt`` of the official ``v1-multi`` implementation,
which is StarGAN's with four output channels (attention, then RGB) and no final tanh. Like StarGAN it is run without
``eval()``: its instance norm uses the statistics of the input.

The tap joins what both halves of that formula hang on: the output of the last residual block and the attention mask.
See :func:`joint_tap` for how they are scaled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from perturbations.targets.interface import Layout, Manipulation
from perturbations.targets.label_translator import LabelTranslator, infer_translator
from perturbations.targets.networks.attentiongan import AttentionGANGenerator, blend


def joint_tap(bottleneck: Tensor, attention: Tensor, *, rms: Tensor) -> Tensor:
    """Bottleneck and attention as one tap, ``[B, N]``, such that neither dwarfs the other.

    Both are first put on one scale (the bottleneck divided by its expected root mean square ``rms``; the attention
    lies in [0, 1] already), then weighted by how many elements they have, so that for two taps
    ``MSE(a, b) = MSE(bottleneck) / (2 rms²) + MSE(attention) / 2``: each part counts half, whatever the width.
    """
    parts = [(bottleneck / rms).flatten(1), attention.flatten(1)]
    total = sum(part.shape[1] for part in parts)
    return torch.cat([part * (total / (2 * part.shape[1])) ** 0.5 for part in parts], dim=1)


class AttentionGAN(LabelTranslator):
    """AttentionGAN as a target; an edit is a full label vector. The output is clipped, as a saved image is."""

    architecture = "attentiongan"
    paradigm = "attention-masked translation"
    network = AttentionGANGenerator
    generator: AttentionGANGenerator

    def manipulate(self, x: Tensor, edit: str) -> Manipulation:
        bottleneck = self.generator.encode(x, self.labels_of(x, edit))
        painting = self.generator.paint(bottleneck)
        tap = joint_tap(bottleneck, painting.attention, rms=self.generator.bottleneck_rms())
        return Manipulation(blend(x, painting).clamp(-1, 1), tap)

    @classmethod
    def infer_config(cls, layout: Layout) -> Mapping[str, Any] | None:
        return infer_translator(layout, head="main", channels=4)
