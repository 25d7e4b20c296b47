"""The header of a HEIC (ISO/IEC 23008-12 with pictures of ITU-T H.265)."""

from __future__ import annotations

from typing import Final

from app.photos.headers.header import Header, Unreadable, damaged
from app.photos.hevc import Odd, heic_of, size_of
from app.photos.intricacy import boxes

MAX_SIDE: Final = 32_768
"""Pixels a side that the decoder reads."""


def heic(data: bytes) -> Header:
    """The size of the picture that is shown first; what else is in the file does not count.

    Raises:
        Unreadable: a table is missing or cut off, or the picture is too large for its decoder.
    """
    try:
        size = size_of(data, heic_of(data, boxes(data)))
    except Odd as error:
        raise Unreadable(f"The HEIC {error}.") from None
    if size is None or not all(size):
        raise damaged()
    if max(size) > MAX_SIDE:
        raise Unreadable(f"A HEIC of more than {MAX_SIDE} pixels a side cannot be read. Scale it down.")
    return Header(*size)
