"""Find faces, with what is already installed: the frontal-face cascade that comes inside OpenCV.

YuNet (Wu et al., 2023) finds turned and small faces better; it is used if the caller names its ONNX file.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal

import cv2
import numpy as np

from perturbations.errors import BadInput
from perturbations.images import RgbArray

CASCADE: Final = "data/haarcascade_frontalface_default.xml"
MAX_SIDE: Final = 1024
"""Pictures are searched at no more than this many pixels on their longer side."""
COARSE_SIDE: Final = 512
"""The cascade looks at this size first; it takes a third of the time, and misses one in eight of the smallest faces."""
PLAIN_SHARE: Final = 0.15
"""If every face found has at least this part of the picture's longer side, the search stops."""
MIN_SIDE: Final = 24
"""The cascade's own window: smaller faces do not exist for it."""
MIN_SIDE_SHARE: Final = 0.05
"""Smallest face looked for, as a share of the picture's shorter side."""
MIN_CONFIDENCE: Final = 0.2
"""A find below this confidence counts as none. On 600 LFW pictures 99 % of the pictured faces lie above 0.38."""
EYE_DISTANCE: Final = 0.367
"""Distance of the eyes over the side of the cascade's box: median of 200 LFW faces whose eyes its eye cascade found."""
EYE_LEVEL: Final = 0.391
"""Height of the eyes below the top of the cascade's box, in sides, from the same faces."""
MIN_SHARE_OF_SUREST: Final = 0.6
"""A find much less sure than another one in the picture counts as none: it is background more often than a face."""
MAX_OVERLAP: Final = 0.3
"""Of two finds that share more than this part of the smaller one, the surer one stays."""


@dataclass(frozen=True, slots=True)
class Face:
    """A face: its box in pixels of the picture, how sure the locator is, in (0, 1), and whether it was found at all.

    One that was given by the caller has the confidence 1.
    """

    x: int
    y: int
    width: int
    height: int
    confidence: float
    source: Literal["found", "given"] = "found"


Locate = Callable[[RgbArray], list[Face]]
"""What finds the faces of ``[H, W, 3]``: :func:`locate`, with a model or without."""
Finds = Sequence[tuple[np.ndarray, float]]
"""Boxes ``(x, y, width, height)`` with confidences in (0, 1)."""


def locator(model: Path | None) -> Locate:
    """:func:`locate` with a YuNet ONNX file, or with the cascade if there is none."""
    return partial(locate, model=None if model is None else str(model))


def locate(image: RgbArray, *, model: str | None = None) -> list[Face]:
    """Faces of ``[H, W, 3]``, the surest first, none overlapping another.

    Args:
        model: a YuNet ONNX file; without one, the cascade is used.

    Raises:
        BadInput: the model file is missing or is not a YuNet.
    """
    if model:
        return _located(image, MAX_SIDE, partial(_yunet, model=model))
    faces = _located(image, COARSE_SIDE, _cascade)
    longer = max(image.shape[:2])
    if longer <= COARSE_SIDE or (faces and min(f.height for f in faces) >= PLAIN_SHARE * longer):
        return faces
    return _located(image, MAX_SIDE, _cascade)


def _located(image: RgbArray, side: int, detect: Callable[[RgbArray], Finds]) -> list[Face]:
    """What ``detect`` finds with the picture's longer side reduced to at most ``side`` pixels; see :func:`locate`."""
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


def separate(faces: Iterable[Face]) -> list[Face]:
    """The surest of every group of faces that overlap, the surest first."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda f: (-f.confidence, -f.width * f.height, f.y, f.x)):
        if all(_overlap(face, other) <= MAX_OVERLAP for other in kept):
            kept.append(face)
    return kept


def _overlap(a: Face, b: Face) -> float:
    """Shared area over the smaller area."""
    across = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    down = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    return max(0, across) * max(0, down) / max(1, min(a.width * a.height, b.width * b.height))


class _Local(threading.local):
    """Detectors are not safe to share, so every thread has its own; they are made when first used."""

    def __init__(self) -> None:
        self.cascade: cv2.CascadeClassifier | None = None
        self.yunet: dict[str, cv2.FaceDetectorYN] = {}


_local = _Local()


def _cascade(image: RgbArray) -> Finds:
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


def _yunet(image: RgbArray, model: str) -> Finds:
    height, width = image.shape[:2]
    if model not in _local.yunet:
        try:
            _local.yunet[model] = cv2.FaceDetectorYN.create(model, "", (width, height), score_threshold=0.6)
        except cv2.error as error:
            raise BadInput(
                f"{model} cannot be used as a YuNet face model; set POISE_YUNET_MODEL to its .onnx"
            ) from error
    detector = _local.yunet[model]
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
