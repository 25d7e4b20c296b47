"""Find faces: with the detector that ships, or with a YuNet model that the operator names."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from perturbations.faces import learned
from perturbations.faces.face import Face, Locate, separate
from perturbations.faces.yunet import yunet
from perturbations.images import RgbArray


def locator(model: Path | None) -> Locate:
    """:func:`locate` with a YuNet ONNX file, or with the detector that ships if there is none."""
    return partial(locate, model=None if model is None else str(model))


def locate(image: RgbArray, *, reduction: float = 1.0, model: str | None = None) -> list[Face]:
    """Faces of ``[H, W, 3]``, the surest first, none overlapping another.

    Args:
        reduction: how many times larger the photo is, if this is a reduced copy of one.
        model: a YuNet ONNX file; without one, the detector that ships is used.

    Raises:
        BadInput: the model file is missing or is not a YuNet.
    """
    if model:
        return yunet(image, model)
    return separate(learned.search(image, reduction=reduction))
