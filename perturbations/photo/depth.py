"""How many bits the colours of an AVIF or HEIC have. They are decoded to 8, so the copy has fewer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_USUAL: Final = 8
_MOST: Final = 16


def bits_of(properties: Iterable[tuple[bytes, bytes]]) -> int:
    """The most bits a channel that the properties of a picture tell, kinds and bodies; 8 if they tell none."""
    told = [_told(kind, body) for kind, body in properties]
    return max((bits for bits in told if _USUAL < bits <= _MOST), default=_USUAL)


def _told(kind: bytes, body: bytes) -> int:
    if kind == b"pixi" and len(body) > 5:  # ISO/IEC 23008-12, section 6.5.6
        return max(body[5 : 5 + body[4]], default=0)
    if kind == b"hvcC" and len(body) > 18:  # ISO/IEC 14496-15, section 8.3.3
        return 8 + max(body[17] & 7, body[18] & 7)
    if kind == b"av1C" and len(body) > 2 and body[2] & 0x40:  # AV1 in ISO base media files, section 2.3
        return 12 if body[2] & 0x20 else 10
    return 0
