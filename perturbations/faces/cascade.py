"""The frontal-face cascade that comes inside OpenCV. It looks again at the finds of the learned detector.

Of a view of the find it is asked for every window that passes, not for boxes: the windows' votes together say more, so
few sizes of a small view suffice.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from perturbations.faces.crop import SCALE, SHIFT_DOWN
from perturbations.images import RgbArray

CASCADE: Final = "data/haarcascade_frontalface_default.xml"
WINDOW: Final = 24
"""The cascade's own window: smaller faces do not exist for it."""
TURNED: Final = 0.75
"""What a vote counts where the picture is turned, since there are more chances then."""
DRAWN_VOTES: Final = 3.0
"""Least sum of the votes where a face's square is drawn: it is known to be there."""
PLENTY: Final = 16.0
"""So many leave no doubt which way up it is."""
TOO_LARGE: Final = 1.04
"""Times its right side of a square so drawn: near the median of 330 photos."""
Square = tuple[float, float, float]
"""The centre's x and y, and the side."""
_Values = npt.NDArray[np.float64]


class _Local(threading.local):
    """A classifier is not safe to share, so every thread has its own; it is made when first used."""

    cascade: cv2.CascadeClassifier | None = None


_local = _Local()


@dataclass(frozen=True, slots=True)
class View:
    """A way to look at a find.

    side: of its square, in pixels of the view. across: of the view. step: from one size of windows to the next. least,
    most: their sizes, in sides of the square. near: how far from the find a face's centre may lie, in sides.
    """

    side: float
    across: int
    step: float
    least: float
    most: float
    near: float

    def seen(self, picture: RgbArray, square: Square, turn: int) -> tuple[_Values, _Values]:
        """The squares of the windows near the find once the picture is turned by so many degrees, and their votes.

        The squares are rows, in the picture.
        """
        x, y, side = square
        matrix = cv2.getRotationMatrix2D((x, y), turn, self.side / side)
        matrix[:, 2] = matrix[:, 2] + (self.across / 2 - np.array([x, y]))
        view = cv2.warpAffine(picture, matrix, (self.across, self.across), borderMode=cv2.BORDER_REPLICATE)
        boxes, _, votes = _classifier().detectMultiScale3(
            cv2.cvtColor(view, cv2.COLOR_RGB2GRAY),
            scaleFactor=self.step,
            minNeighbors=0,
            minSize=(max(WINDOW, round(self.least * self.side)),) * 2,
            maxSize=(max(WINDOW, round(self.most * self.side)),) * 2,
            outputRejectLevels=True,
        )
        if not len(boxes):
            return np.empty((0, 3)), np.empty(0)
        windows = np.asarray(boxes, dtype=np.float64)
        middles = windows[:, :2] + windows[:, 2:3] * (0.5, 0.5 + SHIFT_DOWN)
        near = np.abs(middles - self.across / 2).max(axis=1) <= self.near * self.side
        there = cv2.invertAffineTransform(matrix)
        centres = middles[near] @ there[:, :2].T + there[:, 2]
        sides = windows[near, 2:3] * (SCALE * side / self.side)
        return np.concatenate((centres, sides), axis=1), np.ravel(votes)[near].clip(0)


CONFIRMING: Final = View(side=37, across=56, step=1.2, least=0.75, most=1.35, near=0.25)
DRAWING: Final = View(side=45, across=91, step=1.1, least=0.56, most=1.56, near=0.35)


def confirms(picture: RgbArray, square: Square, turns: Sequence[int], least: float) -> bool:
    """Whether there is a face in a square of ``[H, W, 3]``. Where exactly is not asked.

    Args:
        picture: where it is.
        square: the place.
        turns: by how many degrees the picture is turned, one after the other, until there is a face.
        least: the votes that its windows must have together; more where it is turned.
    """
    return any(CONFIRMING.seen(picture, square, turn)[1].sum() >= least / (TURNED if turn else 1.0) for turn in turns)


def drawn(picture: RgbArray, square: Square, turns: Sequence[int]) -> Square | None:
    """The square of the crop of the face in a square of ``[H, W, 3]``; ``None`` if the cascade does not know it.

    It is the mean of the face's windows. turns: by how many degrees the picture is turned; the one with most votes
    counts, and none comes after one with plenty.
    """
    best, most = None, DRAWN_VOTES
    for turn in turns:
        squares, votes = DRAWING.seen(picture, square, turn)
        if votes.sum() >= most:
            best, most = _mean(squares, votes), float(votes.sum())
        if most >= PLENTY:
            break
    return best


def _mean(squares: _Values, votes: _Values) -> Square:
    shares = votes / votes.sum()
    across, down = shares @ squares[:, :2]
    return float(across), float(down), float(np.exp(shares @ np.log(squares[:, 2]))) / TOO_LARGE


def _classifier() -> cv2.CascadeClassifier:
    if _local.cascade is None:
        _local.cascade = cv2.CascadeClassifier(str(Path(cv2.__file__).parent / CASCADE))
    return _local.cascade
