"""Converts large pictures between Pillow and arrays, a band of rows at a time.

Converting a whole picture at once needs memory for both forms and for everything in between. A band does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from perturbations.images import RgbArray

AlphaArray = npt.NDArray[np.uint8]
"""How opaque each pixel is, ``[H, W]`` of 8 bits."""
NEARLY: Final = 1
"""Steps of 255 that the channels of a grey photo are apart: a lossy WebP has no grey, and misses it by one."""
BAND: Final = 1 << 18
"""About how many pixels are worked on at a time."""


def bands(height: int, width: int, pixels: int = BAND) -> Iterator[slice]:
    """Rows of a picture of ``height`` by ``width``, as bands of about ``pixels`` pixels."""
    rows = max(1, pixels // max(1, width))
    for top in range(0, height, rows):
        yield slice(top, min(height, top + rows))


def rgb(image: Image.Image, box: tuple[int, int, int, int] | None = None) -> RgbArray:
    """A picture of any 8-bit mode, or what lies in ``box`` (left, top, right, bottom) of it, ``[H, W, 3]``."""
    left, top, right, bottom = box or (0, 0, *image.size)
    pixels = np.empty((bottom - top, right - left, 3), dtype=np.uint8)
    for rows in bands(*pixels.shape[:2]):
        pixels[rows] = np.asarray(_band(image, left, top, right, rows).convert("RGB"))
    return pixels


def opacity(image: Image.Image) -> AlphaArray | None:
    """The transparency of a picture of any 8-bit mode, or ``None`` if it is opaque."""
    if not image.has_transparency_data:
        return None
    plane = np.empty((image.height, image.width), dtype=np.uint8)
    for rows in bands(*plane.shape):
        plane[rows] = np.asarray(_band(image, 0, 0, image.width, rows).convert("RGBA").getchannel("A"))
    return None if int(plane.min()) == 255 else plane


def picture(pixels: RgbArray, opacity: AlphaArray | None, *, grey: bool) -> Image.Image:
    """Pillow's picture of ``pixels`` and their opacity: with one colour channel if ``grey``, else three."""
    height, width = pixels.shape[:2]
    colours = pixels[:, :, 0] if grey else pixels
    mode = ("L" if grey else "RGB") + ("" if opacity is None else "A")
    image = Image.new(mode, (width, height))
    for rows in bands(height, width):
        band = colours[rows] if opacity is None else np.dstack((colours[rows], opacity[rows]))
        image.paste(Image.fromarray(np.ascontiguousarray(band)), (0, rows.start))
    return image


def on_white(pixels: RgbArray, opacity: AlphaArray) -> RgbArray:
    """``pixels`` on a white background, rounded to nearest."""
    result = np.empty_like(pixels)
    for rows in bands(*opacity.shape):
        share = opacity[rows, :, None].astype(np.uint16)
        # at most 255 * 255 + 127, which 16 bits hold
        result[rows] = (pixels[rows] * share + 255 * (255 - share) + 127) // 255
    return result


def is_grey(pixels: RgbArray, *, apart: int = NEARLY) -> bool:
    """Whether the channels of ``[H, W, 3]`` are nowhere more than ``apart`` steps of 255 apart."""
    for rows in bands(*pixels.shape[:2]):
        red, green, blue = np.moveaxis(pixels[rows], 2, 0)
        spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
        if int(spread.max()) > apart:
            return False
    return True


def _band(image: Image.Image, left: int, top: int, right: int, rows: slice) -> Image.Image:
    return image.crop((left, top + rows.start, right, top + rows.stop))
