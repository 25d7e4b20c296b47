"""The header of an AVIF (AV1 Image File Format, version 1.2, over ISO/IEC 14496-12 and 23008-12)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from app.contracts.names import MAX_SIDE
from app.photos.headers.header import Header, Unreadable, damaged
from app.photos.intricacy import boxes

_COUNTS: Final = {b"stsz": (8,), b"stco": (4,), b"co64": (4,), b"stsc": (4, 12)}
"""Tables of the frames of a sequence, and where in their body their counts are."""
_NEEDED: Final = (b"pitm", b"iloc", b"ipco", b"ipma")

Box = tuple[bytes, int, int]


def avif(data: bytes) -> Header:
    """The size of the one picture, or of a sequence's frames.

    Raises:
        Unreadable: a table is missing or cut off, or the picture is too large for its decoder.
    """
    found = list(boxes(data))
    sequence = data[4:12] == b"ftypavis"
    sizes = _tracks(data, found) if sequence else _primary(data, found)
    width, height = next(((width, height) for width, height in sizes if width and height), (0, 0))
    if not width:
        raise damaged()
    if max(width, height) > MAX_SIDE["avif"]:
        raise Unreadable(f"An AVIF of more than {MAX_SIDE['avif']} pixels a side cannot be read. Scale it down.")
    return Header(width, height, sequence and _frames(data, found) > 1)


def _primary(data: bytes, found: list[Box]) -> Iterator[tuple[int, int]]:
    """The sizes that belong to the item that is the picture."""
    tables = {kind: (begin, end) for kind, begin, end in reversed(found) if kind in _NEEDED}
    if len(tables) < len(_NEEDED):
        return
    begin, end = tables[b"ipco"]
    properties = [box for box in found if begin < box[1] <= end]
    for index in _properties(data, *tables[b"ipma"], _item(data, tables[b"pitm"][0])):
        if 0 < index <= len(properties) and properties[index - 1][0] == b"ispe":
            at = properties[index - 1][1]
            yield _number(data, at + 4, 4), _number(data, at + 8, 4)


def _item(data: bytes, pitm: int) -> int:
    return _number(data, pitm + 4, 4 if _number(data, pitm, 1) else 2)


def _properties(data: bytes, at: int, end: int, item: int) -> Iterator[int]:
    """Which properties an item has, by the table of all items."""
    wide_item, wide_index = (4 if _number(data, at, 1) else 2), (2 if _number(data, at + 3, 1) & 1 else 1)
    at += 8
    while at < end:
        count = _number(data, at + wide_item, 1)
        first, behind = at + wide_item + 1, at + wide_item + 1 + count * wide_index
        if _number(data, at, wide_item) == item:
            mask = (1 << 8 * wide_index - 1) - 1  # the bit before says whether a reader must know the property
            yield from (_number(data, place, wide_index) & mask for place in range(first, behind, wide_index))
        at = behind


def _tracks(data: bytes, found: list[Box]) -> Iterator[tuple[int, int]]:
    """The sizes of the tracks, whole pixels."""
    heads = (end for kind, _, end in found if kind == b"tkhd")
    return ((_number(data, end - 8, 2), _number(data, end - 4, 2)) for end in heads)


def _frames(data: bytes, found: list[Box]) -> int:
    """The largest count of frames: a decoder lists them all when it opens a sequence, however many are claimed."""
    counts = (_number(data, begin + at, 4) for kind, begin, _ in found for at in _COUNTS.get(kind, ()))
    return max(counts, default=0)


def _number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big")
