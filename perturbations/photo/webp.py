"""WebP files (RFC 9649)."""

from __future__ import annotations

import io
from functools import partial

from PIL import Image

from perturbations.errors import BadImage
from perturbations.photo.credit import credit_of
from perturbations.photo.orientation import orientation_of
from perturbations.photo.spaces import profile_of_exif
from perturbations.photo.stored import Stored


def read(data: bytes) -> Stored:
    """A WebP.

    Raises:
        BadImage: an animation.
    """
    told = _told(data)
    return Stored(
        "webp",
        partial(_load, data),
        _canvas(data),
        orientation_of(told.get(b"EXIF")),
        told.get(b"ICCP", profile_of_exif(told.get(b"EXIF"))),
        credit=credit_of(xmp=told.get(b"XMP "), exif=told.get(b"EXIF")),
    )


def _told(data: bytes) -> dict[bytes, bytes]:
    """The chunks that are not pixels; the first of each kind counts."""
    found: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= len(data):
        kind, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if kind in {b"EXIF", b"ICCP", b"XMP "} and at + 8 + length <= len(data):
            found.setdefault(kind, data[at + 8 : at + 8 + length])
        at += 8 + length + length % 2
    return found


def _canvas(data: bytes) -> tuple[int, int] | None:
    """Width and height of an extended file: the decoder reserves them as soon as it opens one."""
    if data[12:16] != b"VP8X" or len(data) < 30:
        return None
    return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")


def _load(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=["WEBP"])
    if getattr(image, "n_frames", 1) > 1:
        raise BadImage("the file holds more than one picture; send a single one, not an animation")
    image.load()
    return image
