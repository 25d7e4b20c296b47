"""Bytes to photos."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
from PIL import Image, UnidentifiedImageError

from perturbations.errors import BadImage
from perturbations.photo.colour import eight_bits, to_rgb
from perturbations.photo.damage import DAMAGE
from perturbations.photo.formats import CODECS, KINDS, READABLE
from perturbations.photo.orientation import upright
from perturbations.photo.picture import Photo
from perturbations.planes import opacity, rgb

MAX_PIXELS: Final = 50_000_000


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Photo:
    """Decode one picture, found by content: JPEG, PNG, WebP, and AVIF where Pillow has it; any bit depth, any colours.

    Raises:
        BadImage: the data is empty, of another kind, damaged, animated, or of more than ``max_pixels``; the message
            says what to do.
    """
    if not data:
        raise BadImage(f"the file is empty; send a {KINDS} picture")
    try:
        image = Image.open(io.BytesIO(data), formats=CODECS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(max_pixels) from error
    except UnidentifiedImageError as error:
        raise BadImage(f"this is no picture of an allowed kind; send a {KINDS} file") from error
    except DAMAGE as error:
        raise _damaged() from error
    with image:
        if image.width * image.height > max_pixels:
            raise _too_large(max_pixels)
        try:
            if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
                raise BadImage("the file holds more than one picture; send a single one, not an animation")
            image.load()
            return _photo(image)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise _too_large(max_pixels) from error
        except DAMAGE as error:
            raise _damaged() from error


def _photo(image: Image.Image) -> Photo:
    """A loaded picture of any mode, made upright and 8-bit RGB."""
    kind = READABLE[image.format or ""]
    icc = image.info.get("icc_profile")
    turned = upright(image)
    if turned.mode[0] in "IF":  # 16 and 32 bits, gray
        turned = Image.fromarray(eight_bits(np.asarray(turned)))
    alpha = opacity(turned)
    coloured, icc = to_rgb(turned, icc if isinstance(icc, bytes) else None)
    return Photo(rgb(coloured), alpha, icc, kind, grey=image.mode[0] in "1LIF")


def _too_large(max_pixels: int) -> BadImage:
    return BadImage(f"the picture has more than {max_pixels / 1e6:g} million pixels; scale it down and send it again")


def _damaged() -> BadImage:
    return BadImage("the picture is damaged or incomplete; export it again and send the new file")
