"""PNG files (W3C, Portable Network Graphics, third edition)."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np
from PIL import Image

from perturbations.errors import BadImage
from perturbations.photo.credit import MOST, credit_of
from perturbations.photo.deep import colours_of
from perturbations.photo.orientation import orientation_of
from perturbations.photo.spaces import hdr_told, is_hdr, profile_of_cicp, profile_of_gamma
from perturbations.photo.stored import Chunk, Stored, loaded

_CHANNELS: Final = {2: 3, 6: 4}
"""Of the kinds in colour."""
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_END: Final = b"\0\0\0\0IEND\xaeB`\x82"
_MOST_PROFILE: Final = 16_000_000
"""Bytes of a profile, unpacked: several times the largest anybody uses."""
_MOST_EXIF: Final = 1_000_000
_LIGHT: Final = {b"mDCV": 24, b"cLLI": 8}
"""Chunks about the light of a picture of high dynamic range, and how long they are."""
_XMP: Final = b"XML:com.adobe.xmp\0"
_EXIF_NAMES: Final = (b"Raw profile type exif", b"Raw profile type APP1")
_RAW: Final = re.compile(rb"\s*\w+\s+\d+\s+([0-9a-fA-F\s]*)")
"""Name, length, and the bytes in hexadecimal, as ImageMagick writes them."""


@dataclass(slots=True)
class _Told:
    """Data of the other chunks; the first of each kind counts, and others are not even unpacked.

    raw, icc: empty if there is an unusable one. xmp: plain, or empty if it was packed too well.
    """

    exif: bytes | None = None
    raw: bytes | None = None
    cicp: tuple[int, int, int, int] | None = None
    light: dict[bytes, bytes] = field(default_factory=dict)
    icc: bytes | None = None
    xmp: bytes | None = None
    srgb: bool = False
    gamma: int | None = None
    chromaticities: tuple[int, ...] | None = None

    def note(self, kind: bytes, body: bytes) -> None:
        match kind:
            case b"eXIf":
                self.exif = self.exif or body
            case b"zTXt" | b"tEXt" if self.raw is None:
                self.raw = _raw_profile(kind, body)
            case b"iTXt" if self.xmp is None and body.startswith(_XMP):
                self.xmp = _international(body[len(_XMP) :])
            case b"cICP" if len(body) == 4:
                self.cicp = self.cicp or (body[0], body[1], body[2], body[3])
            case b"mDCV" | b"cLLI" if len(body) == _LIGHT[kind]:
                self.light.setdefault(kind, body)
            case b"iCCP" if self.icc is None:
                self.icc = _profile(body) or b""
            case b"sRGB":
                self.srgb = True
            case b"gAMA" if len(body) == 4:
                self.gamma = self.gamma or int.from_bytes(body, "big")
            case b"cHRM" if len(body) == 32:
                self.chromaticities = self.chromaticities or struct.unpack(">8I", body)

    def profile(self) -> bytes | None:
        """The best description of the colours, in the standard's order (section 4.3)."""
        if self.cicp is not None:
            return profile_of_cicp(self.cicp[0], self.cicp[1])
        if self.icc or self.srgb or self.gamma is None:
            return self.icc or None
        return profile_of_gamma(self.gamma, self.chromaticities)

    def hdr(self) -> tuple[Chunk, ...]:
        """The chunks that make it a picture of high dynamic range, none if it is none."""
        if self.cicp is None or not is_hdr(self.cicp[1]):
            return ()
        primaries, transfer, _, whole = self.cicp
        return hdr_told(primaries, transfer, whole), *self.light.items()


def read(data: bytes) -> Stored:
    """A PNG. Its text is left out, however much there is, and damaged chunks without pixels are ignored.

    Raises:
        BadImage: an animation, or no picture in it.
    """
    kept, told, header = [_SIGNATURE], _Told(), b""
    for kind, body, whole in _chunks(data):
        if kind == b"IHDR":
            header = header or body
        if kind in {b"IHDR", b"PLTE", b"tRNS", b"IDAT"}:
            kept += [struct.pack(">I", len(body)), kind, body, whole or struct.pack(">I", zlib.crc32(kind + body))]
        elif kind == b"fdAT" or (kind == b"acTL" and int.from_bytes(body[:4], "big") > 1):
            raise BadImage("the file holds more than one picture; send a single one, not an animation")
        elif whole == struct.pack(">I", zlib.crc32(kind + body)):
            told.note(kind, body)
    if len(header) != 13:
        raise BadImage("the picture is damaged or incomplete; export it again and send the new file")
    width, height, depth, colour = struct.unpack(">IIBB", header[:10])
    plain = b"".join([*kept, _END])
    return Stored(
        "png",
        partial(_load, plain, depth, colour),
        (width, height),
        orientation_of(told.exif or told.raw),
        told.profile(),
        grey=colour in {0, 4},
        bits=depth,
        deep=partial(colours_of, plain, _CHANNELS[colour]) if depth == 16 and colour in _CHANNELS else None,
        credit=credit_of(xmp=told.xmp, exif=told.exif or told.raw),
        hdr=told.hdr(),
    )


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Kind, content and checksum of each; a truncated one comes as far as it exists, without checksum."""
    at = len(_SIGNATURE)
    while at + 8 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind == b"IEND":
            return
        end = at + 8 + length
        checksum = data[end : end + 4]
        yield kind, data[at + 8 : end], checksum if len(checksum) == 4 else b""
        at = end + 4


def _load(data: bytes, depth: int, colour: int) -> Image.Image:
    """The picture, with the value that is transparent in the depth of its pixels."""
    image = loaded(data, "PNG")
    clear = image.info.get("transparency")
    if colour == 0 and depth in {2, 4} and isinstance(clear, int):
        image.info["transparency"] = clear * 255 // (2**depth - 1)
    elif colour == 2 and depth == 16 and isinstance(clear, tuple):
        del image.info["transparency"]
        image.putalpha(_alpha(image, _low_bytes(data), clear))
    return image


def _low_bytes(data: bytes) -> Image.Image:
    """What Pillow leaves out of 16-bit colours."""
    image = Image.open(io.BytesIO(data), formats=["PNG"])
    image.tile = [tile._replace(args="RGB;16L") for tile in image.tile]
    image.load()
    return image


def _alpha(high: Image.Image, low: Image.Image, clear: tuple[int, ...]) -> Image.Image:
    matches = np.ones((high.height, high.width), dtype=np.bool_)
    for band, value in enumerate(clear):
        matches &= (np.asarray(high.getchannel(band)) == value >> 8) & (np.asarray(low.getchannel(band)) == value & 255)
    return Image.fromarray(np.where(matches, 0, 255).astype(np.uint8))


def _profile(body: bytes) -> bytes | None:
    name, _, rest = body.partition(b"\0")
    return _unpacked(rest[1:], _MOST_PROFILE) if name and rest[:1] == b"\0" else None


def _international(body: bytes) -> bytes:
    """The text of an iTXt behind its keyword."""
    _, _, text = body[2:].partition(b"\0")  # the language
    _, _, text = text.partition(b"\0")  # the keyword in it
    return (_unpacked(text, MOST) or b"") if body[:1] == b"\1" else text[:MOST]


def _raw_profile(kind: bytes, body: bytes) -> bytes | None:
    """EXIF that is kept in a text, as before PNG had a chunk for it; ``None`` in a text of another name."""
    name, _, text = body.partition(b"\0")
    if name not in _EXIF_NAMES:
        return None
    found = _RAW.match((_unpacked(text[1:], _MOST_EXIF) if kind == b"zTXt" else text[:_MOST_EXIF]) or b"")
    digits = b"" if found is None else b"".join(found[1].split())
    return bytes.fromhex(digits[: len(digits) // 2 * 2].decode())


def _unpacked(packed: bytes, most: int) -> bytes | None:
    """``None`` if it is damaged or larger than ``most``."""
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(packed, most)
    except zlib.error:
        return None
    return plain if stream.eof else None
