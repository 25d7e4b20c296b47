"""StarGAN: the edit, turned back with the original labels, must give the photo again (cycle consistency)."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from perturbations.lab.surrogates.recipes.base import EDITS, LabelRecipe, Translation
from perturbations.targets.interface import Target
from perturbations.targets.stargan import StarGAN


class StarGANRecipe(LabelRecipe):
    """Losses of Choi et al. (CVPR 2018), with logistic loss and R1 in place of WGAN-GP; cycle weight 10 as there.

    The identity loss of Zhu et al. (ICCV 2017) is added with its published weight, half the cycle's.
    """

    cycle_weight: ClassVar[float] = 10.0
    identity_weight: ClassVar[float] = 5.0

    @classmethod
    def build(cls, *, image_size: int, width: int) -> Target:
        return StarGAN(edits=EDITS, image_size=image_size, conv_dim=width, c_dim=2, repeat_num=6)

    def translate(self, x: Tensor, source: Tensor, wanted: Tensor) -> Translation:
        del source
        return Translation(self.generator(x, wanted), None)

    def own_loss(self, x: Tensor, source: Tensor, translation: Translation) -> dict[str, Tensor]:
        back = self.generator(translation.fake, source)
        return {"g_cycle": self.cycle_weight * F.l1_loss(back.float(), x)}
