"""What a file says about its picture, as opposed to the picture itself."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

Box = tuple[int, int, int, int]
"""Left, top, right, bottom."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A picture as it is stored.

    format: one of Poise's names. load: decodes the pixels, from the file without its metadata. size: width and height,
    if the header says so. orientation: as in EXIF, 1 to 8. icc: a profile of its colours, found or made from what
    else describes them. visible: the visible part, before it is turned. grey:
    whether the file holds greys only although it decodes to colours.
    """

    format: str
    load: Callable[[], Image.Image]
    size: tuple[int, int] | None = None
    orientation: int = 1
    icc: bytes | None = None
    visible: Box | None = None
    grey: bool = False


def loaded(data: bytes, codec: str) -> Image.Image:
    """The first picture in ``data``, decoded by Pillow's ``codec``."""
    image = Image.open(io.BytesIO(data), formats=[codec])
    image.load()
    return image
