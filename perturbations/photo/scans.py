"""The scans of a JPEG, and whether any of them is cut off.

The decoder silently fills in what is missing, with grey or with blur. But it also reads on into whatever follows an
unfinished scan. So if adding something there changes the picture, something was missing. An interrupted download or a
bad memory card may have filled the file up with zeros, which are taken away first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final

from PIL import Image

from perturbations.errors import BadImage
from perturbations.photo.stored import loaded

_EOI: Final = b"\xff\xd9"
_FILLING: Final = bytes(range(254, 0, -1))
"""Unlike the zeros that the decoder itself fills in, from the first bit on: a single block may be missing."""
_ZEROS: Final = bytes(64)
_MOST_SCANS: Final = 20
"""Of a picture in scans that is decoded twice. Encoders write about ten; hundreds are only there to cause delay."""
_ROWS: Final = 256


@dataclass(frozen=True, slots=True)
class Scans:
    """A JPEG without metadata.

    header: all before the first scan. data: from there on, without the end marker. count: of scans. ended: whether an
    end marker was there. complete: whether no scan is missing, and nothing in the middle of one. even: whether zeros
    can code an even area. arithmetic: how it is coded.
    """

    header: bytes
    data: bytes
    count: int
    ended: bool
    complete: bool
    even: bool
    arithmetic: bool


def load(scans: Scans) -> Image.Image:
    """The decoded picture.

    Raises:
        BadImage: a part of it is missing. A missing end marker alone does not matter.
    """
    if not scans.complete:
        raise _missing()
    scans = _without_filling(scans)
    # where a picture comes in one scan, its last pixel tells whether anything is missing
    doubtful = not scans.ended or 1 < scans.count <= _MOST_SCANS
    other = _digest(_decoded(scans, _FILLING)) if doubtful and not scans.arithmetic else None
    image = _decoded(scans, b"")
    if other is None and not scans.arithmetic and _ends_grey(image):
        other = _digest(_decoded(scans, _FILLING))
    if other is not None and other != _digest(image):
        raise _missing()
    return image


def _without_filling(scans: Scans) -> Scans:
    """``scans`` without the zeros at their end, unless they code an even area: such are needed to the last."""
    if not scans.data.endswith(_ZEROS) or scans.arithmetic or scans.count > _MOST_SCANS:
        return scans
    shorter = replace(scans, data=scans.data[: -len(_ZEROS)])
    if scans.even and _digest(_decoded(shorter, _FILLING)) != _digest(_decoded(scans, b"")):
        return scans
    data = scans.data.rstrip(b"\0")
    # a zero behind 0xFF belongs to it
    return replace(scans, data=data + b"\0" if data.endswith(b"\xff") else data, ended=False)


def _missing() -> BadImage:
    return BadImage("a part of the picture is missing; export it again and send the new file")


def _decoded(scans: Scans, filling: bytes) -> Image.Image:
    return loaded(b"".join((scans.header, scans.data, filling, _EOI)), "JPEG")


def _ends_grey(image: Image.Image) -> bool:
    """Whether the last pixel is what the decoder fills in: the middle of the range, or its negative with CMYK."""
    last = image.getpixel((image.width - 1, image.height - 1))
    return all(value in {127, 128} for value in (last if isinstance(last, tuple) else (last,)))


def _digest(image: Image.Image) -> bytes:
    """Of all pixels, a few rows at a time."""
    digest = blake2b()
    for top in range(0, image.height, _ROWS):
        digest.update(image.crop((0, top, image.width, min(top + _ROWS, image.height))).tobytes())
    return digest.digest()
