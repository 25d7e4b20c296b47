"""AttentionGAN: cycle consistency, and an attention mask that must neither close nor open everywhere."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from perturbations.lab.surrogates.recipes.base import EDITS, LabelRecipe, Translation
from perturbations.targets.attentiongan import AttentionGAN
from perturbations.targets.interface import Target
from perturbations.targets.networks.attentiongan import AttentionGANGenerator, blend


class AttentionGANRecipe(LabelRecipe):
    """Losses of Tang et al. (TNNLS 2021), with logistic loss and R1 in place of WGAN-GP.

    The paper pulls the mask towards closed, so that it does not saturate, and keeps it smooth. At this size that alone
    closes it: trained like StarGAN, a signal nobody can see satisfied the classifier (reconstruction L1 .004, nothing
    manipulated). Hence a hinge: the pull towards closed ends, and one towards open begins, when the mean over a face's
    mask falls below ``attention_floor``. The identity loss is added as for StarGAN.
    """

    cycle_weight: ClassVar[float] = 10.0
    identity_weight: ClassVar[float] = 5.0
    attention_floor: ClassVar[float] = 0.25
    closed_weight: ClassVar[float] = 10.0
    open_weight: ClassVar[float] = 0.2
    smooth_weight: ClassVar[float] = 0.5
    generator: AttentionGANGenerator

    @classmethod
    def build(cls, *, image_size: int, width: int) -> Target:
        return AttentionGAN(edits=EDITS, image_size=image_size, conv_dim=width, c_dim=2, repeat_num=6)

    def translate(self, x: Tensor, source: Tensor, wanted: Tensor) -> Translation:
        del source
        painting = self.generator.paint(self.generator.encode(x, wanted))
        return Translation(blend(x, painting), painting.attention)

    def own_loss(self, x: Tensor, source: Tensor, translation: Translation) -> dict[str, Tensor]:
        back = self.generator(translation.fake, source)
        return {
            "g_cycle": self.cycle_weight * F.l1_loss(back.float(), x),
            **self.attention_loss(translation.kept.float()),
        }

    def attention_loss(self, attention: Tensor) -> dict[str, Tensor]:
        """The terms of a mask ``[B, 1, H, W]`` in [0, 1]: closed, open (each on the mean over a face), and rough.

        Roughness is the anisotropic total variation, mean absolute difference of neighbours along both axes.
        """
        mean = attention.mean(dim=(1, 2, 3))
        rough = attention.diff(dim=2).abs().mean() + attention.diff(dim=3).abs().mean()
        return {
            "g_closed": self.closed_weight * F.relu(self.attention_floor - mean).mean(),
            "g_open": self.open_weight * F.relu(mean - self.attention_floor).mean(),
            "g_rough": self.smooth_weight * rough,
        }
