"""GIF files (Graphics Interchange Format, version 89a)."""

from __future__ import annotations

from functools import partial

from PIL import Image

from perturbations.errors import BadImage
from perturbations.photo.gif_blocks import Gif, gif_of
from perturbations.photo.stored import Stored, loaded

_END = b"\x3b"


def read(data: bytes) -> Stored:
    """A GIF. Comments and other extensions are left out.

    Raises:
        BadImage: an animation, no picture, or more blocks than one needs.
    """
    found = gif_of(data)
    if found is None:
        raise BadImage("the picture is damaged or incomplete; export it again and send the new file")
    if found.excess:
        raise BadImage("the GIF has more parts than any picture needs; open it in an image editor and save it again")
    if found.frames > 1:
        raise BadImage("the file holds more than one picture; send a single one, not an animation")
    return Stored("gif", partial(_load, data, found), (found.width, found.height))


def _load(data: bytes, found: Gif) -> Image.Image:
    """The frame on its screen; what it does not cover is transparent."""
    begin, end = found.image
    image = loaded(b"".join((data[: found.table], found.control, data[begin:end], _END)), "GIF")
    return image if image.mode in ("L", "P") else image.convert("RGBA")
