"""What can be known about an upload without decoding it: its kind, its size in pixels, its number of frames.

Kinds are recognised by content, never by name or declared media type. Nothing here allocates memory by the size an
image claims to have, nothing takes longer than one pass over the bytes, and no upload reaches a decoder.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from PIL import features

from app.contracts.file_kinds import named
from app.contracts.names import MAX_COPY_PIXELS, MAX_SIDE, Format, FormatChoice, copied_as
from app.contracts.problems import ImageTooLarge, Unprocessable, UnsupportedMedia
from app.contracts.report import Source
from app.photos.headers import Header, Unreadable, avif, gif, jpeg, png, tiff, webp
from app.photos.headers import heic as heic_header
from app.photos.intricacy import AVIF, brands, coded_pixels, is_heic, too_intricate

HAS_AVIF: Final = features.check("avif")
"""Whether AVIF can be read is up to how Pillow was built."""
KINDS: Final = f"JPEG, PNG, WebP, {'AVIF, ' if HAS_AVIF else ''}HEIC, GIF or TIFF"
"""What can be sent, for people. A worker without the extra ``heic`` refuses a HEIC with a reason."""
_WHAT_TO_SEND: Final = f"Send a {KINDS} photo."

_SIGNATURES: Final[tuple[tuple[bytes, Format], ...]] = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
)
_READERS: Final[dict[Format, Callable[[bytes], Header]]] = {
    "jpeg": jpeg,
    "png": png,
    "webp": webp,
    "avif": avif,
    "heic": heic_header,
    "gif": gif,
    "tiff": tiff,
}


def inspect(data: bytes, *, max_pixels: int, heic: bool = True) -> Source:
    """The kind of photo in ``data``, from its header. heic: whether a HEIC is taken.

    Raises:
        UnsupportedMedia: of no kind that is read.
        ImageTooLarge: more than ``max_pixels``.
        Unprocessable: empty, a header that cannot be read, several frames, or more parts than any photo has.
    """
    if not data:
        raise Unprocessable(f"The file is empty. {_WHAT_TO_SEND}")
    kind = _kind(data)
    if kind is None or (kind == "heic" and not heic):
        what = named(data)
        if what is None:
            raise UnsupportedMedia(f"The file is not a photo Poise can read. {_WHAT_TO_SEND}")
        raise UnsupportedMedia(f"{_capital(what)} cannot be read here. Export it first. {_WHAT_TO_SEND}")
    if (excess := too_intricate(data)) is not None:
        raise Unprocessable(f"{_capital(excess)}.")
    try:
        header = _READERS[kind](data)
    except Unreadable as error:
        raise Unprocessable(f"{error} {_WHAT_TO_SEND}") from None
    if max(header.width * header.height, coded_pixels(data)) > max_pixels:
        raise ImageTooLarge(
            f"The photo can have at most {max_pixels / 1e6:g} megapixels. Scale it down and send it again."
        )
    if header.animated:
        raise Unprocessable(f"The file has several frames, and Poise cannot protect an animation. {_WHAT_TO_SEND}")
    return Source(format=kind, width=header.width, height=header.height, bytes=len(data))


def check_fits(source: Source, wanted: FormatChoice) -> None:
    """Make sure that a copy can be written as ``wanted``.

    Raises:
        Unprocessable: the photo has a side too long for it, or more pixels than can be written.
    """
    kind = copied_as(source.format, wanted)
    most = MAX_SIDE[kind]
    if max(source.width, source.height) > most:
        raise Unprocessable(f"A copy as `{kind}` has at most {most} pixels a side. Send `format=png` with this photo.")
    pixels = MAX_COPY_PIXELS.get(kind)
    if pixels is not None and source.width * source.height > pixels:
        raise Unprocessable(
            f"A copy as `{kind}` has at most {pixels / 1e6:g} megapixels. Send `format=jpeg` with this photo."
        )


def _kind(data: bytes) -> Format | None:
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            return kind
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "webp"
    if is_heic(data):
        return "heic"
    return "avif" if HAS_AVIF and brands(data) & AVIF else None


def _capital(phrase: str) -> str:
    return phrase[0].upper() + phrase[1:]
