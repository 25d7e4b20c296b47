"""Find faces: with the detector that ships and OpenCV's cascade, or with a YuNet model that the operator names."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from perturbations.faces import learned
from perturbations.faces.cascade import cascade
from perturbations.faces.crop import SHIFT_DOWN
from perturbations.faces.face import Face, Locate, overlap, separate
from perturbations.faces.yunet import yunet
from perturbations.images import RgbArray

SURE: Final = 0.8
"""A picture with a find as sure as this stands upright."""


def locator(model: Path | None) -> Locate:
    """:func:`locate` with a YuNet ONNX file, or with the detector that ships if there is none."""
    return partial(locate, model=None if model is None else str(model))


def locate(image: RgbArray, *, reduction: float = 1.0, model: str | None = None) -> list[Face]:
    """Faces of ``[H, W, 3]``, the surest first, none overlapping another.

    Upright faces in good light are the cascade's: the perturbation was trained on crops like those around its boxes.
    The learned detector adds those that the cascade does not know: turned, masked, dark or cut. Their boxes are less
    exact. A picture in which nothing is sure is searched once more the other way up.

    Args:
        reduction: how many times larger the photo is, if this is a reduced copy of one.
        model: a YuNet ONNX file; without one, the detector that ships is used.

    Raises:
        BadInput: the model file is missing or is not a YuNet.
    """
    if model:
        return yunet(image, model)
    seen = cascade(image)
    more = learned.faces(image, reduction=reduction)
    found = separate([*seen, *(face for face in more if not any(overlap(face, other) for other in seen))])
    if any(face.confidence >= SURE for face in found):
        return found
    return separate([*found, *_upside_down(image, reduction)])


def _upside_down(image: RgbArray, reduction: float) -> list[Face]:
    """What the cascade finds the other way up, where the learned detector suspects a face too."""
    suspects = learned.suspects(image, reduction=reduction)
    if not suspects:
        return []
    seen = (_turned(face, image.shape) for face in cascade(np.ascontiguousarray(image[::-1, ::-1])))
    return [face for face in seen if any(overlap(face, suspect) for suspect in suspects)]


def _turned(face: Face, shape: tuple[int, ...]) -> Face:
    """A face of the picture that stands on its head: crops lie lower than boxes, and here that is higher."""
    height, width = shape[:2]
    y = height - face.y - round((1 + 2 * SHIFT_DOWN) * face.height)
    return replace(face, x=width - face.x - face.width, y=y)
