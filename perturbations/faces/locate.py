"""Find faces: with the detector that ships and OpenCV's cascade, or with a YuNet model that the operator names."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from perturbations.faces import learned
from perturbations.faces.cascade import cascade
from perturbations.faces.face import Face, Locate, overlap, separate
from perturbations.faces.yunet import yunet
from perturbations.images import RgbArray


def locator(model: Path | None) -> Locate:
    """:func:`locate` with a YuNet ONNX file, or with the detector that ships if there is none."""
    return partial(locate, model=None if model is None else str(model))


def locate(image: RgbArray, *, reduction: float = 1.0, model: str | None = None) -> list[Face]:
    """Faces of ``[H, W, 3]``, the surest first, none overlapping another.

    Upright faces in good light are the cascade's: the perturbation was trained on crops like those around its boxes.
    The learned detector adds those that the cascade does not know: turned, masked, dark or cut. Their boxes are less
    exact.

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
    return separate([*seen, *(face for face in more if not any(overlap(face, other) for other in seen))])
