"""What a photo has little of and δ has much: fine detail, weighed by how much of it there is around a place."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from perturbations.pattern import Floats

Spectra = npt.NDArray[np.complex64]

SIGMA: Final = 0.7
"""Sigma of that Gaussian unless another is asked for."""
AROUND: Final = 2.0
"""Sigma of the Gaussian over which the remaining detail is measured, in pixels."""
LEFT: Final = 4.0
"""Squared remaining detail that counts in full; about what δ alone leaves."""
OPPONENT: Final = np.array(
    [[3**-0.5, 3**-0.5, 3**-0.5], [2**-0.5, 0.0, -(2**-0.5)], [6**-0.5, -2 * 6**-0.5, 6**-0.5]], dtype=np.float32
)
"""Brightness and two differences of colours, from red, green and blue."""


def spectra(pixels: Floats, across: int) -> Spectra:
    """Of ``[H, W, C]``, filled up with zeros: ``[C, across, across // 2 + 1]``."""
    return np.fft.rfft2(pixels.transpose(2, 0, 1), s=(across, across)).astype(np.complex64)


def residue(pixels: Floats, channels: int) -> Floats:
    """The residue of ``pixels [H, W, 3]``; places count less the more of it they have."""
    found = fine(pixels[:, :, :channels])
    left = cv2.GaussianBlur(np.square(found), (0, 0), AROUND).reshape(found.shape)
    weighed: Floats = found / (left + LEFT)
    return weighed


def fine(pixels: Floats, *, sigma: float = SIGMA) -> Floats:
    """``[H, W, C]`` without its coarse detail; of three colours, brightness and colours apart.

    sigma: of the Gaussian whose blur is subtracted, in pixels.
    """
    apart: Floats = np.ascontiguousarray(pixels @ OPPONENT.T if pixels.shape[2] == 3 else pixels, dtype=np.float32)
    coarse = cv2.GaussianBlur(apart, (0, 0), sigma).astype(np.float32).reshape(apart.shape)
    rest: Floats = apart - coarse
    return rest
