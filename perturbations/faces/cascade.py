"""The frontal-face cascade that comes inside OpenCV. It looks again at the finds of the learned detector."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

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

SQUARE: Final = 46.0
"""Side of a find's square in the view in which the cascade confirms it."""
DRAWN: Final = 64.0
"""And in the view in which it draws its own."""
LEAST_WEIGHT: Final = 3.0
"""Least sum of the last stage's votes for a face that is looked for at a known place; see :func:`detect`."""
TURNED_WEIGHT: Final = 4.0
"""And where it is turned, since there are more chances then."""
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
    for turn in turns:
        least = TURNED_WEIGHT if turn else LEAST_WEIGHT
        if any(one.weight >= least and one.off <= NEAR for one in _CONFIRMING.seen(picture, square, turn)):
            return True
    return False


def drawn(picture: RgbArray, square: Square, turns: Sequence[int]) -> Square | None:
    """The square of the crop of the face in a square of ``[H, W, 3]``; ``None`` if the cascade does not know it.

    turns: by how many degrees the picture is turned, one after the other, until it does.
    """
    for turn in turns:
        near = [one for one in _DRAWING.seen(picture, square, turn) if one.off <= DRAWN_NEAR]
        best = max(near, key=lambda one: one.weight, default=None)
        if best is not None and best.weight >= DRAWN_WEIGHT:
            return best.square
    return None


class _Seen(NamedTuple):
    """A face in a view. weight: the last stage's votes; see :func:`detect`. off: of the view's middle, in its sides."""

    weight: float
    off: float
    square: Square
    """Of its crop, in the picture."""


@dataclass(frozen=True, slots=True)
class _View:
    """A way to look at a find: its square's side and the view's, in pixels, the votes a box needs, and its sizes."""

    side: float
    across: int
    votes: int
    least: float
    most: float

    def seen(self, picture: RgbArray, square: Square, turn: int) -> list[_Seen]:
        """The faces there, once the picture is turned by so many degrees."""
        x, y, side = square
        matrix = cv2.getRotationMatrix2D((x, y), turn, self.side / side)
        matrix[:, 2] = matrix[:, 2] + (self.across / 2 - np.array([x, y]))
        view = cv2.warpAffine(picture, matrix, (self.across, self.across), borderMode=cv2.BORDER_REPLICATE)
        boxes, _, weights = _classifier().detectMultiScale3(
            cv2.cvtColor(view, cv2.COLOR_RGB2GRAY),
            scaleFactor=1.1,
            minNeighbors=self.votes,
            minSize=(max(MIN_SIDE, round(self.least * self.side)),) * 2,
            maxSize=(max(MIN_SIDE, round(self.most * self.side)),) * 2,
            outputRejectLevels=True,
        )
        back = cv2.invertAffineTransform(matrix)
        found = []
        for (left, top, width, _), weight in zip(boxes, np.ravel(weights), strict=True):
            centre = np.array([left + width / 2, top + (0.5 + SHIFT_DOWN) * width, 1.0])
            off = float(np.abs(centre[:2] - self.across / 2).max()) / self.side
            there = back @ centre
            crop = (float(there[0]), float(there[1]), SCALE * float(width) * side / self.side)
            found.append(_Seen(float(weight), off, crop))
        return found


_CONFIRMING: Final = _View(SQUARE, across=76, votes=5, least=0.75, most=1.35)
_DRAWING: Final = _View(DRAWN, across=144, votes=3, least=0.56, most=1.56)


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
