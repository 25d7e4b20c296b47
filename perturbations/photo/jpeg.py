"""JPEG files (ITU-T T.81, annex B)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from perturbations.errors import BadImage
from perturbations.photo.credit import MOST, credit_of
from perturbations.photo.formats import MAX_SIDE
from perturbations.photo.gaps import codes_even, has_gap, zeros_of
from perturbations.photo.jpeg_quality import quality_of, tables_of
from perturbations.photo.orientation import orientation_of
from perturbations.photo.scans import Scans, load
from perturbations.photo.sent import Sent
from perturbations.photo.spaces import profile_of_exif
from perturbations.photo.stored import Stored

_MARKER: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""A marker that is neither a stuffed byte, nor filling, nor a restart."""
_SOI, _EOI, _SOS, _TEM, _APP0, _APP1, _APP2, _APP14 = 0xD8, 0xD9, 0xDA, 0x01, 0xE0, 0xE1, 0xE2, 0xEE
_FRAMES: Final = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE: Final = {0xC2, 0xCA}
_ARITHMETIC: Final = {0xC9, 0xCA}
_SEQUENTIAL: Final = {0xC0, 0xC1}
_DECODABLE: Final = _SEQUENTIAL | _PROGRESSIVE | _ARITHMETIC
_TABLES: Final = {0xC4, 0xCC, 0xDB, 0xDD}
"""Huffman tables, arithmetic conditioning, quantisation, restarts."""
_DHT, _DQT, _DRI, _APP13 = 0xC4, 0xDB, 0xDD, 0xED
_EXIF: Final = b"Exif\0\0"
_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
_PHOTOSHOP: Final = b"Photoshop 3.0\0"
_PROFILE: Final = b"ICC_PROFILE\0"


@dataclass(frozen=True, slots=True)
class _Segment:
    """marker: its second byte. at: where it starts. body: what it holds. end: where the next one may start."""

    marker: int
    at: int
    body: bytes
    end: int


@dataclass(slots=True)
class _Told:
    """What the segments before the first scan hold; of EXIF, IPTC and profiles, the parts in order."""

    frame: _Segment | None = None
    exif: bytes = b""
    xmp: bytes = b""
    iptc: bytes = b""
    profile: dict[int, bytes] = field(default_factory=dict)
    tables: dict[int, bytes] = field(default_factory=dict)
    zeros: dict[int, int] = field(default_factory=dict)
    restarts: int = 0

    def note(self, segment: _Segment) -> None:
        body = segment.body
        match segment.marker:
            case marker if marker in _FRAMES:
                self.frame = segment
            case m if m == _APP1 and body.startswith(_EXIF):
                self.exif += body[len(_EXIF) if self.exif else 0 :]
            case m if m == _APP1 and body.startswith(_XMP):
                self.xmp = self.xmp or body[len(_XMP) :]
            case m if m == _APP2 and body.startswith(_PROFILE) and len(body) > len(_PROFILE) + 2:
                self.profile[body[len(_PROFILE)]] = body[len(_PROFILE) + 2 :]
            case m if m == _APP13 and body.startswith(_PHOTOSHOP) and len(self.iptc) < MOST:
                self.iptc += body[len(_PHOTOSHOP) :]
            case m if m == _DQT:
                self.tables.update(tables_of(body))
            case m if m == _DHT:
                self.zeros.update(zeros_of(body))
            case m if m == _DRI:
                self.restarts = int.from_bytes(body[:2], "big")

    def icc(self) -> bytes | None:
        """The profile, or that of the colours that EXIF tells."""
        parts = b"".join(self.profile[number] for number in sorted(self.profile))
        return parts or profile_of_exif(self.exif)


def read(data: bytes) -> Stored:
    """A JPEG. What follows its end is left out: phones put depth maps and whole videos there.

    Raises:
        BadImage: a kind of JPEG that cannot be read, or no picture in it.
    """
    kept, told = [b"\xff\xd8"], _Told()
    start = None
    for segment in _segments(data):
        if segment.marker == _SOS:
            start = segment.at
            break
        told.note(segment)
        if _tells_of_pixels(segment):
            kept.append(data[segment.at : segment.end])
    frame = told.frame
    if frame is None or start is None or len(frame.body) < 6:
        raise BadImage("the picture is damaged or incomplete; export it again and send the new file")
    size = _size(frame)
    sent = Sent(frame.body[6::3], progressive=frame.marker in _PROGRESSIVE)
    end, count, ended = _scans(data, start, sent)
    coded = data[start:end].rstrip(b"\xff")
    simple = count == 1 and frame.marker in _SEQUENTIAL
    even = not simple or codes_even(coded, told.zeros)
    gap = simple and has_gap(coded, frame.body, even=even, interval=told.restarts)
    scans = Scans(
        header=b"".join(kept),
        data=coded,
        count=count,
        ended=ended,
        complete=sent.complete(exact=not ended) and not gap,
        even=even,
        arithmetic=frame.marker in _ARITHMETIC,
    )
    return Stored(
        "jpeg",
        partial(load, scans),
        size,
        orientation_of(told.exif or None),
        told.icc(),
        quality=quality_of(told.tables),
        credit=credit_of(xmp=told.xmp, iptc=told.iptc, exif=told.exif),
    )


def _segments(data: bytes) -> Iterator[_Segment]:
    """The segments before the first scan, and its header."""
    at = 2
    while (found := _MARKER.search(data, at)) is not None:
        at, marker = found.start(), data[found.start() + 1]
        if marker == _EOI:
            return
        if marker in {_SOI, _TEM}:
            at += 2
            continue
        end = at + 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
        if end > len(data):
            return
        yield _Segment(marker, at, data[at + 4 : end], end)
        at = end


def _tells_of_pixels(segment: _Segment) -> bool:
    """Whether the decoder needs it: JFIF and Adobe say what the three or four components are."""
    jfif = segment.marker == _APP0 and segment.body.startswith(b"JFIF\0") and len(segment.body) >= 14
    adobe = segment.marker == _APP14 and segment.body.startswith(b"Adobe") and len(segment.body) >= 12
    return jfif or adobe or segment.marker in _TABLES or segment.marker in _FRAMES


def _size(frame: _Segment) -> tuple[int, int]:
    """Width and height."""
    if frame.body[0] != 8:
        raise BadImage(f"a JPEG of {frame.body[0]} bits a colour cannot be read; export it with 8 bits or as PNG")
    if frame.marker not in _DECODABLE:
        raise BadImage("a JPEG of this rare kind (lossless or hierarchical) cannot be read; export it as PNG")
    height, width = int.from_bytes(frame.body[1:3], "big"), int.from_bytes(frame.body[3:5], "big")
    if max(width, height) > MAX_SIDE["jpeg"]:
        raise BadImage(f"a JPEG of more than {MAX_SIDE['jpeg']} pixels a side cannot be read; scale it down")
    return width, height


def _scans(data: bytes, start: int, sent: Sent) -> tuple[int, int, bool]:
    """Where the scans end, how many there are, and whether an end marker follows; ``sent`` notes what they hold."""
    at, count = start, 0
    while (found := _MARKER.search(data, at)) is not None:
        at, marker = found.start(), data[found.start() + 1]
        if marker == _EOI:
            return at, count, True
        length = 0 if marker in {_SOI, _TEM} else max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
        if marker == _SOS:
            count += 1
            sent.note(data[at + 4 : at + 2 + length])
        at += 2 + length
    return len(data), count, False
