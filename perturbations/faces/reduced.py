"""Detectors that look at one reduced copy of the picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import cv2
import numpy as np

from perturbations.faces.face import Face, separate
from perturbations.images import RgbArray

MAX_SIDE: Final = 1024
"""Pictures are searched at no more than this many pixels on their longer side."""
MIN_SIDE: Final = 24
"""The cascade's own window: smaller faces do not exist for it."""
MIN_CONFIDENCE: Final = 0.2
"""A find below this confidence counts as none. On 600 LFW pictures 99 % of the pictured faces lie above 0.38."""
MIN_SHARE_OF_SUREST: Final = 0.6
"""A find much less sure than another one in the picture counts as none: it is background more often than a face."""
Finds = Sequence[tuple[np.ndarray, float]]
"""Boxes ``(x, y, width, height)`` with confidences in (0, 1)."""


def located(image: RgbArray, side: int, detect: Callable[[RgbArray], Finds]) -> list[Face]:
    """What ``detect`` finds with the picture's longer side reduced to at most ``side`` pixels, the surest first."""
    height, width = image.shape[:2]
    shrink = min(1.0, side / max(height, width))
    small_width, small_height = max(1, round(width * shrink)), max(1, round(height * shrink))
    if min(small_width, small_height) < MIN_SIDE:
        return []
    small = image
    if shrink < 1.0:
        small = cv2.resize(image, (small_width, small_height), interpolation=cv2.INTER_AREA).astype(np.uint8)
    finds = detect(small)
    least = max([MIN_CONFIDENCE, *(MIN_SHARE_OF_SUREST * confidence for _, confidence in finds)])
    scale = np.array([width / small_width, height / small_height] * 2)
    faces = []
    for box, confidence in finds:
        x, y, across, down = (round(float(v)) for v in box * scale)
        if confidence >= least:
            faces.append(Face(x, y, across, down, confidence))
    return separate(faces)
