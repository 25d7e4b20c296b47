"""Compares a photo with a copy that has been resized or compressed on its way."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from perturbations.errors import BadInput
from perturbations.images import RgbArray
from perturbations.scaling import resized

SEEN_AT: Final = 32
"""Pixels a side at which two pictures are compared: protection, noise and compression are gone there."""
MOST_APART: Final = 20.0
"""Steps of 255 that copies are apart there, on average. Other colours and exposure shift all values."""
LEAST_ALIKE: Final = 0.8
"""Correlation of the brightness there, of copies that are further apart than that."""


def aligned(original: RgbArray, copy: RgbArray) -> RgbArray:
    """``original`` at the size of ``copy``; both ``[H, W, 3]``.

    Raises:
        BadInput: ``copy`` has another shape or shows something else.
    """
    (height, width), (high, wide) = original.shape[:2], copy.shape[:2]
    sizes = f"the original has {width}x{height} pixels and the protected picture {wide}x{high}"
    if not _same_shape(width, height, wide, high):
        raise BadInput(f"{sizes}; a copy may be scaled, but neither cropped nor turned")
    if not _alike(original, copy):
        raise BadInput(f"the two pictures do not show the same; {sizes}. Give the photo first and then its copy")
    return resized(original, wide, high)


def _same_shape(width: int, height: int, wide: int, high: int) -> bool:
    """Whether one size is the other one scaled. Software rounds the second side, some of it to an even number."""
    off = min(abs(high - height * wide / width), abs(wide - width * high / height))
    return off < (1 if width == wide or height == high else 2)


def _alike(a: RgbArray, b: RgbArray) -> bool:
    small_a, small_b = (
        cv2.resize(image, (SEEN_AT, SEEN_AT), interpolation=cv2.INTER_AREA).astype(np.float64) for image in (a, b)
    )
    if float(np.abs(small_a - small_b).mean()) <= MOST_APART:
        return True
    grey_a, grey_b = small_a.mean(2) - small_a.mean(), small_b.mean(2) - small_b.mean()
    norm = float(np.sqrt(np.square(grey_a).sum() * np.square(grey_b).sum()))
    return norm > 0 and float((grey_a * grey_b).sum()) / norm >= LEAST_ALIKE
