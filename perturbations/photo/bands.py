"""Converts large pictures between Pillow and arrays, a band of rows at a time.

Converting a whole picture at once needs memory for both forms and for everything in between. A band does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from perturbations.images import RgbArray, extent

AlphaArray = npt.NDArray[np.uint8]
"""How opaque each pixel is, ``[H, W]`` of 8 bits."""
NEARLY: Final = 1
"""Steps of 255 that the channels of a grey photo are apart: a lossy WebP has no grey, and misses it by one."""
BAND: Final = 1 << 18
"""About how many pixels are worked on at a time."""
_EVERY: Final = 3
"""Times a picture gets smaller up to which every pixel counts."""
_FEW: Final = 64
"""Side of the grid of pixels that are looked at first."""


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


def is_opaque(image: Image.Image) -> bool:
    """Whether nothing of a picture of any 8-bit mode is transparent."""
    return not image.has_transparency_data or all(
        _opacity(image, rows).getextrema() == (255, 255) for rows in bands(image.height, image.width)
    )


def opacity(image: Image.Image) -> AlphaArray | None:
    """The transparency of a picture of any 8-bit mode, or ``None`` if it is opaque."""
    if is_opaque(image):
        return None
    plane = np.empty((image.height, image.width), dtype=np.uint8)
    for rows in bands(*plane.shape):
        plane[rows] = np.asarray(_opacity(image, rows))
    return plane


def reduced(image: Image.Image, longer: int) -> Image.Image:
    """``image``, a whole number of times smaller, so that its :func:`extent` is about ``longer`` pixels.

    Where it gets much smaller, four pixels stand for all those that become one.
    """
    times = round(extent(*image.size) / longer)
    if times <= 1:
        return image
    if times <= _EVERY:
        return image.reduce(times)
    some = (2 * max(1, image.width // times), 2 * max(1, image.height // times))
    return image.resize(some, Image.Resampling.NEAREST).reduce(2)


def put(image: Image.Image, pixels: RgbArray, left: int, top: int) -> None:
    """Replace the colours of ``image``, of mode RGB, RGBA, L or LA, from there on; its opacity stays."""
    height, width = pixels.shape[:2]
    colours = pixels[:, :, 0] if image.mode in ("L", "LA") else pixels
    if image.mode in ("LA", "RGBA"):
        alpha = np.asarray(image.crop((left, top, left + width, top + height)).getchannel("A"))
        colours = np.dstack((colours, alpha))
    image.paste(Image.fromarray(np.ascontiguousarray(colours)), (left, top))


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


def on_white(image: Image.Image) -> Image.Image:
    """A picture of mode RGBA or LA on a white background, rounded to nearest."""
    result = Image.new(image.mode[:-1], image.size)
    for rows in bands(image.height, image.width):
        band = np.asarray(_band(image, 0, 0, image.width, rows)).astype(np.uint16)
        share = band[:, :, -1:]
        # at most 255 * 255 + 127, which 16 bits hold
        mixed = (band[:, :, :-1] * share + 255 * (255 - share) + 127) // 255
        result.paste(
            Image.fromarray(mixed.astype(np.uint8).squeeze(2) if result.mode == "L" else mixed.astype(np.uint8)),
            (0, rows.start),
        )
    return result


def is_grey(pixels: RgbArray, *, apart: int = NEARLY) -> bool:
    """Whether the channels of ``[H, W, 3]`` are nowhere more than ``apart`` steps of 255 apart."""
    return all(_spread(pixels[rows]) <= apart for rows in bands(*pixels.shape[:2]))


def looks_grey(image: Image.Image, *, apart: int = NEARLY) -> bool:
    """:func:`is_grey` of a picture of mode RGB, RGBA, L or LA."""
    if image.mode in ("L", "LA"):
        return True
    # most pictures in colour are told from a few of their pixels
    if min(image.size) >= _FEW and _spread(np.asarray(image.resize((_FEW, _FEW), Image.Resampling.NEAREST))) > apart:
        return False
    return all(
        _spread(np.asarray(_band(image, 0, 0, image.width, rows))) <= apart for rows in bands(image.height, image.width)
    )


def _opacity(image: Image.Image, rows: slice) -> Image.Image:
    band = _band(image, 0, 0, image.width, rows)
    return (band if band.mode in ("LA", "RGBA") else band.convert("RGBA")).getchannel("A")


def _spread(pixels: RgbArray) -> int:
    """The largest distance between the channels of a pixel."""
    red, green, blue = (pixels[:, :, channel] for channel in range(3))
    low, high = cv2.min(cv2.min(red, green), blue), cv2.max(cv2.max(red, green), blue)
    return int((high - low).max(initial=0))


def _band(image: Image.Image, left: int, top: int, right: int, rows: slice) -> Image.Image:
    return image.crop((left, top + rows.start, right, top + rows.stop))
