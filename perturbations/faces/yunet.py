"""YuNet (Wu et al., 2023), if the operator names its ONNX file."""

from __future__ import annotations

import threading
from functools import partial
from typing import Final

import cv2
import numpy as np

from perturbations.errors import BadInput
from perturbations.faces.face import Face
from perturbations.faces.reduced import MAX_SIDE, Finds, located
from perturbations.images import RgbArray

EYE_DISTANCE: Final = 0.367
"""Distance of the eyes over the side of the cascade's box: median of 200 LFW faces whose eyes its eye cascade found."""
EYE_LEVEL: Final = 0.391
"""Height of the eyes below the top of the cascade's box, in sides, from the same faces."""


class _Local(threading.local):
    """Detectors are not safe to share, so every thread has its own; they are made when first used."""

    def __init__(self) -> None:
        self.detectors: dict[str, cv2.FaceDetectorYN] = {}


_local = _Local()


def yunet(image: RgbArray, model: str) -> list[Face]:
    """Faces of ``[H, W, 3]``, the surest first, none overlapping another.

    Raises:
        BadInput: the model file is missing or is not a YuNet.
    """
    return located(image, MAX_SIDE, partial(_detect, model=model))


def _detect(image: RgbArray, model: str) -> Finds:
    height, width = image.shape[:2]
    if model not in _local.detectors:
        try:
            _local.detectors[model] = cv2.FaceDetectorYN.create(model, "", (width, height), score_threshold=0.6)
        except cv2.error as error:
            raise BadInput(
                f"{model} cannot be used as a YuNet face model; set POISE_YUNET_MODEL to its .onnx"
            ) from error
    detector = _local.detectors[model]
    detector.setInputSize((width, height))
    _, rows = detector.detect(np.ascontiguousarray(image[:, :, ::-1]))
    return [] if rows is None else [(_as_cascade_box(row), min(float(row[14]), 0.999)) for row in rows]


def _as_cascade_box(row: np.ndarray) -> np.ndarray:
    """The box the cascade would draw, which is what the crop is calibrated for, from YuNet's row for one face.

    The row is ``x, y, width, height``, five landmarks (the eyes first), score. The box follows from the eyes; where
    the head is turned and they come close, from the width of the face.
    """
    right, left = row[4:6], row[6:8]
    side = max(float(np.hypot(*(left - right))) / EYE_DISTANCE, float(row[2]))
    middle = (left + right) / 2.0
    return np.array([middle[0] - side / 2.0, middle[1] - EYE_LEVEL * side, side, side], dtype=np.float64)
