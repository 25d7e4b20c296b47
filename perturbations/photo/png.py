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
from perturbations.photo.credit import MOST, Credit, credit_in_texts, credit_of
from perturbations.photo.deep import colours_of
from perturbations.photo.orientation import orientation_of
from perturbations.photo.spaces import hdr_told, is_hdr, profile_of_cicp, profile_of_exif, profile_of_gamma
from perturbations.photo.stored import Chunk, Stored, loaded

_GREYS: Final = frozenset(bytes((depth, 0)) for depth in (1, 2, 4, 8))
"""Bits and kind of greys of at most 8 bits."""
_CHANNELS: Final = {2: 3, 6: 4}
"""Of the kinds in colour."""
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_END: Final = b"\0\0\0\0IEND\xaeB`\x82"
_MOST_PROFILE: Final = 16_000_000
"""Bytes of a profile, unpacked: several times the largest anybody uses."""
_LIGHT: Final = {b"mDCV": 24, b"cLLI": 8}
"""Chunks about the light of a picture of high dynamic range, and how long they are."""
_XMP: Final = b"XML:com.adobe.xmp"
_AUTHOR, _COPYRIGHT = b"Author", b"Copyright"
_RAW_PROFILE: Final = b"Raw profile type "
"""Of what is kept in a text because PNG had no chunk for it."""
_RAW_EXIF: Final = (_RAW_PROFILE + b"exif", _RAW_PROFILE + b"APP1")
_RAW_IPTC: Final = (_RAW_PROFILE + b"iptc", _RAW_PROFILE + b"8bim")
_MOST_TEXT: Final = {
    _XMP: MOST,
    **dict.fromkeys((_AUTHOR, _COPYRIGHT), 20_000),
    **dict.fromkeys((*_RAW_EXIF, *_RAW_IPTC), 1_000_000),
}
"""Keywords of the texts that are read, and how many bytes of each, unpacked."""
_RAW: Final = re.compile(rb"\s*\w+\s+\d+\s+([0-9a-fA-F\s]*)")
"""Name, length, and the bytes in hexadecimal, as ImageMagick writes them."""


@dataclass(slots=True)
class _Told:
    """Data of the other chunks; the first of each kind counts, and others are not even unpacked.

    icc: empty if there is an unusable one. texts: by keyword, plain, or the bytes they stand for; empty if packed too
    well or damaged. light: what screen a picture of high dynamic range was made on, and how bright it is.
    """

    exif: bytes | None = None
    cicp: tuple[int, int, int, int] | None = None
    light: dict[bytes, bytes] = field(default_factory=dict)
    icc: bytes | None = None
    texts: dict[bytes, bytes] = field(default_factory=dict)
    srgb: bool = False
    gamma: int | None = None
    chromaticities: tuple[int, ...] | None = None

    def note(self, kind: bytes, body: bytes) -> None:
        match kind:
            case b"eXIf":
                self.exif = self.exif or body
            case b"tEXt" | b"zTXt" | b"iTXt":
                keyword, _, rest = body.partition(b"\0")
                if keyword in _MOST_TEXT and keyword not in self.texts:
                    text = _text(kind, rest, _MOST_TEXT[keyword])
                    self.texts[keyword] = _raw_profile(text) if keyword.startswith(_RAW_PROFILE) else text
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
        if self.icc or self.srgb:
            return self.icc or None
        if self.gamma is None:
            return profile_of_exif(self.any_exif())
        return profile_of_gamma(self.gamma, self.chromaticities)

    def hdr(self) -> tuple[Chunk, ...]:
        """The chunks that make it a picture of high dynamic range, none if it is none."""
        if self.cicp is None or not is_hdr(self.cicp[1]):
            return ()
        primaries, transfer, _, whole = self.cicp
        return hdr_told(primaries, transfer, whole), *self.light.items()

    def any_exif(self) -> bytes | None:
        """EXIF, wherever it is."""
        return self.exif or self._first(_RAW_EXIF)

    def credit(self) -> Credit:
        return credit_of(
            xmp=self.texts.get(_XMP),
            iptc=self._first(_RAW_IPTC),
            exif=self.any_exif(),
            texts=credit_in_texts(self.texts.get(_AUTHOR, b""), self.texts.get(_COPYRIGHT, b"")),
        )

    def _first(self, keywords: tuple[bytes, ...]) -> bytes:
        return next((text for keyword in keywords if (text := self.texts.get(keyword))), b"")


def read(data: bytes) -> Stored:
    """A PNG. Of its texts, only who made it is read, and damaged chunks without pixels are ignored.

    Raises:
        BadImage: an animation, or no picture in it.
    """
    kept, told, header = [_SIGNATURE], _Told(), b""
    for kind, body, whole in _chunks(data):
        if kind == b"IHDR":
            header = header or body
        if kind in {b"IHDR", b"PLTE", b"tRNS", b"IDAT"}:
            kept.append(_kept(kind, body, whole, header))
        elif kind == b"fdAT" or (kind == b"acTL" and int.from_bytes(body[:4], "big") > 1):
            raise BadImage("the file holds more than one picture; send a single one, not an animation")
        elif whole == _checksum(kind, body):
            told.note(kind, body)
    if len(header) != 13:
        raise BadImage("the picture is damaged or incomplete; export it again and send the new file")
    width, height, depth, colour = struct.unpack(">IIBB", header[:10])
    plain = b"".join([*kept, _END])
    return Stored(
        "png",
        partial(_load, plain, depth, colour),
        (width, height),
        orientation_of(told.any_exif()),
        told.profile(),
        grey=colour in {0, 4},
        bits=depth,
        deep=partial(colours_of, plain, _CHANNELS[colour]) if depth == 16 and colour in _CHANNELS else None,
        credit=told.credit(),
        hdr=told.hdr(),
    )


def _kept(kind: bytes, body: bytes, whole: bytes, header: bytes) -> bytes:
    """A chunk of the picture; a truncated one gets a checksum.

    A transparent grey comes without the bits that count for nothing (section 11.3.1.1), and one of another length than
    two bytes not at all.
    """
    if kind == b"tRNS" and header[9:10] == b"\0" and len(body) != 2:
        return b""
    if kind == b"tRNS" and header[8:10] in _GREYS and whole == _checksum(kind, body):
        body, whole = (int.from_bytes(body[:2], "big") & (1 << header[8]) - 1).to_bytes(2, "big"), b""
    return b"".join((struct.pack(">I", len(body)), kind, body, whole or _checksum(kind, body)))


def _checksum(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(kind + body))


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


def _text(kind: bytes, rest: bytes, most: int) -> bytes:
    """The first ``most`` bytes of a text, from what follows its keyword; empty if it is damaged or packed too well."""
    packed = kind == b"zTXt"
    if kind == b"zTXt":
        rest = rest[1:]
    elif kind == b"iTXt":
        packed = rest[:1] == b"\1"
        _, _, rest = rest[2:].partition(b"\0")  # the language
        _, _, rest = rest.partition(b"\0")  # the keyword in it
    return (_unpacked(rest, most) or b"") if packed else rest[:most]


def _raw_profile(text: bytes) -> bytes:
    """The bytes of a profile that is written as a text."""
    found = _RAW.match(text)
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
