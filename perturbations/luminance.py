"""The perturbation of a grey photo: the same change in every channel, so that grey stays grey."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from perturbations.bounds import Linf, rms

if TYPE_CHECKING:
    from perturbations.artifact import Perturbation


def luminance(perturbation: Perturbation) -> Tensor:
    """δ of one channel, ``[1, 1, 256, 256]``, inside the bound.

    The mean over the channels, brought to the root mean square of δ, then projected. It is about what weights of luma
    leave. A generator that feels colour alone, as the StarGAN that ships, is not disturbed by it.
    """
    delta = perturbation.delta
    mean = delta.mean(dim=1, keepdim=True)
    size = float(rms(mean))
    gain = float(rms(delta)) / size if size > 0.0 else 1.0
    return Linf(perturbation.epsilon).project(mean * gain)
