"""Photos as hostile or broken as files get: small pictures of every kind, damaged in every way, the same for a seed."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import pillow_heif
from PIL import Image

SIDES: Final = (0, 1, 2, 7, 96, 4_095, 9_000, 16_383, 16_384, 40_000, 65_535, 2**31 - 1, 2**32 - 1)
"""Widths and heights a header may lie about."""
LENGTHS: Final = (0, 1, 2, 4, 100, 0x7FFF, 0xFFFF, 2**31 - 1, 2**32 - 1)
"""Lengths a chunk or a segment may lie about."""

Damage = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A file to send. kind: what it was, and what was done to it."""

    kind: str
    data: bytes
    file_name: str
    media_type: str


def mutants(count: int, *, seed: int = 0) -> Iterator[Mutant]:
    """``count`` damaged files; every kind of picture meets every kind of damage, some of them several."""
    rng = random.Random(seed)  # noqa: S311 - repeatable on purpose
    kinds, damages = sorted(seeds()), sorted(DAMAGES)
    for i in range(count):
        kind = kinds[i % len(kinds)]
        chosen = [damages[i // len(kinds) % len(damages)]]
        while rng.random() < 0.25:
            chosen.append(rng.choice(damages))
        data = seeds()[kind]
        for name in chosen:
            data = DAMAGES[name](data, rng) or b"\0"
        suffix = rng.choice(("jpg", "png", "webp", "gif", "svg", "exe", ""))
        media_type = rng.choice(("image/jpeg", "image/png", "image/webp", "text/html", "application/octet-stream"))
        yield Mutant(f"{kind}: {', '.join(chosen)}", data, f"photo.{suffix}", media_type)


@cache
def seeds() -> dict[str, bytes]:
    """One small photo of every kind that comes along, by name."""
    rng = np.random.default_rng(0)
    grain = rng.integers(0, 60, (72, 96, 3))
    ramp = np.linspace(0, 180, 96).astype(np.int64)[None, :, None]
    photo = Image.fromarray((grain + ramp).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    deep = Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257)
    frames: dict[str, Any] = {"save_all": True, "append_images": [photo.transpose(Image.Transpose.ROTATE_180)]}
    alpha = photo.copy()
    alpha.putalpha(photo.convert("L"))
    return {
        "jpeg": _written(photo, "JPEG", quality=90),
        "jpeg, progressive": _written(photo, "JPEG", progressive=True),
        "jpeg, turned": _written(photo, "JPEG", exif=exif),
        "jpeg, cmyk": _written(photo.convert("CMYK"), "JPEG"),
        "jpeg, gray": _written(photo.convert("L"), "JPEG"),
        "png": _written(photo, "PNG"),
        "png, palette": _written(photo.quantize(16), "PNG", transparency=3),
        "png, 16 bits": _written(deep, "PNG"),
        "png, one bit": _written(photo.convert("1"), "PNG"),
        "png, alpha": _written(alpha, "PNG"),
        "png, animated": _written(photo, "PNG", **frames),
        "webp": _written(photo, "WEBP", quality=80),
        "webp, lossless": _written(photo, "WEBP", lossless=True),
        "webp, alpha": _written(alpha, "WEBP"),
        "webp, turned": _written(photo, "WEBP", exif=exif),
        "webp, animated": _written(photo, "WEBP", **frames),
        "avif": _written(photo, "AVIF", speed=10),
        "avif, alpha, turned": _written(alpha, "AVIF", speed=10, exif=exif),
        "heic": heic(photo),
        "gif": _written(photo.quantize(32), "GIF", transparency=3, comment=b"hello"),
        "tiff": _written(photo, "TIFF", compression="tiff_lzw"),
    }


def heic(picture: Image.Image, *, tile: int = 0, exif: bytes | None = None) -> bytes:
    """A picture as phones write it; of tiles with this many pixels a side, if any."""
    data = io.BytesIO()
    pillow_heif.options.GRID_TILE_SIZE = tile
    try:
        pillow_heif.from_pillow(picture).save(data, quality=80, exif=exif)
    finally:
        pillow_heif.options.GRID_TILE_SIZE = 0
    return data.getvalue()


def _written(image: Image.Image, kind: str, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def _as_it_is(data: bytes, rng: random.Random) -> bytes:
    del rng
    return data


def _flip_bits(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 8, 64))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _flip_head(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 4))):
        changed[rng.randrange(min(64, len(changed)))] = rng.randrange(256)
    return bytes(changed)


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def _lose_middle(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.randrange(1, 200) :]


def _repeat_middle(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at : at + rng.randrange(1, 400)] * rng.choice((2, 50)) + data[at:]


def _append(data: bytes, rng: random.Random) -> bytes:
    return data + rng.choice((b"\0" * 10_000, rng.randbytes(5_000), b"<script>alert(1)</script>", data))


def _blank(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    size = rng.randrange(1, 300)
    return data[:at] + rng.choice((b"\0", b"\xff")) * len(data[at : at + size]) + data[at + size :]


def _other_body(data: bytes, rng: random.Random) -> bytes:
    """The head of one picture, and the rest of another."""
    other = seeds()[rng.choice(sorted(seeds()))]
    at = rng.choice((4, 8, 12, 33, 100))
    return data[:at] + other[at:]


def _lie_about_size(data: bytes, rng: random.Random) -> bytes:
    """Another width and height in the header, with a checksum that fits where there is one."""
    changed = bytearray(data)
    width, height = rng.choice(SIDES), rng.choice(SIDES)
    if data.startswith(b"\x89PNG") and len(data) > 33:
        struct.pack_into(">II", changed, 16, width, height)
        struct.pack_into(">I", changed, 29, zlib.crc32(changed[12:29]))
    elif data.startswith(b"RIFF") and len(data) > 30:
        if data[12:16] == b"VP8X":
            changed[24:27], changed[27:30] = (value.to_bytes(4, "little")[:3] for value in (width, height))
        elif data[12:16] == b"VP8L":
            struct.pack_into("<I", changed, 21, width & 0x3FFF | (height & 0x3FFF) << 14)
        else:
            struct.pack_into("<HH", changed, 26, width & 0xFFFF, height & 0xFFFF)
    else:
        for marker in (b"\xff\xc0", b"\xff\xc2"):
            at = data.find(marker)
            if 0 <= at < len(data) - 9:
                struct.pack_into(">HH", changed, at + 5, height & 0xFFFF, width & 0xFFFF)
    return bytes(changed)


def _lie_about_length(data: bytes, rng: random.Random) -> bytes:
    """Another length in one of the chunks or segments."""
    changed = bytearray(data)
    places = list(_lengths(data))
    if not places:
        return _flip_head(data, rng)
    at, form = rng.choice(places)
    struct.pack_into(form, changed, at, rng.choice(LENGTHS) & (0xFFFF if form.endswith("H") else 0xFFFFFFFF))
    return bytes(changed)


def _lengths(data: bytes) -> Iterator[tuple[int, str]]:
    """Where the lengths of chunks and segments stand, and how they are written."""
    if data.startswith(b"\x89PNG"):
        at, form, head, padded = 8, ">I", 12, 1
    elif data.startswith(b"RIFF"):
        yield 4, "<I"
        at, form, head, padded = 12, "<I", 8, 2
    else:
        yield from _segments(data)
        return
    place = 0 if form == ">I" else 4
    while at + head <= len(data):
        yield at + place, form
        (length,) = struct.unpack_from(form, data, at + place)
        at += head + length + length % padded


def _segments(data: bytes) -> Iterator[tuple[int, str]]:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        yield at + 2, ">H"
        at += 2 + int(struct.unpack_from(">H", data, at + 2)[0])
    if at + 4 <= len(data):
        yield at + 2, ">H"


DAMAGES: Final[dict[str, Damage]] = {
    "as it is": _as_it_is,
    "bits flipped": _flip_bits,
    "head changed": _flip_head,
    "cut off": _cut,
    "middle lost": _lose_middle,
    "middle repeated": _repeat_middle,
    "garbage appended": _append,
    "blanked": _blank,
    "body of another": _other_body,
    "another size": _lie_about_size,
    "another length": _lie_about_length,
}
