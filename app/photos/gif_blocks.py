"""The blocks of a GIF (Graphics Interchange Format, version 89a), found without decoding anything.

The front end and the engine each have a copy of this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_BLOCKS: Final = 120_000
"""Pieces of at most 255 bytes that all blocks are made of. 25 MB are 98,000 full ones."""

_IMAGE, _EXTENSION, _END = 0x2C, 0x21, 0x3B
_CONTROL: Final = 0xF9
_XMP: Final = b"\xff\x0bXMP DataXMP"
"""Label, length and name of the extension that holds XMP (XMP specification, part 3, section 1.1.2)."""
_SIZE: Final = 13
"""Bytes of signature and screen descriptor."""


@dataclass(frozen=True, slots=True)
class Gif:
    """What the blocks hold.

    width, height: of the screen, or of the first frame if no screen is told. table: where the global palette ends.
    control: of the first frame, if there is one. xmp: where that begins, and where the extension with it ends. image:
    where it begins and ends. left, top, across, down: its place on the screen, which it may lie outside of. frames: how
    many there are, 2 for more. excess: whether there are more pieces than any GIF has; nothing after them was read.
    """

    width: int
    height: int
    table: int
    control: bytes
    xmp: tuple[int, int]
    image: tuple[int, int]
    left: int
    top: int
    across: int
    down: int
    frames: int
    excess: bool


def gif_of(data: bytes) -> Gif | None:
    """The GIF in ``data``; ``None`` if its head is cut off, or there is no frame in it."""
    if len(data) < _SIZE:
        return None
    width, height = _side(data, 6), _side(data, 8)
    at = table = _SIZE + _palette(data[10])
    pieces = frames = 0
    control, xmp, image = b"", (0, 0), (0, 0)
    while at < len(data) and frames < 2 and pieces <= MAX_BLOCKS:
        kind, begin = data[at], at
        if kind == _END:
            break
        if kind == _IMAGE and at + 10 <= len(data):
            at += 11 + _palette(data[at + 9])
        elif kind == _EXTENSION:
            at += 2
        else:
            at += 1  # decoders look for the next block
            pieces += 1
            continue
        at, count = _behind(data, at, MAX_BLOCKS - pieces)
        pieces += count
        if kind == _IMAGE:
            frames += 1
            image = image if frames > 1 else (begin, min(at, len(data)))
        elif not frames and data[begin + 1 : begin + 3] == bytes((_CONTROL, 4)):
            control = data[begin : begin + 8]
        elif xmp == (0, 0) and data.startswith(_XMP, begin + 1):
            xmp = begin + 1 + len(_XMP), at
    if not frames:
        return None
    left, top, across, down = (_side(data, image[0] + place) for place in (1, 3, 5, 7))
    place = left, top, across, down
    return Gif(width or across, height or down, table, control, xmp, image, *place, frames, pieces > MAX_BLOCKS)


def _behind(data: bytes, at: int, most: int) -> tuple[int, int]:
    """Where a chain of pieces ends, and how many there are, up to one more than ``most``."""
    for count in range(most + 1):
        if at >= len(data):
            return len(data), count
        length = data[at]
        at += 1 + length
        if length == 0:
            return at, count
    return len(data), most + 1


def _palette(flags: int) -> int:
    """Bytes of a palette."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _side(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")
