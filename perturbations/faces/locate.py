"""Find faces: with the detector that ships, or with a YuNet model that the operator names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from perturbations.faces import learned
from perturbations.faces.crop import SHIFT_DOWN
from perturbations.faces.face import Face, Locate, separate
from perturbations.faces.yunet import yunet
from perturbations.images import RgbArray

CERTAIN: Final = 0.5
"""A picture with a find as sure as this is the right way up."""


def locator(model: Path | None) -> Locate:
    """:func:`locate` with a YuNet ONNX file, or with the detector that ships if there is none."""
    return partial(locate, model=None if model is None else str(model))


def locate(image: RgbArray, *, reduction: float = 1.0, model: str | None = None) -> list[Face]:
    """Faces of ``[H, W, 3]``, the surest first, none overlapping another.

    The detector knows turned faces, but upright ones best. So a picture in which nothing is certain is searched upside
    down as well.

    Args:
        reduction: how many times larger the photo is, if this is a reduced copy of one.
        model: a YuNet ONNX file; without one, the detector that ships is used.

    Raises:
        BadInput: the model file is missing or is not a YuNet.
    """
    if model:
        return yunet(image, model)
    found = learned.search(image, reduction=reduction)
    if not any(face.confidence >= CERTAIN for face in found):
        found += _upside_down(image, reduction)
    return separate(found)


def _upside_down(image: RgbArray, reduction: float) -> Iterator[Face]:
    """What is certain once the picture is turned upside down, in the picture as it is."""
    height, width = image.shape[:2]
    for face in learned.search(np.ascontiguousarray(image[::-1, ::-1]), reduction=reduction):
        if face.confidence >= CERTAIN:
            # the crop lies lower than the box, here as there
            y = height - face.y - round((1 + 2 * SHIFT_DOWN) * face.height)
            yield replace(face, x=width - face.x - face.width, y=y)
