"""The frontal-face cascade alone, over a whole picture: what Poise had before it had a detector of its own."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from perturbations.faces import Found
from perturbations.faces.cascade import CASCADE, WINDOW
from perturbations.faces.reduced import MAX_SIDE, Finds, located
from perturbations.images import RgbArray

MIN_SIDE_SHARE = 0.05
"""Smallest face looked for, as a share of the picture's shorter side."""


def cascade(image: RgbArray, *, reduction: float = 1.0) -> Found:  # noqa: ARG001 - it has no finer search
    """Upright frontal faces of ``[H, W, 3]``."""
    return Found(tuple(located(image, MAX_SIDE, _detect)))


def _detect(image: RgbArray) -> Finds:
    least = max(WINDOW, round(MIN_SIDE_SHARE * min(image.shape[:2])))
    boxes, _, weights = _classifier().detectMultiScale3(
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


@cache
def _classifier() -> cv2.CascadeClassifier:
    return cv2.CascadeClassifier(str(Path(cv2.__file__).parent / CASCADE))
