"""How finely a JPEG is quantised, as the quality from 1 to 100 that most encoders are told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

_LUMINANCE: Final = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56),
    *(14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
"""The table of ITU-T T.81, annex K.1, which encoders scale by their quality."""


def tables_of(segment: bytes) -> Iterator[tuple[int, bytes]]:
    """Number of each quantisation table in a segment, and its 64 values of one or two bytes."""
    at = 0
    while at < len(segment):
        wide, number = segment[at] >> 4, segment[at] & 15
        length = 64 * (2 if wide else 1)
        if wide > 1 or at + 1 + length > len(segment):
            return
        yield number, segment[at + 1 : at + 1 + length]
        at += 1 + length


def quality_of(tables: Mapping[int, bytes]) -> int | None:
    """The lowest quality whose table of brightness is as fine as the first of ``tables``, on average."""
    if not tables:
        return None
    raw = tables[min(tables)]
    total = sum(raw) if len(raw) == 64 else sum(int.from_bytes(raw[at : at + 2], "big") for at in range(0, 128, 2))
    return next((quality for quality in range(1, 101) if _total(quality) <= total), 100)


@cache
def _total(quality: int) -> int:
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return sum(min(255, max(1, (value * scale + 50) // 100)) for value in _LUMINANCE)
