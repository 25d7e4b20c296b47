"""GIF files (Graphics Interchange Format, version 89a)."""

from __future__ import annotations

import struct
from functools import partial

from PIL import Image

from perturbations.errors import BadImage
from perturbations.photo.credit import credit_of
from perturbations.photo.gif_blocks import Gif, gif_of
from perturbations.photo.stored import Stored, loaded

_END = b"\x3b"


def read(data: bytes) -> Stored:
    """A GIF. Of its extensions, only XMP is looked at.

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
    begin, end = found.xmp
    credit = credit_of(xmp=data[begin:end])
    return Stored("gif", partial(_load, data, found), (found.width, found.height), credit=credit)


def _load(data: bytes, found: Gif) -> Image.Image:
    """The frame on its screen, as browsers show it; what it does not cover is transparent.

    It is decoded on its own: a decoder would enlarge the screen for a frame that lies outside of it.
    """
    begin, end = found.image
    size = struct.pack("<HH", found.across, found.down)
    head = data[:6] + size + data[10 : found.table]
    frame = data[begin : begin + 1] + bytes(4) + size + data[begin + 9 : end]
    image = loaded(b"".join((head, found.control, frame, _END)), "GIF")
    place = (found.left, found.top, found.across, found.down)
    if place == (0, 0, found.width, found.height):
        return image if image.mode in ("L", "P") else image.convert("RGBA")
    screen = Image.new("RGBA", (found.width, found.height))
    screen.paste(image.convert("RGBA"), (found.left, found.top))
    return screen
