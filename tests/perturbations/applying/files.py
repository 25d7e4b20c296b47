"""Photos as files, and what people's programs write into them beside the picture."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

PRIVATE = b"serial number 4711"
ORIENTATION, RESOLUTION_UNIT, MAKE, GPS = 0x0112, 0x0128, 0x010F, 0x8825
BYTE, ASCII, SHORT, LONG, RATIONAL = 1, 2, 3, 4, 5
Tag = tuple[int, int, int, bytes]
"""Its number, type, count, and value."""


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


# EXIF


def lying(value: int = 6) -> Tag:
    return (ORIENTATION, SHORT, 1, struct.pack(">H", value))


def tiff(*tags: Tag, gps: Sequence[Tag] = ()) -> bytes:
    """A block of EXIF, big-endian."""
    start = b"MM\0*\0\0\0\x08"
    if not gps:
        return start + _directory(tags, 8)
    behind = 8 + len(_directory([*tags, (GPS, LONG, 1, bytes(4))], 8))
    return start + _directory([*tags, (GPS, LONG, 1, struct.pack(">I", behind))], 8) + _directory(gps, behind)


def _directory(tags: Sequence[Tag], at: int) -> bytes:
    body, behind, free = struct.pack(">H", len(tags)), b"", at + 6 + 12 * len(tags)
    for number, kind, count, value in tags:
        stored = value
        if len(value) > 4:
            stored, behind = struct.pack(">I", free + len(behind)), behind + value
        body += struct.pack(">HHI", number, kind, count) + stored.ljust(4, b"\0")
    return body + bytes(4) + behind


ODD: dict[str, bytes] = {
    "text for a number": tiff(lying(), (RESOLUTION_UNIT, ASCII, 2, b"2\0")),
    "a latitude as text": tiff(lying(), gps=[(2, ASCII, 9, b"48.85341\0")]),
    "a hemisphere as a number": tiff(lying(), gps=[(1, RATIONAL, 1, struct.pack(">II", 78, 1))]),
    "a maker outside the block": tiff((MAKE, ASCII, 12, struct.pack(">I", 70_000)), lying()),
    "an unknown type": tiff((MAKE, 77, 3, b"abc"), lying()),
    "as many values as there can be": tiff((MAKE, SHORT, 0xFFFFFFFF, b"\0\0\0\x08"), lying()),
    "no end": tiff(lying())[:-4],
    "little endian": b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0",
    "a long orientation": tiff((ORIENTATION, LONG, 1, struct.pack(">I", 6))),
}
"""EXIF that breaks the standard or nearly does, and says that the photo lies on its side."""


# JPEG


def with_segment(data: bytes, marker: int, body: bytes) -> bytes:
    return data[:2] + struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body + data[2:]


def with_exif(data: bytes, block: bytes) -> bytes:
    return with_segment(data, 0xE1, b"Exif\0\0" + block)


def xmp(orientation: int) -> bytes:
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
        b'tiff:Orientation="%d"/></x:xmpmeta>' % orientation
    )


# PNG


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunk(data: bytes, kind: bytes, body: bytes) -> bytes:
    """A PNG with one more chunk before its pixels."""
    at = data.index(b"IDAT") - 4
    return data[:at] + chunk(kind, body) + data[at:]


def png_of(values: npt.NDArray[Any], depth: int, colour: int, *extra: bytes) -> bytes:
    """A PNG of ``values`` as they are stored, whatever Pillow thinks of it."""
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], depth, colour, 0, 0, 0)
    stored = values.astype(">u2" if depth == 16 else np.uint8).reshape(len(values), -1)
    if depth < 8:
        bits = np.unpackbits(stored[:, :, None], axis=2)[:, :, 8 - depth :]
        rows = [np.packbits(row.reshape(-1)) for row in bits]
    else:
        rows = list(stored)
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(extra)
    return start + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


# ICC


P3 = (b"rXYZ", (0.5151, 0.2412, -0.0011)), (b"gXYZ", (0.2920, 0.6922, 0.0419)), (b"bXYZ", (0.1571, 0.0666, 0.7841))


def profile(space: bytes, gamma: float, *colours: tuple[bytes, tuple[float, ...]], private: bytes = b"") -> bytes:
    """A small profile of version 2, with a private tag where asked for."""

    def xyz(values: tuple[float, ...]) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    white = xyz((0.9642, 1.0, 0.8249))
    tags = {
        b"desc": b"desc\0\0\0\0\0\0\0\2x\0" + bytes(78),
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": white,
        **{name: xyz(value) for name, value in colours},
    }
    for name in (b"kTRC",) if space == b"GRAY" else (b"rTRC", b"gTRC", b"bTRC"):
        tags[name] = b"curv\0\0\0\0\0\0\0\1" + struct.pack(">H", round(gamma * 256))
    if private:
        tags[b"pad0"] = b"data\0\0\0\0" + private
    table, body, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">II", start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = struct.pack(">I", start + len(body)) + b"none\2\x40\0\0mntr" + space.ljust(4) + b"XYZ " + bytes(12)
    return (head + b"acsp" + bytes(28) + white[8:]).ljust(128, b"\0") + table + body


def shown(image: Image.Image, icc: bytes | None) -> npt.NDArray[np.float64]:
    """As a viewer that knows of colours shows it: in sRGB, 0 to 255."""
    if icc is None:
        return np.asarray(image.convert("RGB")).astype(np.float64)
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    mode = "L" if source.profile.xcolor_space.strip() == "GRAY" else "RGB"
    srgb = ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image.convert(mode), source, srgb, outputMode="RGB")
    return np.asarray(converted).astype(np.float64)


# AVIF


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + kind + body


def turned_avif(image: Image.Image, orientation: int, block: bytes) -> bytes:
    """Turned by its container, with ``block`` as its EXIF."""
    tags = Image.Exif()
    tags[0x010E] = "x" * len(block)
    plain = tags.tobytes()
    tags[ORIENTATION] = orientation
    data = saved(image, "AVIF", quality=95, exif=tags)
    assert data.count(plain) == 1
    return data.replace(plain, b"Exif\0\0" + block.ljust(len(plain) - 6, b"\0"))


def with_property(data: bytes, kind: bytes, body: bytes) -> bytes:
    """An AVIF of one item, as Pillow writes it, that has one more property."""
    added = box(kind, body)
    starts = {name: data.index(name) - 4 for name in (b"meta", b"iprp", b"ipco", b"ipma", b"iloc")}
    number = sum(1 for _ in _each(data, starts[b"ipco"] + 8, _end(data, starts[b"ipco"]))) + 1
    grown = bytearray(data)
    # the association: the item's count of properties, and one more byte behind the last; 0x80 says it is essential
    item = starts[b"ipma"] + 8 + 4 + 4 + 2
    count = data[item]
    for name, by in ((b"meta", len(added) + 1), (b"iprp", len(added) + 1), (b"ipco", len(added)), (b"ipma", 1)):
        struct.pack_into(">I", grown, starts[name], _size(data, starts[name]) + by)
    # version 0, sizes of 4 and 4 and 0: number, reference, extents, then offset and length
    places = starts[b"iloc"] + 8 + 4 + 2
    (items,) = struct.unpack_from(">H", data, places)
    for place in range(places + 2 + 6, places + 2 + 14 * items, 14):
        struct.pack_into(">I", grown, place, struct.unpack_from(">I", data, place)[0] + len(added) + 1)
    grown[item] = count + 1
    grown[item + 1 + count : item + 1 + count] = bytes([0x80 | number])
    end = _end(data, starts[b"ipco"])
    grown[end:end] = added
    return bytes(grown)


def aperture(width: int, height: int, right: int, down: int, *, over: int = 1) -> bytes:
    """A clean aperture: its size, and how far its centre lies from the picture's; all are divided by ``over``."""
    return struct.pack(">IIIIiIiI", width, over, height, over, right, over, down, over)


def _size(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")


def _end(data: bytes, at: int) -> int:
    return at + _size(data, at)


def _each(data: bytes, at: int, end: int) -> list[int]:
    found = []
    while at < end:
        found.append(at)
        at = _end(data, at)
    return found
