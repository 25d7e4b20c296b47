"""What a file says about its picture, as opposed to the picture itself."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from perturbations.photo.credit import NOBODY, Credit
from perturbations.photo.deep import DeepArray

Box = tuple[int, int, int, int]
"""Left, top, right, bottom."""
Chunk = tuple[bytes, bytes]
"""Kind and body of a chunk of a PNG."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A picture as it is stored.

    format: one of Poise's names. load: decodes the pixels, from the file without its metadata. size: width and height,
    if the header says so. orientation: as in EXIF, 1 to 8. icc: a profile of its colours, found or made from what
    else describes them. visible: the visible part, before it is turned. grey:
    whether the file holds greys only although it decodes to colours. bits: of a channel. quality: of a JPEG, from 1 to
    100. deep: decodes colours of more than 8 bits, if they can be kept. credit: who made the photo and whose it is.
    hdr: the chunks of a PNG that tell of its high dynamic range, none if it has none.
    """

    format: str
    load: Callable[[], Image.Image]
    size: tuple[int, int] | None = None
    orientation: int = 1
    icc: bytes | None = None
    visible: Box | None = None
    grey: bool = False
    bits: int = 8
    quality: int | None = None
    deep: Callable[[], DeepArray | None] | None = None
    credit: Credit = NOBODY
    hdr: tuple[Chunk, ...] = ()


def loaded(data: bytes, codec: str) -> Image.Image:
    """The first picture in ``data``, decoded by Pillow's ``codec``."""
    image = Image.open(io.BytesIO(data), formats=[codec])
    image.load()
    return image
