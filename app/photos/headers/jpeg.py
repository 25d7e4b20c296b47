"""The header of a JPEG (ITU-T T.81, annex B)."""

from __future__ import annotations

import struct
from typing import Final

from app.contracts.names import MAX_SIDE
from app.photos.headers.header import Header, Unreadable, damaged
from app.photos.intricacy import FRAMES, SCAN, segments

_READABLE: Final = FRAMES - {0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF}
"""Frames that are not hierarchical."""
_LOSSLESS: Final = 0xF7
"""The frame of a JPEG-LS (ITU-T T.87)."""


def jpeg(data: bytes) -> Header:
    """What the first frame says.

    Raises:
        Unreadable: there is none before the first scan, or Poise does not read its kind.
    """
    for marker, at in segments(data):
        if marker == SCAN:
            break
        if marker == _LOSSLESS:
            raise Unreadable("The file is a JPEG-LS photo, which Poise cannot read. Export it as an ordinary JPEG.")
        if marker in FRAMES:
            if len(data) < at + 8:
                break
            return _frame(marker, *struct.unpack_from(">BHHB", data, at + 2))
    raise damaged()


def _frame(marker: int, bits: int, height: int, width: int, components: int) -> Header:
    if bits != 8:
        raise Unreadable(f"The JPEG has {bits} bits a colour; Poise reads only 8. Export it as PNG or with 8 bits.")
    if marker not in _READABLE:
        raise Unreadable("The file is a hierarchical JPEG, which Poise cannot read. Export it as an ordinary JPEG.")
    if components not in (1, 3, 4):
        raise Unreadable(f"The JPEG has {components} colour channels; Poise reads grey, RGB and CMYK. Export it again.")
    if not width or not height:
        raise damaged()
    if max(width, height) > MAX_SIDE["jpeg"]:
        raise Unreadable(f"A JPEG of more than {MAX_SIDE['jpeg']} pixels a side cannot be read. Scale it down.")
    return Header(width, height)
