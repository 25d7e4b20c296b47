"""The perturbation of a grey photo: the same change in every channel, so that grey stays grey."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from perturbations.bounds import Linf

if TYPE_CHECKING:
    from perturbations.artifact import Perturbation


def luminance(perturbation: Perturbation) -> Tensor:
    """δ of one channel, ``[1, 1, 256, 256]``, inside the bound."""
    delta = perturbation.delta
    mean = delta.mean(dim=1, keepdim=True)
    size = float(mean.abs().mean())
    gain = float(delta.abs().mean()) / size if size > 0.0 else 1.0
    return Linf(perturbation.epsilon).project(mean * gain)
