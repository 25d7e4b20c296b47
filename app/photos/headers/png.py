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
    """What the first chunk says, and whether there are several frames.

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
    return Header(width, height, _animated(data))


def _animated(data: bytes) -> bool:
    """Whether there are several frames, or one besides the picture; an animation of the picture alone is none."""
    pixels = False
    for kind, begin, end in png_chunks(data):
        if kind == b"IEND":
            break
        if kind == b"fdAT" or (kind == b"acTL" and int.from_bytes(data[begin : min(begin + 4, end)], "big") > 1):
            return True
        pixels = pixels or kind == b"IDAT"
    if not pixels:
        raise damaged()
    return False


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")
