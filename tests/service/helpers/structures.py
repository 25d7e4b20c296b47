"""Files that are wrong in what they are made of: segments, chunks, boxes, the entries of EXIF, the tags of profiles.

Damage at random bytes seldom gets behind a checksum or a first parser. These files are taken apart, changed at a known
place and put together so that everything else fits. Each depends on its seed and number alone.
"""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

from perturbations.photo.tiff import _rebuilt as alone
from perturbations.photo.tiff_pages import page_of
from tests.service.helpers.containers import Part, container, put_together, taken_apart
from tests.service.helpers.mutations import LENGTHS, Mutant, heic

EDGES: Final = (0, 1, 2, 3, 4, 6, 8, 16, 127, 128, 255, 256, 32_767, 32_768, 65_535, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
"""Values of fields."""


def _four(names: str) -> tuple[bytes, ...]:
    return tuple(names[at : at + 4].encode() for at in range(0, len(names), 4))


KINDS: Final[dict[str, tuple[bytes, ...]]] = {
    "jpeg": tuple(bytes((marker,)) for marker in range(0xC0, 0xFF)),
    "png": _four("IHDRPLTEtRNSIDATIENDgAMAcHRMsRGBiCCPcICPsBITbKGDpHYstIMEtEXtzTXtiTXteXIfacTLfcTLfdATabCd"),
    "webp": _four("VP8 VP8LVP8XALPHANIMANMFICCPEXIFXMP abcd"),
    "gif": tuple(b",!;\0G"[at : at + 1] for at in range(5)),
    "tiff": tuple(struct.pack("<H", tag) for tag in (*range(254, 260), 262, 266, *range(273, 285), 317, 320, 322)),
    "avif": _four(
        "ftypmetahdlrpitmilociinfinfeirefiprpipcoispepixiav1CcolrirotimirclapipmamdatmoovtrakgrplidatminihvcCauxCdimgauxl"
    ),
}
_TAGS: Final = (0x10E, 0x10F, 0x112, 0x11A, 0x11B, 0x128, 0x131, 0x132, 0x201, 0x202, 0x8298, 0x8769, 0x8825, 0x9286)
_TAGS_BELOW: Final = (1, 2, 3, 4, 5, 0x1D, 0x927C, 0xA001, 0xA005, 0xA20E, 0xA300, 0xC4A5)

_BELOW: Final = (0x8769, 0x8825)
"""Those that say where further entries are, of the camera and of the place."""

Change = Callable[[list[Part], str, random.Random], None]


def structured(number: int, *, seed: int = 0) -> Mutant:
    """One file."""
    rng = random.Random(f"{seed}:{number}")  # noqa: S311 - repeatable on purpose
    name = sorted(pictures())[number % len(pictures())]
    kind = container(pictures()[name])
    parts = [part.copy() for part in _parts(name)]
    changes = sorted(CHANGES)
    chosen = [changes[number // len(pictures()) % len(changes)]]
    while rng.random() < 0.3:
        chosen.append(rng.choice(changes))
    for change in chosen:
        CHANGES[change](parts, kind, rng)
    return Mutant(f"{name}: {', '.join(chosen)}", put_together(kind, parts) or b"\0", f"photo.{kind}", f"image/{kind}")


@cache
def pictures() -> dict[str, bytes]:
    """Small photos of every kind with everything that comes along in them."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 190, 48).astype(np.int64)[None, :, None]
    photo = Image.fromarray((rng.integers(0, 60, (36, 48, 3)) + ramp).astype(np.uint8))
    grey, alpha = photo.convert("L"), photo.copy()
    alpha.putalpha(grey)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x0128] = 6, "Maker", 2
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 29.0)})
    icc = _srgb()
    text = PngImagePlugin.PngInfo()
    text.add_text("Title", "a picture", zip=True)
    text.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta/>", zip=True)
    said: dict[str, Any] = {"exif": exif, "icc_profile": icc}
    frames: dict[str, Any] = {"save_all": True, "append_images": [photo.transpose(Image.Transpose.ROTATE_180)]}
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    quick: dict[str, Any] = {"speed": 10}
    return {
        "avif": _written(photo, "AVIF", **quick),
        "avif, alpha": _written(alpha, "AVIF", **quick),
        "avif, described": _written(photo, "AVIF", xmp=b"<x:xmpmeta/>", **said, **quick),
        "avif, animated": _written(photo, "AVIF", **frames, **quick),
        "heic": heic(photo),
        "heic, tiles, described": heic(photo.resize((96, 72)), tile=64, exif=exif.tobytes()),
        "heic, alpha": heic(alpha),
        "gif": _written(photo.quantize(16), "GIF", transparency=3, comment=b"hello", interlace=1),
        "tiff": rebuilt(_written(photo, "TIFF", compression="tiff_lzw")),
        "tiff, 16 bits": rebuilt(_written(deep, "TIFF")),
        "tiff, palette": rebuilt(_written(photo.quantize(16), "TIFF")),
        "jpeg, described": _written(photo, "JPEG", dpi=(72, 72), comment=b"hello", xmp=b"<x:xmpmeta/>", **said),
        "jpeg, progressive": _written(photo, "JPEG", progressive=True, exif=exif),
        "jpeg, cmyk": _written(photo.convert("CMYK"), "JPEG", icc_profile=icc),
        "jpeg, grey, restarts": _written(grey, "JPEG", restart_marker_blocks=2),
        "jpeg, two pictures": _written(photo, "MPO", **frames),
        "png, described": _written(photo, "PNG", dpi=(72, 72), pnginfo=text, **said),
        "png, palette": _written(photo.quantize(16), "PNG", transparency=3, exif=exif),
        "png, grey, alpha": _written(alpha.convert("LA"), "PNG", icc_profile=icc),
        "png, 16 bits": _written(deep, "PNG", exif=exif),
        "png, animated": _written(photo, "PNG", **frames),
        "webp, described": _written(photo, "WEBP", xmp=b"<x:xmpmeta/>", **said),
        "webp, lossless, alpha": _written(alpha, "WEBP", lossless=True, exact=True, exif=exif),
        "webp, lossy, alpha": _written(alpha, "WEBP"),
        "webp, animated": _written(photo, "WEBP", **frames),
    }


def rebuilt(data: bytes) -> bytes:
    """A TIFF with its directory at the end."""
    return alone(data, page_of(data))


@cache
def _parts(name: str) -> tuple[Part, ...]:
    return tuple(taken_apart(pictures()[name]))


@cache
def _srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _written(image: Image.Image, kind: str, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def _lists(parts: list[Part]) -> list[list[Part]]:
    """Every list of parts that there is, those within parts too."""
    return [parts, *(inner for part in parts if part.inside for inner in _lists(part.inside))]


def _some(parts: list[Part], rng: random.Random) -> tuple[list[Part], int]:
    """A part, by the list it is in and its place there."""
    chosen = rng.choice([some for some in _lists(parts) if some] or [[Part(b"abcd", b"")]])
    return chosen, rng.randrange(len(chosen))


def _drop(parts: list[Part], kind: str, rng: random.Random) -> None:
    del kind
    some, at = _some(parts, rng)
    del some[at]


def _repeat(parts: list[Part], kind: str, rng: random.Random) -> None:
    del kind
    some, at = _some(parts, rng)
    some[at:at] = [some[at].copy() for _ in range(rng.choice((1, 2, 20, 700)))]


def _move(parts: list[Part], kind: str, rng: random.Random) -> None:
    del kind
    some, at = _some(parts, rng)
    part = some.pop(at)
    some.insert(rng.randrange(len(some) + 1), part)


def _shorten(parts: list[Part], kind: str, rng: random.Random) -> None:
    del kind
    some, at = _some(parts, rng)
    some[at].body = some[at].body[: rng.randrange(len(some[at].body) + 1)]


def _lengthen(parts: list[Part], kind: str, rng: random.Random) -> None:
    del kind
    some, at = _some(parts, rng)
    some[at].body += rng.choice((b"\0" * 7, b"\xff" * 300, rng.randbytes(60), some[at].body * 3))


def _other_length(parts: list[Part], kind: str, rng: random.Random) -> None:
    del kind
    some, at = _some(parts, rng)
    right = len(some[at].body)
    some[at].claimed = rng.choice((*LENGTHS, max(0, right - 1), right + 1, right + 9, right + 16))


def _other_kind(parts: list[Part], kind: str, rng: random.Random) -> None:
    some, at = _some(parts, rng)
    some[at].kind = rng.choice(KINDS[kind])


def _other_field(parts: list[Part], kind: str, rng: random.Random) -> None:
    """Numbers in the head of a part, where most of what parsers believe is written."""
    some, at = _some(parts, rng)
    body = bytearray(some[at].body)
    for _ in range(rng.choice((1, 1, 2, 4))):
        size = rng.choice((1, 2, 4))
        if len(body) >= size:
            place = rng.randrange(min(len(body) - size, 40) + 1)
            order = "little" if kind in ("webp", "gif", "tiff") else "big"
            body[place : place + size] = (rng.choice(EDGES) & (1 << 8 * size) - 1).to_bytes(size, order)  # type: ignore[arg-type]
    some[at].body = bytes(body)


def _wrong_checksum(parts: list[Part], kind: str, rng: random.Random) -> None:
    some, at = _some(parts, rng)
    some[at].wrong = True
    if kind != "png":
        some[at].behind += rng.randbytes(rng.choice((1, 2, 70)))


def _foreign(parts: list[Part], kind: str, rng: random.Random) -> None:
    """A part of another file of the kind."""
    others = [name for name in sorted(pictures()) if container(pictures()[name]) == kind]
    other = [part.copy() for part in _parts(rng.choice(others))]
    source, at = _some(other, rng)
    target, to = _some(parts, rng)
    target.insert(to, source[at])


def _cut(parts: list[Part], kind: str, rng: random.Random) -> None:
    del kind
    some, at = _some(parts, rng)
    del some[at + 1 :]
    some[at].behind = some[at].behind[: rng.randrange(len(some[at].behind) + 1)]


def _exif(parts: list[Part], kind: str, rng: random.Random) -> None:
    """EXIF of odd types, counts and offsets, in the place of what is there, or beside it."""
    block = tiff(rng)
    for some in _lists(parts):
        for part in some:
            for start in (b"MM\0*", b"II*\0"):
                at = part.body.find(start)
                if at >= 0:
                    rest = part.body[at + len(block) :] if kind == "avif" else b""
                    room = len(part.body) - at if kind == "avif" else len(block)
                    part.body = part.body[:at] + block[:room] + rest
                    return
    name = {"jpeg": b"\xe1", "png": b"eXIf", "webp": b"EXIF", "avif": b"Exif"}.get(kind, b"")
    parts.insert(min(1, len(parts)), Part(name, (b"Exif\0\0" if kind == "jpeg" else b"") + block))


def _profile(parts: list[Part], kind: str, rng: random.Random) -> None:
    """A profile with a header or tags that are wrong, in the place of what is there, or beside it."""
    icc = profile(rng)
    name, body = {
        "jpeg": (b"\xe2", b"ICC_PROFILE\0" + bytes((rng.choice((0, 1, 2)), rng.choice((0, 1, 2)))) + icc),
        "png": (b"iCCP", b"icc\0\0" + zlib.compress(icc, 1)),
        "webp": (b"ICCP", icc),
        "avif": (b"colr", rng.choice((b"prof", b"rICC")) + icc),
        "gif": (b"!", b"\xff\x0bICCRGBG1012\xff" + icc[:255] + b"\0"),
        "tiff": (struct.pack("<H", 34675), struct.pack("<HII", 7, len(icc), rng.choice((8, 100, 2**31)))),
    }[kind]
    for some in _lists(parts):
        for part in some:
            if part.kind == name:
                part.body = body
                return
    some, at = _some(parts, rng)
    some.insert(min(1, at), Part(name, body))


CHANGES: Final[dict[str, Change]] = {
    "part dropped": _drop,
    "part repeated": _repeat,
    "part moved": _move,
    "part shortened": _shorten,
    "part lengthened": _lengthen,
    "another length": _other_length,
    "another kind": _other_kind,
    "another field": _other_field,
    "other fields": _other_field,
    "wrong checksum": _wrong_checksum,
    "part of another": _foreign,
    "parts cut off": _cut,
    "odd exif": _exif,
    "odder exif": _exif,
    "odd profile": _profile,
}


def tiff(rng: random.Random) -> bytes:
    """EXIF with entries that contradict themselves."""
    order = rng.choice("<>")
    below = [rng.choice(_TAGS_BELOW) for _ in range(rng.randrange(4))]
    tags = [0x112, *rng.sample(_BELOW, rng.randrange(3)), *(rng.choice(_TAGS) for _ in range(rng.randrange(6)))]
    body = struct.pack(order + "H", _nearly(len(tags), rng))
    end = 8 + 2 + 12 * len(tags) + 4
    for tag in tags:
        body += _entry(tag, order, end, rng)
    body += struct.pack(order + "I", rng.choice((0, 0, 8, end, 2**32 - 1)))
    body += struct.pack(order + "H", _nearly(len(below), rng))
    for tag in below:
        body += _entry(tag, order, end, rng)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(
        order + "I", rng.choice((8, 8, 8, 8, 0, 7, end, 2**31))
    )
    return head + body + bytes(4) + rng.randbytes(30)


def _entry(tag: int, order: str, end: int, rng: random.Random) -> bytes:
    form = rng.choice((3, 3, 4, 2, 5, rng.randrange(15), 0xFFFF))
    count = rng.choice((1, 1, 1, 2, 3, 0, 9, rng.choice(EDGES)))
    if tag == 0x112 and rng.random() < 0.6:
        return struct.pack(order + "HHIHH", tag, 3, 1, rng.randrange(10), 0)
    if tag in _BELOW and rng.random() < 0.8:
        return struct.pack(order + "HHII", tag, 4, 1, end)
    value = rng.choice((rng.randrange(10), 8, end, end + 4, rng.choice(EDGES)))
    return struct.pack(order + "HHII", tag, form, count, value)


def _nearly(count: int, rng: random.Random) -> int:
    return rng.choice((count, count, count, count + 1, 0, 0xFFFF))


def profile(rng: random.Random) -> bytes:
    """A profile with some of its numbers changed: size, class, spaces, the table of tags, or a tag's own head."""
    data = bytearray(_srgb())
    count = int.from_bytes(data[128:132], "big")
    for _ in range(rng.choice((1, 1, 2, 5))):
        where = rng.choice(("header", "spaces", "table", "table", "tag", "cut", "count"))
        if where == "header":
            at = rng.randrange(0, 124, 4)
            data[at : at + 4] = _edge(rng)
        elif where == "spaces":
            data[16:20] = rng.choice((b"GRAY", b"CMYK", b"Lab ", b"XYZ ", b"6CLR", b"\0\0\0\0", b"RGB "))
        elif where == "table":
            at = 132 + 12 * rng.randrange(count) + rng.choice((0, 4, 8))
            data[at : at + 4] = _edge(rng)
        elif where == "tag":
            at = int.from_bytes(data[136 + 12 * rng.randrange(count) :][:4], "big") + rng.choice((0, 8, 12))
            data[at : at + 4] = _edge(rng)
        elif where == "cut":
            del data[rng.randrange(132, max(133, len(data))) :]
        else:
            data[128:132] = _edge(rng)
        data = data if len(data) > 400 else bytearray(data.ljust(400, b"\0"))
    return bytes(data)


def _edge(rng: random.Random) -> bytes:
    return rng.choice(EDGES).to_bytes(4, "big")
