"""Gaps in the middle of a JPEG's coded data, which no decoder reports: restarts left out, and holes of zeros.

Broken downloads and memory cards leave them. Only a picture in one scan, coded by Huffman, is looked at: what cameras
write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

_RESTARTS: Final = re.compile(rb"\xff([\xd0-\xd7])")
_ORDER: Final = bytes(range(0xD0, 0xD8))
_HOLE: Final = bytes(64)
"""More zero bits than any picture needs, except for an area without detail."""
_NOTHING: Final = 0
"""What means that a block has no further coefficients."""


def zeros_of(segment: bytes) -> Iterator[tuple[int, int]]:
    """Class and number of each Huffman table in a segment, and what nothing but zero bits mean in it."""
    at = 0
    while at + 18 <= len(segment):
        yield segment[at], segment[at + 17]
        at += 17 + sum(segment[at + 1 : at + 17])


def codes_even(scan: bytes, zeros: Mapping[int, int]) -> bool:
    """Whether zeros can code an area without detail, even or a steady gradient, of any size.

    zeros: what nothing but zero bits mean, by Huffman table. Differences between blocks may be anything.
    """
    used = {0x10 | pair & 15 for pair in scan[6 : 5 + 2 * scan[4] : 2]}
    return all(zeros.get(table) == _NOTHING for table in used)


def has_gap(scan: bytes, frame: bytes, *, even: bool, interval: int) -> bool:
    """Whether something is missing in the middle of the only scan.

    Args:
        scan: its header and what it codes.
        frame: the header of the frame.
        even: whether zeros can code an area without detail.
        interval: how many units lie between two restarts; 0: there are none.
    """
    hole = not even and _HOLE in scan and _HOLE in scan.rstrip(b"\0")
    return hole or (interval > 0 and not _restarts_follow(scan, -(-_units(frame) // interval) - 1))


def _restarts_follow(scan: bytes, expected: int) -> bool:
    """Whether the restarts are all there, in turn."""
    found = b"".join(_RESTARTS.findall(scan))[:expected]
    return found == (_ORDER * (expected // len(_ORDER) + 1))[:expected]


def _units(frame: bytes) -> int:
    """How many units (ITU-T T.81, section A.2) the picture has: blocks, or groups of blocks of several components."""
    height, width, count = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big"), frame[5]
    sampling = frame[7 : 6 + 3 * count : 3] if count > 1 else b"\x11"
    across, down = 8 * max(each >> 4 for each in sampling), 8 * max(each & 15 for each in sampling)
    return -(-width // across) * -(-height // down) if across and down else 0
