"""The first page of a TIFF (TIFF 6.0), found without decoding anything, if it is of the sort that photos are.

TIFF can hold nearly anything. Only what editors and scanners write for photos is taken: whole pictures of 1, 8 or 16
bits in grey, RGB, CMYK or a palette, plain or packed without loss. Raw photos are TIFFs too, whose first page is a
small preview. The front end and the engine each have a copy of this file.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

MAX_ENTRIES: Final = 1_000
MAX_PARTS: Final = 100_000
"""Strips or tiles of a picture."""
MAX_PAGES: Final = 1_000
"""Directories that are looked at, to see whether there is a second page."""

_USUAL_TILE: Final = 1_024
"""Pixels a side of a tile."""
_BEYOND: Final = 255
"""Pixels by which a larger one may reach beyond the picture: it is decoded whole, so this costs memory."""

SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, COLOURS, FILL, OFFSETS = 254, 256, 257, 258, 259, 262, 266, 273
ORIENTATION, SAMPLES, ROWS, COUNTS, PLANES, PREDICTOR, PALETTE = 274, 277, 278, 279, 284, 317, 320
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS, INKS, EXTRA, FORMAT = 322, 323, 324, 325, 332, 338, 339
XMP, PROFILE = 700, 34675
_DNG, _RAW_COLOURS = 50706, (32803, 34892)
_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 6: 1, 7: 1, 8: 2, 9: 4, 13: 4}
"""Bytes of the types that matter."""
_INTEGERS: Final = {1: "B", 3: "H", 4: "I", 13: "I"}
_BIG: Final = (b"II+\0", b"MM\0+")
_NONE, _LZW, _DEFLATE, _OLD_DEFLATE, _PACKBITS = 1, 5, 8, 32946, 32773
_GREYS, _RGB, _PALETTE, _CMYK = (0, 1), 2, 3, 5
_WORDS: Final = {
    2: "fax compression",
    3: "fax compression",
    4: "fax compression",
    6: "JPEG compression",
    7: "JPEG compression",
    34712: "JPEG 2000 compression",
    34925: "LZMA compression",
    50000: "Zstandard compression",
    50001: "WebP compression",
}

Entry = tuple[int, int, int]
"""Type, how many values, and where they are."""
_One = Callable[..., int]
"""The one value of a tag, or of all its values."""


class Unusable(ValueError):
    """No photo in it that is read. The message is a phrase that goes on after "the TIFF"."""


@dataclass(frozen=True, slots=True)
class Page:
    """The first page. order: of bytes, for ``struct``. parts: where its strips or tiles are, and how long."""

    order: str
    width: int
    height: int
    entries: dict[int, Entry]
    parts: tuple[tuple[int, int], ...]
    pages: int


def page_of(data: bytes) -> Page:
    """The first page of a TIFF.

    Raises:
        Unusable: it is damaged, of another sort than photos are, or has more parts than any photo.
    """
    if data[:4] in _BIG:
        raise Unusable("is a BigTIFF, made for files of more than 4 GB; save it as an ordinary TIFF")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None:
        raise Unusable("is damaged or incomplete; export it again")
    if data[8:10] == b"CR":
        raise _raw()
    try:
        return _page(data, order)
    except struct.error:  # it points out of the file
        raise Unusable("is damaged or incomplete; export it again") from None


def values(data: bytes, page: Page, tag: int, default: int | None = None) -> tuple[int, ...]:
    """The numbers of an entry; ``default`` if there is none."""
    return _numbers(data, page.order, page.entries, tag, default)


def content(data: bytes, page: Page, tag: int, most: int) -> bytes | None:
    """The bytes of an entry, ``None`` if there is none, or more than ``most``."""
    if tag not in page.entries:
        return None
    kind, count, at = page.entries[tag]
    length = count * _SIZES.get(kind, 1)
    return data[at : at + length] if length <= most and at + length <= len(data) else None


def _page(data: bytes, order: str) -> Page:
    (at,) = struct.unpack_from(order + "I", data, 4)
    entries, following = _directory(data, order, at)

    def one(tag: int, default: int | None = None) -> int:
        found = _numbers(data, order, entries, tag, default)
        if len(set(found)) != 1:
            raise Unusable("is damaged: its description contradicts itself; export it again")
        return found[0]

    if _DNG in entries or one(COLOURS, 0) in _RAW_COLOURS or one(SUBFILE, 0) & 1:
        raise _raw()
    width, height = one(WIDTH), one(HEIGHT)
    if not width or not height:
        raise Unusable("is damaged or incomplete; export it again")
    _check_kind(one)
    tiled = TILE_OFFSETS in entries
    needed = _tiles(one, width, height) if tiled else -(-height // max(1, min(one(ROWS, height), height)))
    tags = (TILE_OFFSETS, TILE_COUNTS) if tiled else (OFFSETS, COUNTS)
    if needed > MAX_PARTS or any(tag not in entries or entries[tag][1] != needed for tag in tags):
        raise Unusable("has more parts than any photo needs, or not as many as it says; save it again")
    offsets, counts = (_numbers(data, order, entries, tag) for tag in tags)
    parts = tuple(zip(offsets, counts, strict=True))
    if sum(counts) > len(data) or any(at + length > len(data) for at, length in parts):
        raise Unusable("is damaged or incomplete; export it again")
    return Page(order, width, height, entries, parts, 1 + sum(1 for _ in _more(data, order, following)))


def _check_kind(one: _One) -> None:
    compression, colours, bits, samples = one(COMPRESSION, _NONE), one(COLOURS), one(BITS, 1), one(SAMPLES, 1)
    if compression not in (_NONE, _LZW, _DEFLATE, _OLD_DEFLATE, _PACKBITS):
        raise Unusable(f"has {_WORDS.get(compression, 'a rare compression')}; save it with LZW or without compression")
    usual = {_GREYS[0]: 1, _GREYS[1]: 1, _RGB: 3, _PALETTE: 1, _CMYK: 4}.get(colours)
    # 16 bits of which 0 is white would come out as a negative
    allowed = {_GREYS[0]: (1, 8), _GREYS[1]: (1, 8, 16), _RGB: (8, 16)}.get(colours, (8,))
    if usual is None or bits not in allowed or one(FORMAT, 1) != 1 or one(INKS, 1) != 1 or one(FILL, 1) != 1:
        raise Unusable("has colours of a rare kind; save it as RGB with 8 or 16 bits a channel")
    with_alpha = usual + 1 if colours in (*_GREYS, _RGB) and bits > 1 else usual
    if samples not in (usual, with_alpha) or one(PLANES, 1) not in (1, 2) or one(PREDICTOR, 1) not in (1, 2):
        raise Unusable("has channels of a rare kind; save it as RGB with 8 or 16 bits a channel")
    if colours in _GREYS and bits == 16 and samples == with_alpha:
        raise Unusable("is grey with transparency in 16 bits; save it with 8 bits a channel or as RGB")
    if one(PLANES, 1) == 2 and samples > 1:
        raise Unusable("has its channels one after the other; save it interleaved")


def _tiles(one: _One, width: int, height: int) -> int:
    """How many tiles the picture needs."""
    across, down = one(TILE_WIDTH), one(TILE_HEIGHT)
    usual = all(16 <= tile <= max(_USUAL_TILE, side + _BEYOND) for tile, side in ((across, width), (down, height)))
    if not usual or across % 16 or down % 16:
        raise Unusable("has tiles of an odd size; save it again")
    return -(-width // across) * -(-height // down)


def _directory(data: bytes, order: str, at: int) -> tuple[dict[int, Entry], int]:
    """The entries of a directory, the first of each tag, and where the next directory is."""
    (count,) = struct.unpack_from(order + "H", data, at)
    if count > MAX_ENTRIES:
        raise Unusable("has more parts than any photo needs; save it again")
    entries: dict[int, Entry] = {}
    for place in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, number, value = struct.unpack_from(order + "HHII", data, place)
        inline = number * _SIZES.get(kind, 8) <= 4
        entries.setdefault(tag, (kind, number, place + 8 if inline else value))
    (following,) = struct.unpack_from(order + "I", data, at + 2 + 12 * count)
    return entries, following


def _more(data: bytes, order: str, at: int) -> Iterator[int]:
    """Where further pages are, but no thumbnails or masks."""
    seen: set[int] = set()
    while at and at not in seen and len(seen) < MAX_PAGES:
        seen.add(at)
        try:
            entries, following = _directory(data, order, at)
            small = _numbers(data, order, entries, SUBFILE, 0)[0] & 5
        except (struct.error, Unusable, IndexError):
            return
        if not small:
            yield at
        at = following


def _numbers(
    data: bytes, order: str, entries: dict[int, Entry], tag: int, default: int | None = None
) -> tuple[int, ...]:
    if tag not in entries:
        if default is None:
            raise Unusable("is damaged or incomplete; export it again")
        return (default,)
    kind, count, at = entries[tag]
    if kind not in _INTEGERS or not 0 < count <= MAX_PARTS:
        raise Unusable("is damaged: its description contradicts itself; export it again")
    return struct.unpack_from(f"{order}{count}{_INTEGERS[kind]}", data, at)


def _raw() -> Unusable:
    return Unusable("is a raw photo of a camera; export it as JPEG")
