"""The header of a WebP (RFC 9649, sections 2.5 to 2.7)."""

from __future__ import annotations

import struct
from itertools import islice

from app.photos.headers.header import Header, damaged
from app.photos.intricacy import webp_chunks


def webp(data: bytes) -> Header:
    """What the first chunk says, and how many frames there are.

    Raises:
        Unreadable: the first chunk is damaged.
    """
    chunk, body = data[12:16], data[20:30]
    if chunk == b"VP8X" and len(body) == 10:
        width, height = (1 + int.from_bytes(body[at : at + 3], "little") for at in (4, 7))
        return Header(width, height, bool(body[0] & 0b10) and _has_frames(data))
    if chunk == b"VP8L" and len(body) >= 5 and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return Header(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if chunk == b"VP8 " and len(body) == 10 and body[3:6] == b"\x9d\x01\x2a":
        width, height = (side & 0x3FFF for side in struct.unpack("<HH", body[6:10]))
        if width and height:
            return Header(width, height)
    raise damaged()


def _has_frames(data: bytes) -> bool:
    """Whether an animation has more than one frame; with a single frame it is a picture."""
    frames = (1 for kind, _, _ in webp_chunks(data) if kind == b"ANMF")
    return sum(islice(frames, 2)) > 1
