"""AttGAN: decoding with the photo's own attributes must give the photo; decoding with others, the edit."""

from __future__ import annotations

from typing import Final

import torch.nn.functional as F
from torch import Tensor

from perturbations.lab.surrogates.recipes.base import EDITS, LabelRecipe, Translation
from perturbations.targets.attgan import THRES_INT, AttGAN
from perturbations.targets.interface import Target
from perturbations.targets.networks.attgan import AttGANGenerator

TEST_INT: Final = 1.0
"""Scale of edited attributes, as in the official test code: twice that of training."""


def _scaled(labels: Tensor) -> Tensor:
    return (2.0 * labels - 1.0) * THRES_INT


class AttGANRecipe(LabelRecipe):
    """Losses of He et al. (TIP 2019), with logistic loss and R1 in place of WGAN-GP.

    The paper's balance of reconstruction to attributes is 100 : 10. Reconstruction must not drown the rest: at 50 : 3
    the network became an autoencoder that hardly edits.
    """

    reconstruction_weight = 10.0
    generator: AttGANGenerator

    @classmethod
    def build(cls, *, image_size: int, width: int) -> Target:
        edits = {name: tuple((2.0 * v - 1.0) * TEST_INT for v in labels) for name, labels in EDITS.items()}
        return AttGAN(
            edits=edits,
            image_size=image_size,
            enc_dim=width,
            enc_layers=5,
            dec_dim=width,
            dec_layers=5,
            n_attrs=2,
            shortcut_layers=1,
            inject_layers=0,
        )

    def translate(self, x: Tensor, source: Tensor, wanted: Tensor) -> Translation:
        del source
        maps = self.generator.encode(x)
        return Translation(self.generator.decode(maps, _scaled(wanted)), maps)

    def own_loss(self, x: Tensor, source: Tensor, translation: Translation) -> dict[str, Tensor]:
        same = self.generator.decode(translation.kept, _scaled(source))
        return {"g_reconstruction": self.reconstruction_weight * F.l1_loss(same.float(), x)}
