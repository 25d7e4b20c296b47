"""Picture files taken apart into what they are made of, and put together again, as wrong as is wanted."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from app.photos.intricacy import SCAN, png_chunks, segments, webp_chunks

FOLDERS: Final = {b"meta": 4, b"iinf": 6, **dict.fromkeys((b"iprp", b"ipco", b"moov", b"trak", b"mdia", b"minf"), 0)}
"""Boxes that hold boxes, and how many bytes come before those."""
ALONE: Final = {bytes((marker,)) for marker in (0x01, *range(0xD0, 0xDA))}
"""Markers without a length."""


@dataclass(slots=True)
class Part:
    """A segment, chunk or box. claimed: another length than it has. wrong: a checksum that does not fit.

    behind: what follows it and belongs to no part, such as the coded data of a JPEG. inside: boxes within a box, after
    its body.
    """

    kind: bytes
    body: bytes
    behind: bytes = b""
    claimed: int | None = None
    wrong: bool = False
    inside: list[Part] = field(default_factory=list)

    def copy(self) -> Part:
        """One that can be changed on its own."""
        return Part(self.kind, self.body, self.behind, self.claimed, self.wrong, [part.copy() for part in self.inside])


def container(data: bytes) -> str:
    """Which of the six a file is; a HEIC is made of boxes, as an AVIF is."""
    return {b"\xff\xd8": "jpeg", b"\x89P": "png", b"RI": "webp", b"GI": "gif", b"II": "tiff"}.get(data[:2], "avif")


def taken_apart(data: bytes) -> list[Part]:
    """The parts of an undamaged file."""
    kind = container(data)
    if kind == "jpeg":
        return _segments(data)
    if kind == "png":
        return [Part(name, data[begin:end]) for name, begin, end in png_chunks(data)]
    if kind == "webp":
        return [Part(name, data[begin:end]) for name, begin, end in webp_chunks(data)]
    if kind == "gif":
        return _blocks(data)
    return _entries(data) if kind == "tiff" else _boxes(data)


def put_together(kind: str, parts: Sequence[Part]) -> bytes:
    """The file of these parts."""
    if kind == "jpeg":
        return b"\xff\xd8" + b"".join(_segment(part) for part in parts)
    if kind == "png":
        return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(part) for part in parts)
    if kind == "webp":
        body = b"WEBP" + b"".join(_riff(part) for part in parts)
        return b"RIFF" + struct.pack("<I", len(body)) + body
    if kind == "gif":
        return b"GIF89a" + b"".join(_block(part) for part in parts)
    return _directory(parts) if kind == "tiff" else b"".join(_box(part) for part in parts)


def _blocks(data: bytes) -> list[Part]:
    """The screen with its palette, and every block of a GIF; the pieces of a block are one body."""
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    parts = [Part(b"", data[6:at])]
    while data[at] != ord(";"):
        begin = at
        at += 10 if data[at] == ord(",") else 1
        at += 1
        while data[at]:
            at += 1 + data[at]
        at += 1
        parts.append(Part(data[begin : begin + 1], data[begin + 1 : at]))
    return [*parts, Part(data[at : at + 1], data[at + 1 :])]


def _block(part: Part) -> bytes:
    return part.kind + part.body + part.behind


def _entries(data: bytes) -> list[Part]:
    """What lies before the directory of a TIFF, its entries, and what lies behind them."""
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    places = range(at + 2, at + 2 + 12 * count, 12)
    entries = [Part(data[place : place + 2], data[place + 2 : place + 12]) for place in places]
    return [Part(b"", data[8:at]), *entries, Part(b"", data[at + 2 + 12 * count :])]


def _directory(parts: Sequence[Part]) -> bytes:
    entries = [part.kind + part.body for part in parts if len(part.kind) == 2]
    others = [part.body + part.behind for part in parts if len(part.kind) != 2] or [b""]
    head = b"II*\0" + struct.pack("<I", 8 + len(others[0]))
    return head + others[0] + struct.pack("<H", len(entries) & 0xFFFF) + b"".join(entries) + b"".join(others[1:])


def _segments(data: bytes) -> list[Part]:
    places = list(segments(data))
    ends = [at - 2 for _, at in places[1:]] + [len(data)]
    parts = []
    for (marker, at), end in zip(places, ends, strict=True):
        stop = at if bytes((marker,)) in ALONE else at + int.from_bytes(data[at : at + 2], "big")
        parts.append(Part(bytes((marker,)), data[at + 2 : stop], data[stop:end]))
    assert any(part.kind[0] == SCAN for part in parts)
    return parts


def _segment(part: Part) -> bytes:
    if part.kind in ALONE:
        return b"\xff" + part.kind + part.behind
    body = part.body[:65_533]
    return b"\xff" + part.kind + struct.pack(">H", _length(part, len(body) + 2, 0xFFFF)) + body + part.behind


def _chunk(part: Part) -> bytes:
    checksum = zlib.crc32(part.kind + part.body) ^ part.wrong
    return struct.pack(">I", _length(part, len(part.body))) + part.kind + part.body + struct.pack(">I", checksum)


def _riff(part: Part) -> bytes:
    return part.kind + struct.pack("<I", _length(part, len(part.body))) + part.body + bytes(len(part.body) % 2)


def _boxes(data: bytes) -> list[Part]:
    parts, at = [], 0
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        head, end = at + 8 + FOLDERS.get(kind, length), at + length
        inside = _boxes(data[head:end]) if kind in FOLDERS else []
        parts.append(Part(kind, data[at + 8 : min(head, end)], inside=inside))
        at = end
    return parts


def _box(part: Part) -> bytes:
    body = part.body + b"".join(_box(inner) for inner in part.inside)
    return struct.pack(">I", _length(part, len(body) + 8)) + part.kind + body


def _length(part: Part, right: int, most: int = 0xFFFFFFFF) -> int:
    return right if part.claimed is None else part.claimed & most
