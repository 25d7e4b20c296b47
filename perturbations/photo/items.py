"""What the items of a HEIF or AVIF say about who made the photo."""

from __future__ import annotations

from perturbations.photo.credit import Credit, credit_of
from perturbations.photo.hevc import Heic


def credit_in(data: bytes, items: Heic) -> Credit:
    """From the first item with EXIF, and the first with XMP."""
    exif = _first(data, items, b"Exif")
    # behind four bytes that say where it begins
    return credit_of(xmp=_first(data, items, b"mime"), exif=exif[4 + int.from_bytes(exif[:4], "big") :])


def _first(data: bytes, items: Heic, kind: bytes) -> bytes:
    """The first item of a kind, as far as it lies in one piece."""
    for item, its in items.kinds.items():
        if its == kind:
            return b"".join(data[at : at + length] for at, length in items.places.get(item, [])[:1])
    return b""
