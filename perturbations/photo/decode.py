"""Bytes to photos."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Final

from PIL import Image

from perturbations.errors import BadImage
from perturbations.images import MAX_PIXELS
from perturbations.photo import avif, gif, heic, jpeg, png, tiff, webp
from perturbations.photo.colour import deep_greys, from_colours, from_grey, is_grey
from perturbations.photo.deep import oriented
from perturbations.photo.formats import HAS_AVIF, HAS_HEIC, KINDS
from perturbations.photo.intricacy import AVIF, brands, is_heic
from perturbations.photo.limits import check_parts
from perturbations.photo.orientation import turned
from perturbations.photo.picture import Photo
from perturbations.photo.stored import Stored

_SIGNATURES: Final[tuple[tuple[bytes, Callable[[bytes], Stored]], ...]] = (
    (b"\xff\xd8\xff", jpeg.read),
    (b"\x89PNG\r\n\x1a\n", png.read),
    (b"GIF87a", gif.read),
    (b"GIF89a", gif.read),
    (b"II*\0", tiff.read),
    (b"MM\0*", tiff.read),
    (b"II+\0", tiff.read),
    (b"MM\0+", tiff.read),
)

# Pillow warns at 89 megapixels and refuses at twice that; our own limit is checked either way
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Photo:
    """Decode one picture, found by content: JPEG, PNG, WebP, GIF, TIFF, and AVIF and HEIC if that is installed.

    Of any bit depth and any colours.

    Raises:
        BadImage: the data is empty, of another kind, damaged, animated, of more parts than a photo has, or of more
            than ``max_pixels``; the message says what to do. Nothing else is ever raised, however bad the file is.
    """
    if not data:
        raise BadImage(f"the file is empty; send a {KINDS} picture")
    check_parts(data, max_pixels=max_pixels)
    read = _reader(data)
    try:
        return _photo(read(data), max_pixels)
    except BadImage:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(max_pixels) from error
    except MemoryError as error:
        raise BadImage("there is not enough memory for the picture; scale it down and send it again") from error
    except Exception as error:  # decoders raise whatever occurs to them
        raise BadImage("the picture is damaged or incomplete; export it again and send the new file") from error


def _reader(data: bytes) -> Callable[[bytes], Stored]:
    for signature, read in _SIGNATURES:
        if data.startswith(signature):
            return read
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return webp.read
    if is_heic(data):
        if HAS_HEIC:
            return heic.read
        raise BadImage(f"a HEIC picture cannot be read here; export it and send a {KINDS} file")
    if HAS_AVIF and brands(data) & AVIF:
        return avif.read
    raise BadImage(f"this is not a picture of an allowed kind; send a {KINDS} file")


def _photo(stored: Stored, max_pixels: int) -> Photo:
    """The picture, upright and 8-bit RGB."""
    _check_size(stored.size, max_pixels)
    image = stored.load()
    _check_size(image.size, max_pixels)
    if stored.visible is not None:
        image = image.crop(stored.visible)
    image = turned(image, stored.orientation)
    icc = None
    if stored.grey or is_grey(image):
        deep = deep_greys(image, stored.icc)
        image = from_grey(image, stored.icc)
    else:
        deep = None if stored.deep is None else stored.deep()
        deep = None if deep is None else oriented(deep, stored.orientation)
        image, icc = from_colours(image, stored.icc)
    image.info = {}  # or encoders would write some of it
    return Photo(image, icc, stored.format, stored.quality, deep, stored.credit, stored.bits, stored.hdr)


def _check_size(size: tuple[int, int] | None, max_pixels: int) -> None:
    if size is not None and size[0] * size[1] > max_pixels:
        raise _too_large(max_pixels)


def _too_large(max_pixels: int) -> BadImage:
    return BadImage(f"the picture has more than {max_pixels / 1e6:g} million pixels; scale it down and send it again")
