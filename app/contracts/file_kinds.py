"""Recognises kinds of files that Poise does not read, by their first bytes, so that a refusal can name them."""

from __future__ import annotations

from itertools import chain
from typing import Final

AVIF: Final = "an AVIF photo"
HEIC, HEIF, GIF, TIFF = "a HEIC photo", "a HEIF photo", "a GIF", "a TIFF or a raw photo"
READABLE: Final = frozenset({AVIF, HEIC, HEIF, GIF, TIFF})
"""Kinds here that Poise may read: AVIF and HEIC depend on what is installed, and raw photos look like a TIFF."""
_LONGEST_BRANDS: Final = 256
"""Bytes of an ISO file's first box that are read."""
_BRANDS: Final[dict[str, frozenset[bytes]]] = {
    HEIC: frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}),
    AVIF: frozenset({b"avif", b"avis"}),
    "a raw photo": frozenset({b"crx "}),
    HEIF: frozenset({b"mif1", b"mif2", b"msf1", b"miaf"}),
    "a video": frozenset({b"isom", b"iso2", b"mp41", b"mp42", b"M4V ", b"qt  ", b"3gp4", b"3gp5", b"avc1"}),
}
"""By what an ISO file (ISO/IEC 14496-12, section 4.3) says it is; the first that fits counts."""
_SIGNATURES: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\xff\x0a", "a JPEG XL photo"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL photo"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 photo"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 photo"),
    (b"II\xbc\x01", "a JPEG XR photo"),
    (b"FUJIFILMCCD-RAW", "a raw photo"),
    (b"IIU\0", "a raw photo"),
    (b"IIRO", "a raw photo"),
    (b"IIRS", "a raw photo"),
    (b"MMOR", "a raw photo"),
    (b"\0MRM", "a raw photo"),
    (b"FOVb", "a raw photo"),
    (b"II*\0", TIFF),
    (b"MM\0*", TIFF),
    (b"II+\0", TIFF),
    (b"MM\0+", TIFF),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"BM", "a BMP"),
    (b"8BPS", "a Photoshop document"),
    (b"gimp xcf", "a GIMP document"),
    (b"BPG\xfb", "a BPG photo"),
    (b"qoif", "a QOI picture"),
    (b"v/1\x01", "an OpenEXR picture"),
    (b"#?RADIANCE", "a Radiance picture"),
    (b"%PDF-", "a PDF"),
)


def brands(data: bytes) -> set[bytes]:
    """The brands that a file of boxes declares."""
    if data[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(data[:4], "big"), _LONGEST_BRANDS)
    return {data[at : at + 4] for at in (8, *range(16, end - 3, 4))}


def named(data: bytes) -> str | None:
    """What ``data`` is, with its article, unless Poise always reads that kind; ``None`` if it is not recognised."""
    told = brands(data)
    by_brand = (name for name, some in _BRANDS.items() if told & some)
    by_signature = (name for signature, name in _SIGNATURES if data.startswith(signature))
    return next(chain(by_brand, by_signature), None)
