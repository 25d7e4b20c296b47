"""AVIF files (AV1 Image File Format, over ISO/IEC 23008-12 and 14496-12)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from math import ceil, floor
from typing import Final

from PIL import Image

from perturbations.errors import BadImage
from perturbations.photo.credit import NOBODY, Credit
from perturbations.photo.depth import bits_of
from perturbations.photo.hevc import Odd, heic_of
from perturbations.photo.intricacy import boxes
from perturbations.photo.items import credit_in
from perturbations.photo.spaces import hdr_told, is_hdr, profile_of_cicp
from perturbations.photo.stored import Box, Chunk, Stored, loaded

_HIDDEN: Final = b"skip"
"""The name EXIF items get for the decoder, which would rewrite their tags and fail on odd ones."""
_FOLDERS: Final = {b"moov", b"trak", b"mdia", b"minf", b"stbl"}
_COUNTS: Final = {b"stsz": (8,), b"stco": (4,), b"co64": (4,), b"stsc": (4, 12)}
"""Tables of a sequence's frames, and where in them numbers of frames are."""
_ORIENTATIONS: Final = {None: (1, 8, 3, 6), 0: (4, 5, 2, 7), 1: (2, 7, 4, 5)}
"""By the axis of the mirror and the number of quarter turns to the left."""


@dataclass(slots=True)
class _Meta:
    """primary: the item that is the picture. properties: of the file. used: of each item, numbers counting from 1.
    exif: where the types of EXIF items are written."""

    primary: int = 0
    properties: list[tuple[bytes, bytes]] = field(default_factory=list)
    used: dict[int, list[int]] = field(default_factory=dict)
    exif: list[int] = field(default_factory=list)

    def of_primary(self) -> list[tuple[bytes, bytes]]:
        numbers = self.used.get(self.primary, [])
        return [self.properties[number - 1] for number in numbers if 0 < number <= len(self.properties)]


def read(data: bytes) -> Stored:
    """An AVIF. Only its container says which way up it is and which part of it is visible; EXIF does not count.

    Raises:
        BadImage: a sequence of several pictures, or a visible part that makes no sense.
    """
    if data[8:12] == b"avis" and _frames(data, 0, len(data)) > 1:
        raise BadImage("the file holds more than one picture; send a single one, not an animation")
    meta = _meta(data)
    properties = meta.of_primary()
    size = next((struct.unpack(">II", body[4:12]) for kind, body in properties if kind == b"ispe"), None)
    visible = next((_aperture(body, *size) for kind, body in properties if kind == b"clap" and size), None)
    grey = any(kind == b"pixi" and body[4] == 1 for kind, body in properties)
    return Stored(
        "avif",
        partial(_load, data, meta.exif),
        size,
        _orientation(properties),
        profile_of(properties),
        visible,
        grey,
        bits_of(properties),
        credit=_credit(data),
        hdr=hdr_of(properties),
    )


def _credit(data: bytes) -> Credit:
    """Who made it; nothing in a file that is put together in an unusual way."""
    try:
        return credit_in(data, heic_of(data, boxes(data)))
    except Odd:
        return NOBODY


def _frames(data: bytes, start: int, end: int) -> int:
    """How many a sequence claims to have: the decoder would list them all when it opens one."""
    most = 0
    for kind, at, until in _boxes(data, start, end):
        if kind in _FOLDERS:
            most = max(most, _frames(data, at, until))
        for place in _COUNTS.get(kind, ()):
            most = max(most, int.from_bytes(data[at + place : at + place + 4], "big"))
    return most


def _meta(data: bytes) -> _Meta:
    meta = _Meta()
    for kind, start, end in _boxes(data, 0, len(data)):
        if kind == b"meta":
            for part, at, until in _boxes(data, start + 4, end):
                _PARTS.get(part, _pass_over)(meta, data, at, until)
            break
    return meta


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, and where the content starts and ends."""
    while at + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start)
            start += 8
        until = end if size == 0 else min(at + size, end)
        if until < start:
            return
        yield kind, start, until
        at = until


def _pass_over(_: _Meta, __: bytes, ___: int, ____: int) -> None:
    """Skip a box that says nothing about the picture."""


def _primary(meta: _Meta, data: bytes, at: int, _: int) -> None:
    (meta.primary,) = struct.unpack_from(">I" if data[at] else ">H", data, at + 4)


def _items(meta: _Meta, data: bytes, at: int, end: int) -> None:
    """Find EXIF in the list of items."""
    for kind, start, until in _boxes(data, at + (8 if data[at] else 6), end):
        place = start + 4 + (4 if data[start] >= 3 else 2) + 2
        if kind == b"infe" and data[start] >= 2 and place + 4 <= until and data[place : place + 4] == b"Exif":
            meta.exif.append(place)


def _properties(meta: _Meta, data: bytes, at: int, end: int) -> None:
    for kind, start, until in _boxes(data, at, end):
        if kind == b"ipco":
            meta.properties += [(name, data[a:b]) for name, a, b in _boxes(data, start, until)]
        elif kind == b"ipma":
            _uses(meta, data, start)


def _uses(meta: _Meta, data: bytes, at: int) -> None:
    """Which item has which properties."""
    version, wide = data[at], data[at + 3] & 1
    (items,) = struct.unpack_from(">I", data, at + 4)
    at += 8
    for _ in range(items):
        (item,) = struct.unpack_from(">I" if version else ">H", data, at)
        at += 4 if version else 2
        count = data[at]
        numbers = struct.unpack_from(f">{count}{'H' if wide else 'B'}", data, at + 1)
        at += 1 + count * (2 if wide else 1)
        meta.used.setdefault(item, []).extend(number & (0x7FFF if wide else 0x7F) for number in numbers)


_PARTS: Final = {b"pitm": _primary, b"iinf": _items, b"iprp": _properties}


def _orientation(properties: list[tuple[bytes, bytes]]) -> int:
    """That of EXIF which turns (irot) and then mirrors (imir) alike."""
    angle = next((body[0] & 3 for kind, body in properties if kind == b"irot" and body), 0)
    axis = next((body[0] & 1 for kind, body in properties if kind == b"imir" and body), None)
    return _ORIENTATIONS[axis][angle]


def _aperture(body: bytes, width: int, height: int) -> Box:
    """The clean aperture (ISO/IEC 14496-12, section 12.1.4): the rest was cropped and must not be seen."""
    values = struct.unpack(">IIIIiIiI", body[:32])
    try:
        wide, high, right, down = (Fraction(values[i], values[i + 1]) for i in range(0, 8, 2))
    except ZeroDivisionError:
        raise _senseless() from None
    left, top = (width - wide) / 2 + right, (height - high) / 2 + down
    box = (max(0, ceil(left)), max(0, ceil(top)), min(width, floor(left + wide)), min(height, floor(top + high)))
    if box[0] >= box[2] or box[1] >= box[3]:
        raise _senseless()
    return box


def _senseless() -> BadImage:
    return BadImage("the crop stored in the file is not valid; export the picture again and send the new file")


def profile_of(properties: list[tuple[bytes, bytes]]) -> bytes | None:
    """An ICC profile among the properties of a picture, or one made from the colour codes (nclx)."""
    told = _colours(properties)
    return profile_of_cicp(*told) if isinstance(told, tuple) else told


def hdr_of(properties: list[tuple[bytes, bytes]]) -> tuple[Chunk, ...]:
    """What a PNG has to say of a picture of high dynamic range, nothing of any other."""
    told = _colours(properties)
    return (hdr_told(*told),) if isinstance(told, tuple) and is_hdr(told[1]) else ()


def _colours(properties: list[tuple[bytes, bytes]]) -> bytes | tuple[int, int] | None:
    """An ICC profile, or else primaries and transfer by number."""
    told = [body for kind, body in properties if kind == b"colr"]
    for body in told:
        if body[:4] in {b"prof", b"rICC"}:
            return body[4:]
    for body in told:
        if body[:4] == b"nclx" and len(body) >= 10:
            primaries, transfer = struct.unpack_from(">HH", body, 4)
            return primaries, transfer
    return None


def _load(data: bytes, exif: list[int]) -> Image.Image:
    plain = bytearray(data)
    for place in exif:
        plain[place : place + 4] = _HIDDEN
    return loaded(bytes(plain), "AVIF")
