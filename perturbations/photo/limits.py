"""Keeps files from decoders that would overload them: files of too many parts, or of more pixels than they declare."""

from __future__ import annotations

from perturbations.errors import BadImage
from perturbations.photo.intricacy import coded_pixels, too_intricate


def check_parts(data: bytes, *, max_pixels: int) -> None:
    """Make sure that decoding ``data`` takes no longer than its size suggests.

    Raises:
        BadImage: it would; the message says what to do.
    """
    if (excess := too_intricate(data)) is not None:
        raise BadImage(excess)
    if coded_pixels(data) > max_pixels:
        raise BadImage(f"a picture in the file has more than {max_pixels / 1e6:g} million pixels; scale it down")
