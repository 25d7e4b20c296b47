"""The perturbation of a grey photo: the same change in every channel, so that grey stays grey."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from perturbations.bounds import Linf

if TYPE_CHECKING:
    from perturbations.artifact import Perturbation


def luminance(perturbation: Perturbation) -> Tensor:
    """δ of one channel, ``[1, 1, 256, 256]``, inside the bound.

    The mean over the channels, made as large as δ was on average, then projected. Of the shipped δ, on 20 grey faces of
    UTKFace, this leaves 0.13 of 0.14 for the AttentionGAN (every edit interrupted), as weights of luma do (0.129), and
    one channel alone no more (red 0.147, green 0.118, blue 0.038). For the StarGAN it leaves nothing, 0.002 of 0.122,
    and neither does any other of these: colour is what disturbs it.
    """
    delta = perturbation.delta
    mean = delta.mean(dim=1, keepdim=True)
    size = float(mean.abs().mean())
    gain = float(delta.abs().mean()) / size if size > 0.0 else 1.0
    return Linf(perturbation.epsilon).project(mean * gain)
