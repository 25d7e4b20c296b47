"""What can be known about an upload without decoding it: its kind, its size in pixels, its number of frames.

Kinds are found by content, never by name or by the declared media type. Nothing here allocates by the size an image
claims to have.
"""

from __future__ import annotations

import io
import struct
import warnings
from typing import Final

from PIL import Image, UnidentifiedImageError

from app.contracts.names import Format
from app.contracts.problems import ImageTooLarge, Unprocessable, UnsupportedMedia
from app.contracts.report import Source

_WHAT_TO_SEND: Final = "Send a JPEG, PNG or WebP photo."

# Pillow warns at 89 megapixels and refuses at twice that; our own limit is checked either way
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def inspect(data: bytes, *, max_pixels: int) -> Source:
    """What kind of photo ``data`` is, from its header.

    Raises:
        UnsupportedMedia: not a JPEG, PNG or WebP.
        ImageTooLarge: more than ``max_pixels``.
        Unprocessable: empty, an unreadable header, or several frames.
    """
    if not data:
        raise Unprocessable(f"The file is empty. {_WHAT_TO_SEND}")
    kind = _kind(data)
    if kind is None:
        raise UnsupportedMedia(f"The file is not a photo Poise can read. {_WHAT_TO_SEND}")
    if kind == "webp":
        # Pillow's decoder reserves the whole canvas when it opens a WebP, so its size is read here first
        width, height, animated = _webp_header(data)
        _check_size(width, height, max_pixels)
    else:
        width, height, animated = _open(data, kind, max_pixels)
        _check_size(width, height, max_pixels)
    if animated:
        raise Unprocessable(f"The file has several frames; an animation cannot be protected. {_WHAT_TO_SEND}")
    return Source(format=kind, width=width, height=height, bytes=len(data))


def _kind(data: bytes) -> Format | None:
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "webp"
    return None


def _open(data: bytes, kind: Format, max_pixels: int) -> tuple[int, int, bool]:
    """Width, height and whether there is more than one picture, by Pillow's reading of the header."""
    try:
        with Image.open(io.BytesIO(data), formats=[kind.upper()]) as image:
            # phones put a second picture (depth, gain map) behind a JPEG: that is no animation
            animated = kind != "jpeg" and getattr(image, "n_frames", 1) > 1
            return (*image.size, animated)
    except Image.DecompressionBombError:
        raise _too_large(max_pixels) from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, struct.error):
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


def _too_large(max_pixels: int) -> ImageTooLarge:
    return ImageTooLarge(
        f"The photo may have at most {max_pixels / 1e6:g} megapixels. Scale it down and send it again."
    )
