"""What an AVIF really encodes: how many frames, and how large. The boxes around them may claim otherwise.

Only the first frame of an item is shown, but a decoder that looks for a missing layer decodes all of them, and one that
was promised a small picture scales a large one down. The front end and the engine each have a copy of this file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from .boxed import Bits, Box, Place, located, number

MAX_FRAMES: Final = 8
"""Frames of an item: one, or one for each of at most four layers."""
MAX_UNITS: Final = 1_000
"""Units of an item, of which a frame may be several."""

_SEQUENCE, _FRAMES = 1, {3, 6}
"""Kinds of units (AV1 Bitstream & Decoding Process Specification, section 6.2.2)."""


def coded(data: bytes, found: Iterable[Box]) -> Iterator[memoryview]:
    """The contents of every item and the first frame of every track, cut if together they are longer than ``data``.

    One that lies in one piece is not copied.
    """
    boxes, left, view = list(found), len(data), memoryview(data)
    for places in (*_items(data, boxes), *_samples(data, boxes)):
        pieces = []
        for at, length in places:
            pieces.append(view[at : at + min(length, left)])
            left -= len(pieces[-1])
        yield pieces[0] if len(pieces) == 1 else memoryview(b"".join(pieces))


def pixels(item: memoryview) -> int | None:
    """The largest frame that may come, in pixels; ``None`` if there are more frames than any picture has."""
    most = frames = 0
    for count, (kind, body) in enumerate(_units(item)):
        frames += kind in _FRAMES
        if frames > MAX_FRAMES or count >= MAX_UNITS:
            return None
        if kind == _SEQUENCE:
            most = max(most, _largest(Bits(body)))
    return most


def _units(item: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The units of a stream (section 5.3), as far as they can be read."""
    at = 0
    while at < len(item):
        head, length = item[at], 0
        at += 2 if head & 4 else 1
        if head & 2:
            for place in range(8):
                byte = number(item, at, 1)
                length |= (byte & 0x7F) << 7 * place
                at += 1
                if byte < 0x80:
                    break
        else:
            length = len(item) - at
        yield head >> 3 & 15, item[at : at + min(length, 64)]
        at += length


def _largest(bits: Bits) -> int:
    """The product of a sequence's largest sides (section 5.5)."""
    bits(4)
    if bits(1):
        bits(5)
    else:
        _operating_points(bits)
    across, down = bits(4) + 1, bits(4) + 1
    return (bits(across) + 1) * (bits(down) + 1)


def _operating_points(bits: Bits) -> None:
    delay = 0
    if bits(1):
        bits(64)
        if bits(1):
            zeros = next((zeros for zeros in range(32) if bits(1)), 32)
            bits(zeros if zeros < 32 else 0)
        if bits(1):
            delay = bits(5) + 1
            bits(42)
    shown = bits(1)
    for _ in range(bits(5) + 1):
        bits(12)
        if bits(5) > 7:
            bits(1)
        if delay and bits(1):
            bits(2 * delay + 1)
        if shown and bits(1):
            bits(4)


def _items(data: bytes, boxes: list[Box]) -> Iterator[list[Place]]:
    """Where the pieces of every item are, and how long."""
    inner = next((begin for kind, begin, _ in boxes if kind == b"idat"), 0)
    for kind, begin, end in boxes:
        if kind == b"iloc":
            yield from (places for _, places, _ in located(data, begin, end, inner))


def _samples(data: bytes, boxes: list[Box]) -> Iterator[list[Place]]:
    """Where the first frame of every track is, and how long."""
    sizes = [number(data, at + 4, 4) or number(data, at + 12, 4) for kind, at, _ in boxes if kind == b"stsz"]
    wide = {b"stco": 4, b"co64": 8}
    places = [number(data, at + 8, wide[kind]) for kind, at, _ in boxes if kind in wide]
    return ([place] for place in zip(places, sizes, strict=False))
