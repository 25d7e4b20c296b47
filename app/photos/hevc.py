"""What a HEIC really encodes: which pictures its shown one is made of, and how large each is.

HEIC is a HEIF (ISO/IEC 23008-12) whose pictures are coded as HEVC (ITU-T H.265). Its boxes say how pictures are put
together, in ways that can keep a decoder busy for hours: one tile a thousand times, tiles of tiles, or a stream that
holds a larger picture than its box says. Only what cameras write is taken: one coded picture, or one grid of such, and
the same again for its transparency. The front end and the engine each have a copy of this file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, TypeVar

from .boxed import Bits, Box, Place, located, number

MAX_ITEMS: Final = 2_000
MAX_UNITS: Final = 1_000
"""Units of a coded picture, most of them its slices."""
MAX_PICTURES: Final = 2
"""Pictures in the stream of one item. There should be one."""

_CODED: Final = frozenset({b"hvc1", b"hev1"})
_GRID: Final = b"grid"
_ONCE: Final = (b"meta", b"pitm", b"iloc", b"iinf", b"iprp", b"ipco", b"ipma")
_PARAMETERS: Final = 33
"""The kind of unit with a sequence's size; those below 32 are slices (table 7-1)."""

_TOO_MANY: Final = "has more parts than any photo needs; save it again or export it as JPEG"

T = TypeVar("T")


class Odd(ValueError):
    """The file is not what cameras write. The message is a phrase that goes on after "the HEIC"."""


@dataclass(slots=True)
class Heic:
    """The items of a file. kinds: by item. boxes: the properties of each. made_of: the tiles of a grid.

    alpha: the item with the primary one's transparency, 0 if there is none.
    """

    primary: int = 0
    kinds: dict[int, bytes] = field(default_factory=dict)
    boxes: dict[int, list[Box]] = field(default_factory=dict)
    made_of: dict[int, list[int]] = field(default_factory=dict)
    alpha: int = 0
    places: dict[int, list[Place]] = field(default_factory=dict)

    def coded(self, item: int) -> list[int]:
        """The coded pictures that a shown one is made of.

        Raises:
            Odd: it is made of anything else.
        """
        parts = self.made_of.get(item, []) if self.kinds.get(item) == _GRID else [item]
        if len(parts) > MAX_ITEMS:
            raise Odd(_TOO_MANY)
        if not parts or any(self.kinds.get(part) not in _CODED for part in parts):
            raise Odd("is of a rare kind; export it as JPEG")
        return parts


def heic_of(data: bytes, found: Iterable[Box]) -> Heic:
    """The items of a file.

    Raises:
        Odd: a table is missing, there twice or cut off.
    """
    boxes = list(found)
    tables: dict[bytes, tuple[int, int]] = {}
    for kind, begin, end in boxes:
        if kind in tables and kind in (*_ONCE, b"iref"):
            raise Odd(_TOO_MANY)
        tables.setdefault(kind, (begin, end))
    if any(kind not in tables for kind in _ONCE):
        raise Odd("is damaged or incomplete; export it again")
    heic = Heic()
    heic.primary = number(data, tables[b"pitm"][0] + 4, 4 if number(data, tables[b"pitm"][0], 1) else 2)
    heic.kinds = _once(_kinds(data, *tables[b"iinf"]))
    begin, end = tables[b"ipco"]
    properties = [box for box in boxes if begin < box[1] <= end]
    for item, numbers in _once(_uses(data, *tables[b"ipma"])).items():
        heic.boxes[item] = [properties[one - 1] for one in numbers if 0 < one <= len(properties)]
    heic.places = _once(_places(data, *tables[b"iloc"], next((b for k, b, _ in boxes if k == b"idat"), 0)))
    for kind, item, others in _references(data, *tables.get(b"iref", (0, 0))):
        if kind == b"dimg":
            if item in heic.made_of:
                raise Odd(_TOO_MANY)
            heic.made_of[item] = others
        elif kind == b"auxl" and heic.primary in others and _is_alpha(data, heic.boxes.get(item, [])):
            heic.alpha = item
    return heic


def size_of(data: bytes, heic: Heic) -> tuple[int, int] | None:
    """Width and height of the shown picture, as stored; ``None`` if nothing says so.

    Encoders fill up their last blocks, and say what to crop (``clap``, ISO/IEC 14496-12, section 12.1.4).
    """
    size = None
    for kind, at, _ in heic.boxes.get(heic.primary, []):
        if kind == b"ispe":
            size = number(data, at + 4, 4), number(data, at + 8, 4)
        elif kind == b"clap" and size is not None:
            wide, high = (number(data, at + n, 4) // max(1, number(data, at + n + 4, 4)) for n in (0, 8))
            size = min(size[0], wide), min(size[1], high)
    return size


def coded_size(data: bytes, heic: Heic) -> int:
    """Pixels that have to be decoded: of the largest coded picture, or half of those of a whole grid.

    The tiles of a grid reach beyond its edges, so half of them are allowed for.

    Raises:
        Odd: pictures are put together in a way that no camera does, or the stream of one cannot be read.
    """
    most = 0
    for shown in (heic.primary, heic.alpha):
        if shown:
            items = set(heic.coded(shown))
            _check_joined(data, heic, items)
            sizes = {item: _largest(data, heic, item) for item in items}
            most = max(most, *sizes.values(), sum(sizes[item] for item in heic.coded(shown)) // 2)
    return most


def _once(pairs: Iterable[tuple[int, T]]) -> dict[int, T]:
    """Of every item one; a reader may take the first of two, or the last."""
    found: dict[int, T] = {}
    for item, what in pairs:
        if item in found:
            raise Odd(_TOO_MANY)
        found[item] = what
    return found


def _check_joined(data: bytes, heic: Heic, items: Iterable[int]) -> None:
    """Items of several pieces are copied, so together they must not be longer than the file."""
    several = [places for places in map(heic.places.get, items) if places is not None and len(places) > 1]
    if sum(length for places in several for _, length in places) > len(data):
        raise Odd(_TOO_MANY)


def _largest(data: bytes, heic: Heic, item: int) -> int:
    """Pixels of the largest picture in the stream of an item, or in its head."""
    config = next((box for box in heic.boxes.get(item, []) if box[0] == b"hvcC"), None)
    places = heic.places.get(item, [])
    if config is None or not places or any(not length or at + length > len(data) for at, length in places):
        raise Odd("is damaged or incomplete; export it again")
    wide = 1 + (number(data, config[1] + 21, 1) & 3)
    pieces = [memoryview(data)[at : at + length] for at, length in places]
    stream = pieces[0] if len(pieces) == 1 else memoryview(b"".join(pieces))
    most = pictures = 0
    for count, unit in enumerate(chain(_head_units(data, *config[1:]), _stream_units(stream, wide))):
        kind = unit[0] >> 1 & 63 if len(unit) > 2 else 63
        pictures += kind < 32 and unit[2] >= 0x80  # the first slice of a picture
        if count >= MAX_UNITS or pictures > MAX_PICTURES:
            raise Odd(_TOO_MANY)
        if kind == _PARAMETERS:
            most = max(most, _pixels(unit))
    if not most:
        raise Odd("is damaged or incomplete; export it again")
    return most


def _head_units(data: bytes, begin: int, end: int) -> Iterator[memoryview]:
    """The units in the head of a stream (ISO/IEC 14496-15, section 8.3.3)."""
    view, at = memoryview(data), begin + 23
    for _ in range(number(data, begin + 22, 1)):
        count, at = number(data, at + 1, 2), at + 3
        for _ in range(count):
            length = number(data, at, 2)
            if at + 2 + length > end:
                return
            yield view[at + 2 : at + 2 + length]
            at += 2 + length


def _stream_units(stream: memoryview, wide: int) -> Iterator[memoryview]:
    at = 0
    while at + wide < len(stream):
        length = number(stream, at, wide)
        yield stream[at + wide : at + wide + length]
        at += wide + length


def _pixels(unit: memoryview) -> int:
    """The product of the sides in a set of parameters (ITU-T H.265, section 7.3.2.2)."""
    bits = Bits(bytes(unit[2:400]).replace(b"\0\0\3", b"\0\0"))
    bits(4)
    layers = bits(3)
    bits(1 + 88 + 8)
    present = [(bits(1), bits(1)) for _ in range(layers)]
    bits(2 * (8 - layers) if layers else 0)
    for with_profile, with_level in present:
        bits(88 * with_profile + 8 * with_level)
    bits.exponential()
    if bits.exponential() == 3:
        bits(1)
    return bits.exponential() * bits.exponential()


def _kinds(data: bytes, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
    """The kind of every item, by the list of them (ISO/IEC 14496-12, section 8.11.6)."""
    wide = 4 if number(data, begin, 1) else 2
    at = begin + 4 + wide
    for _ in range(min(number(data, begin + 4, wide), MAX_ITEMS)):
        length, version = number(data, at, 4), number(data, at + 8, 1)
        if data[at + 4 : at + 8] != b"infe" or version < 2 or length < 20 or at + length > end:
            return
        size = 4 if version >= 3 else 2
        yield number(data, at + 12, size), bytes(data[at + 14 + size : at + 18 + size])
        at += length


def _uses(data: bytes, at: int, end: int) -> Iterator[tuple[int, list[int]]]:
    """Which properties every item has (ISO/IEC 23008-12, section 9.3)."""
    wide, index = (4 if number(data, at, 1) else 2), (2 if number(data, at + 3, 1) & 1 else 1)
    mask = (1 << 8 * index - 1) - 1  # the bit before says whether a reader must know the property
    at += 8
    while at < end:
        count = number(data, at + wide, 1)
        first = at + wide + 1
        yield number(data, at, wide), [number(data, first + n * index, index) & mask for n in range(count)]
        at = first + count * index


def _places(data: bytes, begin: int, end: int, inner: int) -> Iterator[tuple[int, list[Place]]]:
    """Where the pieces of every item are, and how long."""
    for item, places, whole in located(data, begin, end, inner):
        if not whole:
            raise Odd(_TOO_MANY)
        yield item, places


def _references(data: bytes, begin: int, end: int) -> Iterator[tuple[bytes, int, list[int]]]:
    """Kind, item, and the items it refers to (section 8.11.12)."""
    wide = 4 if end and number(data, begin, 1) else 2
    at = begin + 4
    while at + 8 + 2 * wide <= end:
        length = number(data, at, 4)
        first = at + 8 + wide + 2
        following = min(end, at + max(length, 12))
        count = min(number(data, first - 2, 2), max(0, following - first) // wide)
        yield (
            bytes(data[at + 4 : at + 8]),
            number(data, at + 8, wide),
            [number(data, first + n * wide, wide) for n in range(count)],
        )
        at = following


def _is_alpha(data: bytes, boxes: list[Box]) -> bool:
    """Whether an auxiliary picture is transparency (ISO/IEC 23008-12, section 6.5.8)."""
    urn = next((bytes(data[begin + 4 : end]) for kind, begin, end in boxes if kind == b"auxC"), b"")
    return urn.startswith((b"urn:mpeg:hevc:2015:auxid:1\0", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha"))
