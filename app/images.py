"""What can be known about an upload without decoding it: its kind, its size in pixels, its number of frames.

Kinds are found by content, never by name or by the declared media type. Nothing here allocates by the size an image
claims to have.
"""

from __future__ import annotations

import io
import struct
import warnings
from typing import Final

from PIL import Image, UnidentifiedImageError, features

from app.contracts.names import MAX_SIDE, Format, FormatChoice
from app.contracts.problems import ImageTooLarge, Unprocessable, UnsupportedMedia
from app.contracts.report import Source

KINDS: Final = "JPEG, PNG, WebP or AVIF" if features.check("avif") else "JPEG, PNG or WebP"
"""What can be sent, for people. Whether AVIF can be read is up to how Pillow was built."""
_WHAT_TO_SEND: Final = f"Send a {KINDS} photo."
_HEIC: Final = {b"heic", b"heix", b"hevc"}
_LONGEST_BRANDS: Final = 256
"""Bytes of an ISO file's first box that are looked at."""

# Pillow warns at 89 megapixels and refuses at twice that; our own limit is checked either way
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def inspect(data: bytes, *, max_pixels: int) -> Source:
    """What kind of photo ``data`` is, from its header.

    Raises:
        UnsupportedMedia: not a JPEG, PNG, WebP or AVIF.
        ImageTooLarge: more than ``max_pixels``.
        Unprocessable: empty, an unreadable header, or several frames.
    """
    if not data:
        raise Unprocessable(f"The file is empty. {_WHAT_TO_SEND}")
    kind = _kind(data)
    if kind is None:
        if _brands(data) & _HEIC:
            raise UnsupportedMedia(f"A HEIC photo cannot be read here; export it first. {_WHAT_TO_SEND}")
        raise UnsupportedMedia(f"The file is not a photo Poise can read. {_WHAT_TO_SEND}")
    if kind == "webp":
        # Pillow's decoder reserves the whole canvas when it opens a WebP, so its size is read here first
        width, height, animated = _webp_header(data)
        _check_size(width, height, max_pixels)
    else:
        width, height, animated = _open(data, kind, max_pixels)
        _check_size(width, height, max_pixels)
    if animated:
        raise _animated()
    return Source(format=kind, width=width, height=height, bytes=len(data))


def check_fits(source: Source, wanted: FormatChoice) -> None:
    """Make sure that a copy can be written as ``wanted``.

    Raises:
        Unprocessable: the photo has a side too long for it.
    """
    kind = source.format if wanted == "keep" else wanted
    most = MAX_SIDE[kind]
    if max(source.width, source.height) > most:
        raise Unprocessable(f"A copy as `{kind}` has at most {most} pixels a side; send `format=png` with this photo.")


def _kind(data: bytes) -> Format | None:
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "webp"
    if features.check("avif") and _brands(data) & {b"avif", b"avis"}:
        return "avif"
    return None


def _brands(data: bytes) -> set[bytes]:
    """What a file of boxes (ISO/IEC 14496-12, section 4.3) says it is; the first is what it is above all."""
    if data[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(data[:4], "big"), _LONGEST_BRANDS)
    return {data[at : at + 4] for at in (8, *range(16, end - 3, 4))}


def _open(data: bytes, kind: Format, max_pixels: int) -> tuple[int, int, bool]:
    """Width, height and whether there is more than one picture, by Pillow's reading of the header."""
    if data[4:12] == b"ftypavis":  # of a sequence, Pillow would list every frame first, and the file may claim millions
        raise _animated()
    try:
        with Image.open(io.BytesIO(data), formats=[kind.upper()]) as image:
            # phones put a second picture (depth, gain map) behind a JPEG: that is no animation
            animated = kind != "jpeg" and getattr(image, "n_frames", 1) > 1
            return (*image.size, animated)
    except Image.DecompressionBombError:
        raise _too_large(max_pixels) from None
    except (UnidentifiedImageError, OSError, RuntimeError, ValueError, SyntaxError, struct.error):
        raise Unprocessable(f"The header of the file is damaged. {_WHAT_TO_SEND}") from None


def _webp_header(data: bytes) -> tuple[int, int, bool]:
    """Width, height and whether it is animated (RFC 9649, sections 2.5 to 2.7)."""
    chunk, body = data[12:16], data[20:30]
    if chunk == b"VP8X" and len(body) == 10:
        width = 1 + int.from_bytes(body[4:7], "little")
        return width, 1 + int.from_bytes(body[7:10], "little"), bool(body[0] & 0b10)
    if chunk == b"VP8L" and len(body) >= 5 and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), False
    if chunk == b"VP8 " and len(body) == 10 and body[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", body[6:10])
        if width & 0x3FFF and height & 0x3FFF:
            return width & 0x3FFF, height & 0x3FFF, False
    raise Unprocessable(f"The header of the file is damaged. {_WHAT_TO_SEND}")


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise _too_large(max_pixels)


def _animated() -> Unprocessable:
    return Unprocessable(f"The file has several frames; an animation cannot be protected. {_WHAT_TO_SEND}")


def _too_large(max_pixels: int) -> ImageTooLarge:
    return ImageTooLarge(
        f"The photo may have at most {max_pixels / 1e6:g} megapixels. Scale it down and send it again."
    )
