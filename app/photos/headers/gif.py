"""The header of a GIF (version 89a)."""

from __future__ import annotations

from app.photos.gif_blocks import gif_of
from app.photos.headers.header import Header, Unreadable, damaged


def gif(data: bytes) -> Header:
    """The size of the screen, or of its first frame.

    Raises:
        Unreadable: there is no frame, or there are more blocks than a picture needs.
    """
    found = gif_of(data)
    if found is None or not found.width or not found.height:
        raise damaged()
    if found.excess:
        raise Unreadable("The GIF has more parts than any picture needs; open it in an image editor and save it again.")
    return Header(found.width, found.height, found.frames > 1)
