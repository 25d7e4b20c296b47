"""Pictures and regions at another size."""

from __future__ import annotations

import numpy as np
from PIL import Image

from perturbations.faces.crop import Region
from perturbations.images import RgbArray


def scaled(image: RgbArray, scale: float) -> RgbArray:
    """``image [H, W, 3]``, its sides multiplied by ``scale``."""
    height, width = (max(1, round(length * scale)) for length in image.shape[:2])
    return resized(image, width, height)


def resized(image: RgbArray, width: int, height: int) -> RgbArray:
    """``image [H, W, 3]`` at another size, as good software scales it; itself if that is its size."""
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))


def times(region: Region, scale: float) -> Region:
    """``region`` in a picture that was multiplied by ``scale``."""
    x, y, width, height = (round(length * scale) for length in (region.x, region.y, region.width, region.height))
    return Region(x, y, max(1, width), max(1, height))
