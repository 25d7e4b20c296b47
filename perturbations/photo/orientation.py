"""Which way up a photo is, by its EXIF. XMP is ignored: no viewer rotates a photo by it."""

from __future__ import annotations

from typing import Final

from PIL import Image

from perturbations.photo.exif import directory_of

_TAG: Final = 0x0112
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation_of(exif: bytes | None) -> int:
    """The orientation in a block of EXIF, 1 (upright) if there is none or it is invalid."""
    value = directory_of(exif).number(_TAG)
    return 1 if value is None or value not in _TURNS else value


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """``image`` the right way up."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)
