"""Counts the parts of a picture file without decoding it: some decoders spend a long time on each part.

A photo has a few hundred parts. A file of a few megabytes can have hundreds of thousands, and keep a decoder busy for
minutes or hours, whatever its size in pixels. The bytes are read once, and no claim in the file makes this allocate
memory. The front end and the engine each have a copy of this file, because neither may import the other. A test
compares them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from .av1 import coded, pixels
from .gif_blocks import gif_of
from .hevc import Odd, coded_size, heic_of

MAX_SCANS: Final = 100
"""Scans of a JPEG. Encoders write ten or so, and each passes over every pixel again."""
ARITHMETIC_WEIGHT: Final = 5
"""How many scans an arithmetically coded one counts as: it takes longer, with hardly any bytes."""
MAX_SEGMENTS: Final = 600
"""Segments of a JPEG besides its scans. 25 MB of metadata are 382 of full length."""
MAX_FILLING: Final = 65_536
"""Bytes of a JPEG that lie between the segments before its first scan."""
MAX_CHUNKS: Final = 30_000
"""Chunks of a PNG or WebP. 25 MB are 25,000 of a kilobyte each."""
MAX_BOXES: Final = 10_000
MAX_TABLES: Final = 32_768
"""Boxes of an AVIF, and bytes of its tables of items, for which its decoder takes the square of their number. Of a
picture of 256 tiles with transparency there are 540, and 25,000."""

AVIF: Final = frozenset({b"avif", b"avis"})
HEIC: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
"""Brands of ISO files (ISO/IEC 14496-12, section 4.3). Those of HEIC stand in AVIFs as well."""
_LONGEST_BRANDS: Final = 256
"""Bytes of an ISO file's first box that are read."""

END, SCAN = 0xD9, 0xDA
"""Markers of a JPEG (ITU-T T.81, table B.1)."""
FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of the segment with a JPEG's size and coding."""
_ARITHMETIC: Final = 0xC9
"""The first of those for arithmetic coding."""
_MARKER: Final = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
"""Any but those within coded data, and those that stand alone; a repeated start means nothing."""
_TABLES: Final = frozenset({b"iinf", b"iloc", b"iref", b"ipma", b"grpl"})
_FOLDERS: Final = {b"meta": 4, **dict.fromkeys((b"iprp", b"ipco", b"moov", b"trak", b"mdia", b"minf", b"stbl"), 0)}
"""Boxes that hold boxes, and how many bytes come before those."""


def too_intricate(data: bytes) -> str | None:
    """Why ``data`` must not go to a decoder, and what to do about it; ``None`` if it may."""
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _chunks("PNG", png_chunks(data))
    if data.startswith(b"RIFF"):
        return _chunks("WebP", webp_chunks(data))
    if is_heic(data):
        return _heic(data)
    return _avif(data) if data[4:8] == b"ftyp" else None


def is_heic(data: bytes) -> bool:
    """Whether ``data`` says it is a HEIC, and no AVIF."""
    told = brands(data)
    return bool(told & HEIC) and not told & AVIF


def brands(data: bytes) -> set[bytes]:
    """The brands that a file of boxes declares."""
    if data[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(data[:4], "big"), _LONGEST_BRANDS)
    return {data[at : at + 4] for at in (8, *range(16, end - 3, 4))}


def coded_pixels(data: bytes) -> int:
    """How many pixels the largest picture coded in an AVIF, HEIC or GIF has, whatever size it declares.

    For other kinds 0.

    Call it only for files that are not :func:`too_intricate`.
    """
    if data.startswith((b"GIF87a", b"GIF89a")):
        gif = gif_of(data)
        return 0 if gif is None else gif.across * gif.down
    found = boxes(data) if data[4:8] == b"ftyp" else ()
    if is_heic(data):
        return coded_size(data, heic_of(data, found))
    return max((pixels(item) or 0 for item in coded(data, found)), default=0)


def segments(data: bytes) -> Iterator[tuple[int, int]]:
    """The markers of a JPEG up to the end of its first picture, each with where its parameters begin."""
    at = 2
    while (found := _MARKER.search(data, at)) is not None:
        marker, at = data[found.end() - 1], found.end()
        yield marker, at
        if marker == END:
            return
        at += max(2, int.from_bytes(data[at : at + 2], "big"))


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The chunks of a PNG: kind, where the body begins, and where it claims to end."""
    at = 8
    while at + 8 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8], at + 8, end
        at = end + 4


def webp_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The chunks of a WebP: kind, where the body begins, and where it claims to end."""
    at = 12
    while at + 8 <= len(data):
        end = at + 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], at + 8, end
        at = end + end % 2


def boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The boxes of an ISO file (ISO/IEC 14496-12, 4.2), each folder before its contents: kind, begin and end."""
    at, ends = 0, [len(data)]
    while ends:
        length, head, kind = int.from_bytes(data[at : at + 4], "big"), 8, data[at + 4 : at + 8]
        if length == 1:
            length, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        stop = min(at + length, ends[-1]) if length else ends[-1]
        if stop < at + head:  # there is none, or none that can be read
            at = ends.pop()
            continue
        yield kind, at + head, stop
        if kind in _FOLDERS:
            ends.append(stop)
            at += head + _FOLDERS[kind]
        else:
            at = stop


def _jpeg(data: bytes) -> str | None:
    scans = others = filling = 0
    weight, expected = 1, 2
    for marker, at in segments(data):
        if marker == SCAN:
            scans += weight
        else:
            others += 1
            weight = ARITHMETIC_WEIGHT if marker in FRAMES and marker >= _ARITHMETIC else weight
        if scans == 0:
            filling += at - 2 - expected
            expected = at + int.from_bytes(data[at : at + 2], "big")
        if scans > MAX_SCANS:
            return f"the JPEG has more than {MAX_SCANS // weight} scans; save it again as a baseline JPEG"
        if others > MAX_SEGMENTS or filling > MAX_FILLING:
            return _save_again("JPEG")
    return _save_again("JPEG") if scans == 0 and len(data) - expected > MAX_FILLING else None


def _chunks(kind: str, chunks: Iterable[object]) -> str | None:
    return _save_again(kind) if sum(1 for _ in islice(chunks, MAX_CHUNKS + 1)) > MAX_CHUNKS else None


def _heic(data: bytes) -> str | None:
    found = list(islice(boxes(data), MAX_BOXES + 1))
    if _too_many(found):
        return _save_again("HEIC")
    try:
        coded_size(data, heic_of(data, found))
    except Odd as error:
        return f"the HEIC {error}"
    return None


def _too_many(found: list[tuple[bytes, int, int]]) -> bool:
    tables = sum(end - begin for kind, begin, end in found if kind in _TABLES)
    return len(found) > MAX_BOXES or tables > MAX_TABLES


def _avif(data: bytes) -> str | None:
    found = list(islice(boxes(data), MAX_BOXES + 1))
    if _too_many(found) or any(pixels(item) is None for item in coded(data, found)):
        return _save_again("AVIF")
    return None


def _save_again(kind: str) -> str:
    return f"the {kind} has more parts than any photo needs; open it in an image editor and save it again"
