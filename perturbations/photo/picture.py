"""A decoded photo."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from PIL import Image

from perturbations.images import RgbArray
from perturbations.photo.bands import AlphaArray, on_white, opacity, picture, rgb
from perturbations.photo.credit import NOBODY, Credit
from perturbations.photo.deep import DeepArray
from perturbations.photo.stored import Chunk


@dataclass(frozen=True, eq=False)
class Photo:
    """A decoded photo, upright.

    image: its pixels as the decoder left them, of mode RGB, RGBA, L or LA; they are the only copy as long as nobody
    asks for ``pixels``. icc: a profile of its colours, if any. format: what it was decoded from (``jpeg``, ``png``,
    ``webp``, ``avif``, ``heic``, ``gif``, ``tiff``). quality: of a JPEG. deep: its colours in 16 bits, if it has so
    many and they can be kept; :mod:`perturbations.photo.deep` says what becomes of them. credit: who made it and whose
    it is. bits: of a channel, as stored. hdr: the chunks of a PNG that tell of its high dynamic range, none if it has
    none.
    """

    image: Image.Image
    icc: bytes | None
    format: str
    quality: int | None = None
    deep: DeepArray | None = None
    credit: Credit = NOBODY
    bits: int = 8
    hdr: tuple[Chunk, ...] = ()

    @classmethod
    def of(
        cls,
        pixels: RgbArray,
        alpha: AlphaArray | None,
        icc: bytes | None,
        format: str,  # noqa: A002 - the field's name
        *,
        grey: bool = False,
    ) -> Photo:
        """The photo of ``pixels [H, W, 3]`` and ``alpha [H, W]``; of one channel if ``grey``."""
        return cls(picture(pixels, alpha, grey=grey), icc, format)

    @property
    def width(self) -> int:
        return self.image.width

    @property
    def height(self) -> int:
        return self.image.height

    @property
    def grey(self) -> bool:
        """Whether it has one channel, as its copy shall."""
        return self.image.mode in ("L", "LA")

    @cached_property
    def pixels(self) -> RgbArray:
        """A copy of the colours, ``[H, W, 3]``."""
        return rgb(self.image)

    @cached_property
    def alpha(self) -> AlphaArray | None:
        """A copy of the opacity, ``[H, W]`` of 8 bits, or ``None`` if it is opaque."""
        return opacity(self.image)

    def keeps_hdr(self, format: str) -> bool:  # noqa: A002 - the field's name
        """Whether a copy of this format has the high dynamic range: a PNG in colour can say so."""
        return bool(self.hdr) and format == "png" and not self.grey

    def flattened(self) -> Photo:
        """The photo on white, opaque."""
        return self if self.image.mode in ("RGB", "L") else replace(self, image=on_white(self.image), deep=None)
