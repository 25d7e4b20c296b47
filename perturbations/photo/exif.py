"""Reads single entries of EXIF (CIPA DC-008), a TIFF whose directories point to each other.

Cameras and editors write EXIF that breaks the standard elsewhere, so nothing but the entry asked for is looked at, and
nothing is ever written back.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_PREFIX: Final = b"Exif\0\0"
_MOST_ENTRIES: Final = 1_000
_INTEGERS: Final = {1: "B", 3: "H", 4: "I"}
"""TIFF's types of whole numbers."""
_TEXTS: Final = (2, 129)
"""ASCII, and the UTF-8 of EXIF 3.0."""
_INTEROPERABILITY, _EXIF, _COLOUR_SPACE, _INDEX = 0xA005, 0x8769, 0xA001, 1
_NOT_SRGB: Final = (0xFFFF, 2)
"""Colour spaces: "uncalibrated", as the standard says, and what some cameras write for Adobe RGB."""

Entry = tuple[int, int, int]
"""Type, how many values, and where the entry holds them or their place."""


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory: the first entry of each tag, up to where it breaks off. block: what places count from."""

    block: bytes
    order: str
    entries: dict[int, Entry]

    def number(self, tag: int) -> int | None:
        """The one whole number of a tag, ``None`` if it has another value or there is none."""
        kind, count, at = self.entries.get(tag, (0, 0, 0))
        if kind not in _INTEGERS or count != 1:
            return None
        (value,) = struct.unpack_from(self.order + _INTEGERS[kind], self.block, at)
        return int(value)

    def text(self, tag: int, most: int) -> bytes:
        """The first ``most`` bytes of a text, empty if there is none."""
        kind, count, at = self.entries.get(tag, (0, 0, 0))
        if kind not in _TEXTS:
            return b""
        place = at if count <= 4 else int(struct.unpack_from(self.order + "I", self.block, at)[0])
        return self.block[place : place + min(count, most)]

    def below(self, tag: int) -> Directory:
        """The directory that a tag points to, empty if there is none."""
        return _directory(self.block, self.order, self.number(tag) or len(self.block))


def directory_of(exif: bytes | None) -> Directory:
    """The first directory of a block of EXIF, or of a whole TIFF; empty if it cannot be read."""
    block = _bare(exif or b"")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None or len(block) < 8:
        return Directory(block, ">", {})
    return _directory(block, order, struct.unpack_from(order + "I", block, 4)[0])


def is_adobe_rgb(exif: bytes | None) -> bool:
    """Whether a camera says that the colours are Adobe RGB's (DCF 2.0, section 3.2.3).

    It does so without a profile: the colour space is not sRGB, and the interoperability index is R03.
    """
    told = directory_of(exif).below(_EXIF)
    index = told.below(_INTEROPERABILITY).text(_INDEX, 4)
    return told.number(_COLOUR_SPACE) in _NOT_SRGB and index.startswith(b"R03")


def _bare(exif: bytes) -> bytes:
    """A block without what comes before it, which some programs write twice."""
    at = 0
    while exif.startswith(_PREFIX, at):
        at += len(_PREFIX)
    return exif[at:]


def _directory(block: bytes, order: str, at: int) -> Directory:
    found: dict[int, Entry] = {}
    for tag, kind, count, place in _entries(block, order, at):
        found.setdefault(tag, (kind, count, place))
    return Directory(block, order, found)


def _entries(block: bytes, order: str, at: int) -> Iterator[tuple[int, int, int, int]]:
    """Tag, type, count, and where the value is, of all that are whole."""
    if at + 2 > len(block):
        return
    (claimed,) = struct.unpack_from(order + "H", block, at)
    for place in range(at + 2, at + 2 + 12 * min(claimed, _MOST_ENTRIES), 12):
        if place + 12 > len(block):
            return
        yield (*struct.unpack_from(order + "HHI", block, place), place + 8)
