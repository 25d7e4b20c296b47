"""The learned face detector that the package ships: a small network over a pyramid of reduced copies of the picture.

The network knows faces of one octave, 15 to 38 pixels, at any angle; ``perturbations/lab/detector`` trains it. Every
face lies in that octave in one of the copies. The cost is that of the largest copy and a third.
"""

from __future__ import annotations

import math
import threading
from functools import cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from perturbations.faces.crop import SCALE, SHIFT_DOWN
from perturbations.faces.face import Face
from perturbations.images import RgbArray

MODEL: Final = Path(__file__).parents[1] / "assets" / "detector" / "faces.onnx"
STRIDE: Final = 8
SHIFT_UNIT: Final = 16.0
SIDE_UNIT: Final = 24.0
"""As in the training; see ``perturbations/lab/detector/network.py``."""
PLAIN_SIDE: Final = 384
"""Pictures are searched at this longer side at least, unless they are smaller."""
REDUCTION: Final = 3.0
"""And at no more than what this reduction leaves of the longer side: faces of 48 pixels are found."""
MAX_SIDE: Final = 1600
"""And at no more than this one."""
BORDERED: Final = 130
"""Copies with no longer side than this get a border: in them, a face is large, and without it little is around it."""
BORDER: Final = 24
LEAST_COPY: Final = 20
"""The pyramid ends before the longer side is below this: the largest face fills the picture."""
BRIGHTEST: Final = 0.98
DARK: Final = 180.0
"""A picture is dark if so large a part of its values lies below this one."""
MAX_GAIN: Final = 8.0
LEAST_LOGIT: Final = -1.5
"""Cells below this logit say nothing about a face."""
LEAST_SURE: Final = 2.4
"""Finds that are less sure count as none. Here 1 % of photos without faces have a find."""
SAME: Final = 0.4
"""Finds that overlap by more than this part of what they cover together are one face."""
Boxes = npt.NDArray[np.float64]
"""``[N, 4]``: the centre's x and y, the side of the square, and how sure it is: a logit, or the sum of several."""


class _Local(threading.local):
    """A network is not safe to share, so every thread has its own; it is made when first used."""

    network: cv2.dnn.Net | None = None


_local = _Local()


@cache
def _weights() -> npt.NDArray[np.uint8]:
    return np.frombuffer(MODEL.read_bytes(), np.uint8)


def squares(image: RgbArray, *, reduction: float = 1.0) -> Boxes:
    """The squares around the faces of ``[H, W, 3]`` that generators' pipelines would cut out, the surest first.

    Args:
        image: a photo, or a reduced copy of it.
        reduction: how many times larger the photo is. A large one is searched more finely.
    """
    longer = max(image.shape[:2])
    side = min(MAX_SIDE, max(PLAIN_SIDE, longer * reduction / REDUCTION))
    copy = _lit(_reduced(image, min(1.0, side / longer)))
    found = []
    while True:
        border = BORDER if max(copy.shape[:2]) <= BORDERED else 0
        boxes = read_cells(_cells(copy, border), LEAST_LOGIT)
        boxes[:, :2] -= border
        boxes[:, :2] = (boxes[:, :2] + 0.5) * (image.shape[1] / copy.shape[1], image.shape[0] / copy.shape[0]) - 0.5
        boxes[:, 2] *= longer / max(copy.shape[:2])
        found.append(boxes)
        if max(copy.shape[:2]) < 2 * LEAST_COPY:
            return merged(np.concatenate(found))
        copy = _reduced(copy, 0.5)


def _reduced(picture: RgbArray, share: float) -> RgbArray:
    if share >= 1.0:
        return picture
    size = (max(1, round(picture.shape[1] * share)), max(1, round(picture.shape[0] * share)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _lit(picture: RgbArray) -> RgbArray:
    """A dark picture with its light raised, as far as its brightest parts allow."""
    bright = float(np.quantile(picture[::4, ::4], BRIGHTEST))
    if bright >= DARK:
        return picture
    return cv2.convertScaleAbs(picture, alpha=min(MAX_GAIN, DARK / max(bright, 1.0))).astype(np.uint8, copy=False)


def _cells(picture: RgbArray, border: int) -> npt.NDArray[np.float32]:
    """The network's answer for a picture with its edge repeated ``border`` times around it, ``[4, rows, columns]``."""
    if _local.network is None:
        _local.network = cv2.dnn.readNetFromONNX(_weights())
    if border:
        picture = _bordered(picture, border, border, border)
    picture = _bordered(picture, 0, -picture.shape[0] % STRIDE, -picture.shape[1] % STRIDE)
    _local.network.setInput(cv2.dnn.blobFromImage(picture, 1 / 127.5, mean=(127.5, 127.5, 127.5)))
    cells: npt.NDArray[np.float32] = _local.network.forward()[0]
    return cells


def _bordered(picture: RgbArray, before: int, below: int, right: int) -> RgbArray:
    bordered = cv2.copyMakeBorder(picture, before, below, before, right, cv2.BORDER_REPLICATE)
    return bordered.astype(np.uint8, copy=False)


def read_cells(cells: npt.NDArray[np.float32], least: float) -> Boxes:
    """The box of every cell with more than the least logit."""
    rows, columns = np.nonzero(cells[0] > least)
    logit, across, down, side = cells[:, rows, columns].astype(np.float64)
    middle = (STRIDE - 1) / 2
    return np.stack(
        [
            columns * STRIDE + middle + across * SHIFT_UNIT,
            rows * STRIDE + middle + down * SHIFT_UNIT,
            SIDE_UNIT * np.exp(side.clip(-2, 2)),
            logit,
        ],
        axis=1,
    )


def merged(boxes: Boxes) -> Boxes:
    """One box for every group of boxes of the same face, the surest first.

    It is their mean, weighted by how sure they are. It is as sure as all of them together: cells beside each other, and
    copies, agree on a face more often than on what only looks like one.
    """
    left = boxes[np.argsort(-boxes[:, 3], kind="stable")]
    groups = []
    while len(left):
        same = likeness(left[0], left) > SAME
        same[0] = True
        group = left[same]
        weights = 1 / (1 + np.exp(-group[:, 3]))
        groups.append([*np.average(group[:, :3], axis=0, weights=weights), np.log(np.exp(group[:, 3]).sum())])
        left = left[~same]
    found = np.array(groups, dtype=np.float64).reshape(-1, 4)
    return found[np.argsort(-found[:, 3], kind="stable")]


def likeness(box: Boxes, others: Boxes) -> Boxes:
    """The area that ``box [4]`` and each of the others share, over their joint area."""
    across, down = (
        np.minimum(box[axis] + box[2] / 2, others[:, axis] + others[:, 2] / 2)
        - np.maximum(box[axis] - box[2] / 2, others[:, axis] - others[:, 2] / 2)
        for axis in (0, 1)
    )
    shared = np.maximum(across, 0) * np.maximum(down, 0)
    ratio: Boxes = shared / (box[2] ** 2 + others[:, 2] ** 2 - shared)
    return ratio


def faces(image: RgbArray, *, reduction: float = 1.0, least: float = LEAST_SURE) -> list[Face]:
    """The faces of ``[H, W, 3]``, each with the box whose crop is its square; see :func:`squares`.

    least: how sure a find has to be.
    """
    return [_face(*row) for row in squares(image, reduction=reduction).tolist() if row[3] >= least]


def _face(x: float, y: float, size: float, sure: float) -> Face:
    side = size / SCALE
    confidence = min(0.999, 1 / (1 + math.exp(LEAST_SURE - sure)))
    return Face(round(x - side / 2), round(y - (0.5 + SHIFT_DOWN) * side), round(side), round(side), confidence)
