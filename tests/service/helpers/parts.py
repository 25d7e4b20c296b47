"""What picture files are made of, to be put together in ways no encoder would."""

from __future__ import annotations

import struct
import zlib


def segment(marker: int, body: bytes = b"") -> bytes:
    """A segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def part(kind: bytes, body: bytes = b"") -> bytes:
    """A chunk of a WebP."""
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def box(kind: bytes, body: bytes = b"") -> bytes:
    """A box of an ISO file."""
    return struct.pack(">I", len(body) + 8) + kind + body


def full_box(kind: bytes, body: bytes = b"", *, version: int = 0, flags: int = 0) -> bytes:
    """A box that tells its version."""
    return box(kind, struct.pack(">I", version << 24 | flags) + body)
