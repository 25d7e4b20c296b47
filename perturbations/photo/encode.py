"""Photos to bytes."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from perturbations.errors import BadImage, UnknownName
from perturbations.faces.crop import Region
from perturbations.images import RgbArray
from perturbations.photo.bands import looks_grey, rgb
from perturbations.photo.deep import DeepArray, behind_head, chunk, written
from perturbations.photo.formats import FORMATS, KEPT_AS, LOSSLESS, MAX_COPY_PIXELS, MAX_SIDE
from perturbations.photo.parts import decode_parts
from perturbations.photo.picture import Photo
from perturbations.photo.statement import exif_of, xmp_of
from perturbations.photo.stored import Chunk

_SAVE: Final[dict[str, dict[str, Any]]] = {
    "jpeg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    "png": {"format": "PNG", "compress_level": 3},
    "webp": {"format": "WEBP", "lossless": True, "method": 0, "quality": 0, "exact": True},
    "avif": {"format": "AVIF", "quality": 100, "subsampling": "4:4:4", "speed": 8},
}
"""How each format is written. With ``lossless``, WebP's quality is the effort spent on size, not on the picture. AVIF
loses a little because its colours are converted, but less than JPEG: two steps of 255 at most."""

FULL_COLOUR_AVIF: Final = 24_000_000
"""Pixels up to which an AVIF keeps its full colour resolution. Its encoder takes 36 MB a megapixel then, and 23 with
half the resolution, as cameras write AVIFs anyway."""

FINEST: Final = 97
DEFAULT: Final = 95
_QUALITIES: Final = ((320, 90), (160, DEFAULT))
"""Shortest side of what is protected, in pixels, and the JPEG quality at which the protection survives. Of the effect
on the two generators that are interrupted, .97 and 1 are left on regions of 350 pixels; .93 and 1 on those of 180 to
280 (.73 and 1 at quality 90); .98 and .98 on those of 130, at ``FINEST`` (.62 and .89 at 95)."""

_BLOCKS: Final = 32
"""Pixels after which a JPEG's blocks begin anew, whatever its subsampling."""


def encode(photo: Photo, format: str) -> bytes:  # noqa: A002 - the name callers and the API use
    """Encode as ``keep`` (the format it came in), ``png``, ``jpeg`` (transparency becomes white) or ``webp``.

    PNG and WebP are lossless, and a PNG has 16 bits if the photo had. JPEG has the quality of the photo, or that at
    which the protection survives, and AVIF 100. Both have full colour resolution (large AVIFs half): at half of it,
    only .04 to .4 of the effect on a generator that looks at colours is left, at any quality. A grey photo is written
    in one channel if the format supports it. Besides pixels, transparency, the colour profile and, in a PNG, what tells
    of high dynamic range, nothing is written but who made the photo and whose it is, and that training on it is
    prohibited.

    Raises:
        UnknownName: the format.
        BadImage: the picture is too large for the format, or its encoder fails.
    """
    return encoder(photo, format)()


def encoder(
    photo: Photo,
    format: str,  # noqa: A002 - as above
    *,
    smallest: int | None = None,
    prohibit_mining: bool = False,
) -> Encoder:
    """What encodes ``photo``.

    Args:
        photo: what to encode.
        format: as for :func:`encode`.
        smallest: the shortest side of what is protected in it, which decides how finely a JPEG has to be written.
        prohibit_mining: whether the copy says that training on it is prohibited.
    """
    name = output_format(photo, format)
    if max(photo.width, photo.height) > MAX_SIDE[name]:
        raise BadImage(f"{name} can have at most {MAX_SIDE[name]} pixels a side; ask for png")
    if photo.width * photo.height > MAX_COPY_PIXELS.get(name, math.inf):
        raise BadImage(f"{name} is written up to {MAX_COPY_PIXELS[name] / 1e6:g} megapixels; ask for jpeg or png")
    if name == "jpeg":
        photo = photo.flattened()
    options = dict(_SAVE[name])
    if name == "avif" and looks_grey(photo.image, apart=0):
        options["subsampling"] = "4:0:0"  # or what is lost would tint it
    elif name == "avif" and photo.width * photo.height > FULL_COLOUR_AVIF:
        options["subsampling"] = "4:2:0"
    if photo.icc is not None and (photo.icc[16:20] == b"GRAY") == photo.grey:
        options["icc_profile"] = photo.icc
    if name == "jpeg":
        options["quality"] = quality_for(photo.quality, smallest)
    options |= _words(photo, name, prohibit_mining=prohibit_mining)
    told = photo.hdr if photo.keeps_hdr(name) else ()
    return Encoder(photo.image, name, options, photo.deep if name == "png" else None, told)


def quality_for(source: int | None, smallest: int | None) -> int:
    """The quality of a JPEG copy: that of its source, if the protection survives it.

    Args:
        source: the quality of the photo, if that is a JPEG.
        smallest: the shortest side of what is protected.
    """
    if smallest is None:
        return max(source or 0, DEFAULT)
    needed = next((quality for side, quality in _QUALITIES if smallest >= side), FINEST)
    return max(source or 0, needed)


def _words(photo: Photo, name: str, *, prohibit_mining: bool) -> dict[str, Any]:
    """Pillow's options for the words in a file."""
    xmp, exif = xmp_of(photo.credit, prohibit_mining=prohibit_mining), exif_of(photo.credit)
    words: dict[str, Any] = {} if exif is None else {"exif": exif}
    if xmp is not None and name == "png":
        words["pnginfo"] = PngInfo()
        words["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode())
    elif xmp is not None:
        words["xmp"] = xmp
    return words


@dataclass(frozen=True, slots=True)
class Encoder:
    """Encodes ``image`` as ``name`` with Pillow's ``options``; ``deep`` as in :mod:`perturbations.photo.deep`.

    first: the chunks behind the head of a PNG.
    """

    image: Image.Image
    name: str
    options: Mapping[str, Any]
    deep: DeepArray | None = None
    first: tuple[Chunk, ...] = ()

    def __call__(self) -> bytes:
        """The file.

        Raises:
            BadImage: the encoder fails.
        """
        return self._written(self.image)

    def delivered(self, encoded: bytes, regions: Sequence[Region]) -> Iterator[RgbArray]:
        """The pixels of ``regions`` as readers of ``encoded``, the whole file, will see them.

        A JPEG's blocks do not depend on each other: the parts of it are encoded and decoded once more instead of the
        whole.
        """
        if self.name in LOSSLESS:
            yield from (rgb(self.image, region.box) for region in regions)
        elif self.name == "jpeg":
            yield from map(self._jpeg_part, regions)
        else:
            yield from decode_parts(encoded, self.name, regions)

    def _jpeg_part(self, region: Region) -> RgbArray:
        """One region, encoded together with the blocks around it, which its colours are mixed with."""
        left, top = ((at // _BLOCKS - 1) * _BLOCKS for at in (region.x, region.y))
        right = -(-(region.x + region.width) // _BLOCKS) * _BLOCKS + _BLOCKS
        bottom = -(-(region.y + region.height) // _BLOCKS) * _BLOCKS + _BLOCKS
        left, top, right, bottom = (
            max(0, left),
            max(0, top),
            min(self.image.width, right),
            min(self.image.height, bottom),
        )
        within = Region(region.x - left, region.y - top, region.width, region.height)
        (part,) = decode_parts(self._written(self.image.crop((left, top, right, bottom))), "jpeg", [within])
        return part

    def _written(self, image: Image.Image) -> bytes:
        out = io.BytesIO()
        try:
            if self.deep is not None:
                plain = written(image, self.deep, self.options.get("icc_profile"), _chunks(self.options))
            else:
                image.save(out, **self.options)
                plain = out.getvalue()
        except Exception as error:  # encoders raise whatever occurs to them
            message = f"the picture cannot be written as {self.name}; scale it down or ask for another format"
            raise BadImage(message) from error
        return behind_head(plain, *self.first) if self.first else plain


def _chunks(options: Mapping[str, Any]) -> bytes:
    """The words as chunks of a PNG."""
    found: list[tuple[bytes, bytes]] = [kept[:2] for kept in options["pnginfo"].chunks] if "pnginfo" in options else []
    if "exif" in options:
        found.append((b"eXIf", options["exif"].removeprefix(b"Exif\0\0")))
    return b"".join(chunk(kind, body) for kind, body in found)


def output_format(photo: Photo, format: str) -> str:  # noqa: A002 - as above
    """The format ``keep`` stands for, or ``format`` itself, which may be the photo's own.

    A photo of a format that is not written is kept as the nearest one, and as PNG if it is transparent.

    Raises:
        UnknownName: no such format.
    """
    if format == "keep" and photo.format in KEPT_AS:
        return "png" if photo.image.mode in ("LA", "RGBA") else KEPT_AS[photo.format]
    if format == "keep" or (format == photo.format and format not in KEPT_AS):
        return photo.format
    if format not in FORMATS:
        raise UnknownName("format", format, FORMATS)
    return format
