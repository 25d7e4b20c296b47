"""The frontal-face cascade that comes inside OpenCV. It looks again at the finds of the learned detector."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from perturbations.faces.crop import SCALE, SHIFT_DOWN
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


VIEW: Final = 76
"""Side of the picture in which the cascade looks at a find."""
SQUARE: Final = 46.0
"""Side of the find's square in it."""
LEAST_WEIGHT: Final = 3.0
"""Least sum of the last stage's votes for a face that is looked for at a known place; see :func:`detect`."""
TURNED_WEIGHT: Final = 4.0
"""And where it is turned, since there are more chances then."""
DRAWN: Final = 64.0
"""Side of a find's square in the picture in which the cascade draws its own, and that picture's side."""
DRAWN_VIEW: Final = 144
DRAWN_WEIGHT: Final = 2.0
"""Least sum of votes for such a square."""
DRAWN_NEAR: Final = 0.35
"""How far from the find its centre may lie, in sides."""
NEAR: Final = 0.25
"""How far from the find the face may lie, in sides of the square."""
Square = tuple[float, float, float]
"""The centre's x and y, and the side."""


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


def confirms(picture: RgbArray, square: Square, turns: Sequence[int]) -> bool:
    """Whether there is a face in a square of ``[H, W, 3]``. Where exactly is not asked: noise moves its boxes.

    turns: by how many degrees the picture is turned, one after the other, until there is a face.
    """
    x, y, side = square
    least, most = (max(MIN_SIDE, round(share * SQUARE)) for share in (0.75, 1.35))
    for turn in turns:
        matrix = cv2.getRotationMatrix2D((x, y), turn, SQUARE / side)
        matrix[:, 2] = matrix[:, 2] + (VIEW / 2 - np.array([x, y]))
        view = cv2.warpAffine(picture, matrix, (VIEW, VIEW), borderMode=cv2.BORDER_REPLICATE)
        boxes, _, weights = _classifier().detectMultiScale3(
            cv2.cvtColor(view, cv2.COLOR_RGB2GRAY),
            scaleFactor=1.1,
            minNeighbors=5,
            minSize=(least, least),
            maxSize=(most, most),
            outputRejectLevels=True,
        )
        for (left, top, across, _), weight in zip(boxes, np.ravel(weights), strict=True):
            if weight < (TURNED_WEIGHT if turn else LEAST_WEIGHT):
                continue
            centre = np.array([left + across / 2, top + (0.5 + SHIFT_DOWN) * across])
            if np.abs(centre - VIEW / 2).max() <= NEAR * SQUARE:
                return True
    return False


def drawn(picture: RgbArray, square: Square, turns: Sequence[int]) -> Square | None:
    """The square of the crop of the face in a square of ``[H, W, 3]``; ``None`` if the cascade does not know it.

    turns: by how many degrees the picture is turned, one after the other, until it does.
    """
    x, y, side = square
    for turn in turns:
        matrix = cv2.getRotationMatrix2D((x, y), turn, DRAWN / side)
        matrix[:, 2] = matrix[:, 2] + (DRAWN_VIEW / 2 - np.array([x, y]))
        view = cv2.warpAffine(picture, matrix, (DRAWN_VIEW, DRAWN_VIEW), borderMode=cv2.BORDER_REPLICATE)
        boxes, _, weights = _classifier().detectMultiScale3(
            cv2.cvtColor(view, cv2.COLOR_RGB2GRAY),
            scaleFactor=1.1,
            minNeighbors=3,
            minSize=(round(0.56 * DRAWN),) * 2,
            maxSize=(round(1.56 * DRAWN),) * 2,
            outputRejectLevels=True,
        )
        near = [
            (float(weight), centre_x, centre_y, float(SCALE * across))
            for (left, top, across, _), weight in zip(boxes, np.ravel(weights), strict=True)
            for centre_x, centre_y in [(left + across / 2, top + (0.5 + SHIFT_DOWN) * across)]
            if max(abs(centre_x - DRAWN_VIEW / 2), abs(centre_y - DRAWN_VIEW / 2)) <= DRAWN_NEAR * DRAWN
        ]
        weight, centre_x, centre_y, across = max(near, default=(0.0, 0.0, 0.0, 0.0))
        if weight >= DRAWN_WEIGHT:
            back = cv2.invertAffineTransform(matrix)
            at = back @ np.array([centre_x, centre_y, 1.0])
            return float(at[0]), float(at[1]), across * side / DRAWN
    return None


def _classifier() -> cv2.CascadeClassifier:
    if _local.cascade is None:
        _local.cascade = cv2.CascadeClassifier(str(Path(cv2.__file__).parent / CASCADE))
    return _local.cascade


def detect(image: RgbArray) -> Finds:
    """What the cascade finds in a picture as it is."""
    least = max(MIN_SIDE, round(MIN_SIDE_SHARE * min(image.shape[:2])))
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
