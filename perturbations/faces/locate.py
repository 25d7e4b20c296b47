"""Find faces: with the detector that ships, or with a YuNet model that the operator names."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from perturbations.faces import learned
from perturbations.faces.face import Found, Locate
from perturbations.faces.yunet import yunet
from perturbations.images import RgbArray


def locator(model: Path | None) -> Locate:
    """:func:`locate` with a YuNet ONNX file, or with the detector that ships if there is none."""
    return partial(locate, model=None if model is None else str(model))


def locate(image: RgbArray, *, reduction: float = 1.0, model: str | None = None) -> Found:
    """Faces of ``[H, W, 3]``, and where one may have been missed.

    Args:
        image: a photo, or a reduced copy of it.
        reduction: how many times larger the photo is.
        model: a YuNet ONNX file; without one, the detector that ships is used.

    Raises:
        BadInput: the model file is missing or is not a YuNet.
    """
    if model is None:
        return learned.search(image, reduction=reduction)
    faces = tuple(yunet(image, model))
    return Found(faces, () if faces else learned.search(image, reduction=reduction).suspects)
