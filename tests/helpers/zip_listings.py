"""ZIP files that list far more than they hold."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Literal

Count = Literal["zip64", "one", "wrapped"]
"""What the end record says: the truth, as only zip64 can; a single file; what is left of the truth in 16 bits."""


def listing(path: Path, members: int, *, count: Count = "zip64", name_bytes: int = 8) -> Path:
    """``members`` entries of a central directory, and a single empty file behind all of them."""
    local = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 0, 0, 33, 0, 0, 0, name_bytes, 0) + b"0" * name_bytes
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 33, 0, 0, 0, name_bytes, *([0] * 6))
    with path.open("wb") as file:
        file.write(local)
        for start in range(0, members, 10_000):
            names = range(start, min(members, start + 10_000))
            file.write(b"".join(entry + b"%0*d" % (name_bytes, name) for name in names))
        size, at = file.tell() - len(local), file.tell()
        said = {"zip64": members, "one": 1, "wrapped": members % 65536}[count]
        if count == "zip64":
            file.write(struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, said, said, size, len(local)))
            file.write(struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1))
        short = min(said, 0xFFFF)
        file.write(struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, short, short, size, len(local), 0))
    return path
