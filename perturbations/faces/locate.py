"""Find faces: with the detector that ships and OpenCV's cascade, or with a YuNet model that the operator names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from perturbations.faces import learned
from perturbations.faces.cascade import cascade
from perturbations.faces.crop import SHIFT_DOWN
from perturbations.faces.face import Face, Locate, likeness, overlap, overlaps, separate
from perturbations.faces.yunet import yunet
from perturbations.images import RgbArray

SURE: Final = 0.8
"""A picture with a find as sure as this stands upright."""
ALIKE: Final = 0.5
"""Two boxes of a face that share less than this part of their joint area do not agree."""


def locator(model: Path | None) -> Locate:
    """:func:`locate` with a YuNet ONNX file, or with the detector that ships if there is none."""
    return partial(locate, model=None if model is None else str(model))


def locate(image: RgbArray, *, reduction: float = 1.0, model: str | None = None) -> list[Face]:
    """Faces of ``[H, W, 3]``, the surest first, none overlapping another.

    Upright faces in good light are the cascade's: the perturbation was trained on crops like those around its boxes.
    The cascade also sees faces where there are none, so the learned detector must suspect one there too. The learned
    detector adds faces that the cascade does not know: turned, masked, dark or cut. Their boxes are less exact. A
    picture in which nothing is sure is searched once more the other way up.

    Args:
        reduction: how many times larger the photo is, if this is a reduced copy of one.
        model: a YuNet ONNX file; without one, the detector that ships is used.

    Raises:
        BadInput: the model file is missing or is not a YuNet.
    """
    if model:
        return yunet(image, model)
    searched = learned.search(image, reduction=reduction)
    if not searched.suspects:
        return []
    seen = [
        face for face in cascade(image) if overlaps(face, searched.suspects) and not _contradicted(face, searched.faces)
    ]
    found = separate([*seen, *(face for face in searched.faces if not overlaps(face, seen))])
    if any(face.confidence >= SURE for face in found):
        return found
    turned = (_turned(face, image.shape) for face in cascade(np.ascontiguousarray(image[::-1, ::-1])))
    return separate([*found, *(face for face in turned if overlaps(face, searched.suspects))])


def _contradicted(face: Face, others: Sequence[Face]) -> bool:
    """Whether another box of the same face lies elsewhere or has another size, as on heads that are turned."""
    same = [likeness(face, other) for other in others if overlap(face, other)]
    return bool(same) and max(same) < ALIKE


def _turned(face: Face, shape: tuple[int, ...]) -> Face:
    """A face of the picture turned upside down, in the picture itself. There its crop lies higher than its box."""
    height, width = shape[:2]
    y = height - face.y - round((1 + 2 * SHIFT_DOWN) * face.height)
    return replace(face, x=width - face.x - face.width, y=y)
