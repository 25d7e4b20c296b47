"""TIFF files (TIFF 6.0) of the sort that photos are."""

from __future__ import annotations

import struct
from functools import partial
from typing import Final

from perturbations.errors import BadImage
from perturbations.photo import tiff_pages as pages
from perturbations.photo.credit import MOST, credit_of
from perturbations.photo.spaces import profile_of_exif
from perturbations.photo.stored import Stored, loaded
from perturbations.photo.tiff_pages import Page, Unusable, content, page_of, values

_MOST_PROFILE: Final = 16_000_000
"""Bytes: several times the largest anybody uses."""
_KEPT: Final = (
    *(pages.WIDTH, pages.HEIGHT, pages.BITS, pages.COMPRESSION, pages.COLOURS, pages.SAMPLES, pages.ROWS),
    *(pages.PLANES, pages.PREDICTOR, pages.PALETTE, pages.TILE_WIDTH, pages.TILE_HEIGHT, pages.EXTRA, pages.FORMAT),
)
"""What the decoder needs to know, besides where the parts are. All else stays outside: it would read every entry."""
_PLACES: Final = (pages.OFFSETS, pages.COUNTS, pages.TILE_OFFSETS, pages.TILE_COUNTS)
_SHORT, _LONG = 3, 4
_IPTC, _PHOTOSHOP = 33723, 34377
_DATASET: Final = b"\x1c"
"""The first byte of every dataset of IPTC."""
_MOST_RESOURCES: Final = 10_000_000
"""Bytes. There are thumbnails among them."""


def read(data: bytes) -> Stored:
    """The only page of a TIFF.

    Raises:
        BadImage: it is damaged, of a kind that photos are not, or has several pages.
    """
    try:
        page = page_of(data)
        if page.pages > 1:
            raise BadImage("the TIFF has several pages; save the page you want on its own")
        rebuilt = _rebuilt(data, page)
        orientation = values(data, page, pages.ORIENTATION, 1)[0]
        credit = credit_of(xmp=content(data, page, pages.XMP, MOST), iptc=_iptc(data, page), exif=data)
        colours, bits = (values(data, page, tag, 1)[0] for tag in (pages.COLOURS, pages.BITS))
    except Unusable as error:
        raise BadImage(f"the TIFF {error}") from None
    return Stored(
        "tiff",
        partial(loaded, rebuilt, "TIFF"),
        (page.width, page.height),
        orientation if 1 <= orientation <= 8 else 1,
        content(data, page, pages.PROFILE, _MOST_PROFILE) or profile_of_exif(data),
        grey=colours in (0, 1),
        bits=bits,
        credit=credit,
    )


def _iptc(data: bytes, page: Page) -> bytes | None:
    """The block of IPTC, or else the resources of Photoshop that may hold one."""
    found = content(data, page, _IPTC, MOST)
    if found is not None and found[:1] != _DATASET and found[3:4] == _DATASET:
        # some programs write it as numbers of four bytes, in the order of the file
        whole = len(found) // 4
        found = struct.pack(f">{whole}I", *struct.unpack(f"<{whole}I", found[: 4 * whole]))
    return found or content(data, page, _PHOTOSHOP, _MOST_RESOURCES)


def _rebuilt(data: bytes, page: Page) -> bytes:
    """The picture alone, as a TIFF of its own."""
    numbers = {tag: values(data, page, tag) for tag in _KEPT if tag in page.entries}
    tiled = pages.TILE_OFFSETS in page.entries
    places, body, at = [], [], 8
    for begin, length in page.parts:
        places.append(at)
        body.append(data[begin : begin + length])
        at += length
    numbers[pages.TILE_OFFSETS if tiled else pages.OFFSETS] = tuple(places)
    numbers[pages.TILE_COUNTS if tiled else pages.COUNTS] = tuple(length for _, length in page.parts)
    padding = at % 2
    head = (b"II*\0" if page.order == "<" else b"MM\0*") + struct.pack(page.order + "I", at + padding)
    return b"".join((head, *body, bytes(padding), _directory(page.order, numbers, at + padding)))


def _directory(order: str, numbers: dict[int, tuple[int, ...]], at: int) -> bytes:
    """One directory that begins at ``at``, with its values behind it."""
    free = at + 2 + 12 * len(numbers) + 4
    entries, behind = [struct.pack(order + "H", len(numbers))], b""
    for tag in sorted(numbers):
        wide = tag in _PLACES or max(numbers[tag]) > 0xFFFF
        kind, form = (_LONG, "I") if wide else (_SHORT, "H")
        value = struct.pack(f"{order}{len(numbers[tag])}{form}", *numbers[tag])
        if len(value) > 4:
            value, behind = struct.pack(order + "I", free + len(behind)), behind + value
        entries.append(struct.pack(order + "HHI", tag, kind, len(numbers[tag])) + value.ljust(4, b"\0"))
    return b"".join((*entries, bytes(4), behind))
