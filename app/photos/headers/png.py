"""The header of a PNG (W3C, Portable Network Graphics, third edition)."""

from __future__ import annotations

import struct
import zlib
from typing import Final

from app.photos.headers.header import Header, damaged
from app.photos.intricacy import png_chunks

_DEPTHS: Final = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
"""Colour type to bits (section 11.2.1)."""
_HEAD_END: Final = 33


def png(data: bytes) -> Header:
    """What the first chunk and that of an animation say.

    Raises:
        Unreadable: the first chunk is damaged, or there are no pixels.
    """
    if len(data) < _HEAD_END or data[8:16] != b"\0\0\0\rIHDR" or zlib.crc32(data[12:29]) != _number(data, 29):
        raise damaged()
    width, height, depth, colour, compression, filters, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    if depth not in _DEPTHS.get(colour, ()) or compression or filters or interlaced > 1 or not width or not height:
        raise damaged()
    if max(width, height) >= 1 << 31:
        raise damaged()
    return Header(width, height, _frames(data) > 1)


def _frames(data: bytes) -> int:
    """How many frames there are: a picture before the first frame of an animation is one more."""
    frames = controlled = 0
    for kind, begin, end in png_chunks(data):
        if kind == b"acTL" and end - begin >= 8:
            frames = _number(data, begin)
        elif kind == b"fcTL":
            controlled = 1
        elif kind == b"IDAT":
            return frames + (frames > 0 and not controlled)
    raise damaged()


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")
