"""The frontal-face cascade that comes inside OpenCV: what the learned detector misses in good light it may find."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from perturbations.faces.face import Face
from perturbations.faces.reduced import MAX_SIDE, MIN_SIDE, Finds, located
from perturbations.images import RgbArray

CASCADE: Final = "data/haarcascade_frontalface_default.xml"
COARSE_SIDE: Final = 512
"""The cascade looks at this size first; it takes a third of the time, and misses one in eight of the smallest faces."""
PLAIN_SHARE: Final = 0.15
"""If every face found has at least this part of the picture's longer side, the search stops."""
MIN_SIDE_SHARE: Final = 0.05
"""Smallest face looked for, as a share of the picture's shorter side."""


class _Local(threading.local):
    """A classifier is not safe to share, so every thread has its own; it is made when first used."""

    cascade: cv2.CascadeClassifier | None = None


_local = _Local()


def cascade(image: RgbArray, *, reduction: float = 1.0) -> list[Face]:  # noqa: ARG001 - it has no finer search
    """Upright frontal faces of ``[H, W, 3]``, the surest first, none overlapping another."""
    faces = located(image, COARSE_SIDE, detect)
    longer = max(image.shape[:2])
    if longer <= COARSE_SIDE or (faces and min(f.height for f in faces) >= PLAIN_SHARE * longer):
        return faces
    return located(image, MAX_SIDE, detect)


def detect(image: RgbArray) -> Finds:
    """What the cascade finds in a picture as it is."""
    if _local.cascade is None:
        _local.cascade = cv2.CascadeClassifier(str(Path(cv2.__file__).parent / CASCADE))
    least = max(MIN_SIDE, round(MIN_SIDE_SHARE * min(image.shape[:2])))
    boxes, _, weights = _local.cascade.detectMultiScale3(
        cv2.cvtColor(image, cv2.COLOR_RGB2GRAY),
        scaleFactor=1.1,
        minNeighbors=5,
        minSize=(least, least),
        outputRejectLevels=True,
    )
    # weights are sums of the last stage's votes: about 8 for a face, most false finds stay below 2
    return [
        (np.asarray(box, dtype=np.float64), 1.0 / (1.0 + math.exp(3.0 - float(weight))))
        for box, weight in zip(boxes, np.ravel(weights), strict=True)
    ]
