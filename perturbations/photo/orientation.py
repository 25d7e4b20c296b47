"""Which way up a photo is: the only thing that is read from its EXIF.

Cameras and editors write EXIF that breaks the standard elsewhere, so only the orientation is read, and nothing is ever
written back. XMP is ignored: no viewer rotates a photo by it.
"""

from __future__ import annotations

import struct
from typing import Final

from PIL import Image

_TAG: Final = 0x0112
_INTEGERS: Final = {1: "B", 3: "H", 4: "I"}
"""TIFF's types of whole numbers. The standard says 3; the others are seen, and can be meant one way only."""
_PREFIX: Final = b"Exif\0\0"
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
    if exif is None:
        return 1
    exif = bare(exif)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return 1
    try:
        return _first_directory(exif, order)
    except struct.error:  # it points out of the block
        return 1


def bare(exif: bytes) -> bytes:
    """A block of EXIF without what comes before it, which some programs write twice."""
    at = 0
    while exif.startswith(_PREFIX, at):
        at += len(_PREFIX)
    return exif[at:]


def _first_directory(exif: bytes, order: str) -> int:
    (start,) = struct.unpack_from(f"{order}I", exif, 4)
    (entries,) = struct.unpack_from(f"{order}H", exif, start)
    for at in range(start + 2, start + 2 + 12 * entries, 12):
        tag, kind, count = struct.unpack_from(f"{order}HHI", exif, at)
        if tag == _TAG:
            if kind not in _INTEGERS or count != 1:
                return 1
            (value,) = struct.unpack_from(order + _INTEGERS[kind], exif, at + 8)
            return int(value) if value in _TURNS else 1
    return 1


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """``image`` the right way up."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)
