"""StarGAN (Choi et al., CVPR 2018): label-conditioned image-to-image translation.

The tap is the output of the last residual block. Layout: ``*-G.ckpt`` of the official implementation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from perturbations.targets.interface import Layout, Manipulation
from perturbations.targets.label_translator import LabelTranslator, infer_translator
from perturbations.targets.networks.stargan import StarGANGenerator


class StarGAN(LabelTranslator):
    """StarGAN as a target; an edit is a full label vector."""

    architecture = "stargan"
    paradigm = "label-conditioned translation"
    network = StarGANGenerator
    generator: StarGANGenerator

    def manipulate(self, x: Tensor, edit: str) -> Manipulation:
        tap = self.generator.encode(x, self.labels_of(x, edit))
        return Manipulation(self.generator.decode(tap), tap)

    @classmethod
    def infer_config(cls, layout: Layout) -> Mapping[str, Any] | None:
        return infer_translator(layout, head="main", channels=3)
