"""What happens to a protected photo before somebody attacks it; all keep every pixel in its place."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import numpy as np
from PIL import Image, ImageFilter

from perturbations.errors import BadInput
from perturbations.images import RgbArray, compressed

Delivery = Callable[[RgbArray], RgbArray]
"""A photo ``[H, W, 3]`` to what an attacker gets of it, same shape."""

SYNTAX: Final = (
    "none, jpegQ or webpQ with a quality Q from 1 to 100, resizeP to P percent and back, blurR with a radius R"
)


def delivery(name: str) -> Delivery:
    """The transform a name stands for.

    Raises:
        BadInput: the name says nothing known.
    """
    if name == "none":
        return lambda image: image
    match = re.fullmatch(r"(jpeg|webp|resize|blur)(\d{1,3})", name)
    if match is None or not 1 <= int(match[2]) <= 100:
        raise BadInput(f"unknown transform {name!r}; known: {SYNTAX}")
    kind, amount = match[1], int(match[2])
    if kind in ("jpeg", "webp"):
        return lambda image: compressed(image, kind.upper(), amount)
    if kind == "resize":
        return lambda image: _rescaled(image, amount / 100.0)
    return lambda image: np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(amount)))


def _rescaled(image: RgbArray, factor: float) -> RgbArray:
    photo = Image.fromarray(image)
    small = (max(1, round(photo.width * factor)), max(1, round(photo.height * factor)))
    return np.asarray(photo.resize(small, Image.Resampling.BILINEAR).resize(photo.size, Image.Resampling.BILINEAR))
