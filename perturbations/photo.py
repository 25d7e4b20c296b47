"""Photos between bytes and 8-bit RGB.

What survives: the pixels, transparency and an RGB colour profile. What never does: everything else in the file, above
all EXIF with the place the photo was taken at; its orientation is applied to the pixels first.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError, features

from perturbations.errors import BadImage, UnknownName
from perturbations.guard import check_parts
from perturbations.images import RgbArray

MAX_PIXELS: Final = 50_000_000

_READABLE: Final = {"JPEG": "jpeg", "MPO": "jpeg", "PNG": "png", "WEBP": "webp", "AVIF": "avif"}
"""Pillow's names and ours. An MPO is a JPEG with a further picture (a depth or gain map) behind the one that counts."""
_CODECS: Final = ("JPEG", "PNG", "WEBP", *(("AVIF",) if features.check("avif") else ()))
KINDS: Final = "JPEG, PNG, WebP or AVIF" if "AVIF" in _CODECS else "JPEG, PNG or WebP"
_SAVE: Final[dict[str, dict[str, Any]]] = {
    "jpeg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    "png": {"format": "PNG", "compress_level": 3},
    "webp": {"format": "WEBP", "lossless": True, "method": 0, "quality": 0, "exact": True},
    "avif": {"format": "AVIF", "quality": 100, "subsampling": "4:4:4", "speed": 8},
}
"""How each format is written. With ``lossless``, WebP's quality is the effort spent on size, not on the picture. AVIF
loses a little because its colours are converted, but less than JPEG: two steps of 255 at most."""
FORMATS: Final = ("keep", "png", "jpeg", "webp")
"""What a caller may ask for, besides the format a photo came in."""
LOSSLESS: Final = frozenset({"png", "webp"})
MEDIA_TYPES: Final = {name: f"image/{name}" for name in _SAVE}
SUFFIXES: Final = {"jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"), "png": (".png",), "webp": (".webp",), "avif": (".avif",)}
MAX_SIDE: Final = {"jpeg": 65_500, "webp": 16_383, "avif": 32_768, "png": 2**31 - 1}
"""Pixels. AVIF allows twice as many, but its decoder does not, and what is delivered must be readable."""

_DAMAGE: Final = (
    AttributeError,
    OSError,
    RuntimeError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise on damaged data."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A decoded photo, upright.

    pixels: ``[H, W, 3]``. alpha: ``[H, W]`` of 8 bits, or ``None`` where it is opaque. icc: an RGB profile, if any.
    format: what it was decoded from (``jpeg``, ``png``, ``webp``, ``avif``).
    """

    pixels: RgbArray
    alpha: npt.NDArray[np.uint8] | None
    icc: bytes | None
    format: str

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    def flattened(self) -> Photo:
        """The photo on white, opaque."""
        if self.alpha is None:
            return self
        share = self.alpha[:, :, None].astype(np.float32) / 255.0
        pixels = (self.pixels * share + 255.0 * (1.0 - share)).round().astype(np.uint8)
        return replace(self, pixels=pixels, alpha=None)


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Photo:
    """Decode one picture, found by content: JPEG, PNG, WebP, and AVIF where Pillow has it; any bit depth, any colours.

    Raises:
        BadImage: the data is empty, of another kind, damaged, animated, of more parts than a photo has, or of more
            than ``max_pixels``; the message says what to do.
    """
    if not data:
        raise BadImage(f"the file is empty; send a {KINDS} picture")
    check_parts(data, max_pixels=max_pixels)
    try:
        image = Image.open(io.BytesIO(data), formats=_CODECS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(max_pixels) from error
    except UnidentifiedImageError as error:
        raise BadImage(f"this is no picture of an allowed kind; send a {KINDS} file") from error
    except _DAMAGE as error:
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
        except _DAMAGE as error:
            raise _damaged() from error


def encode(photo: Photo, format: str) -> bytes:  # noqa: A002 - the name callers and the API use
    """Encode as ``keep`` (the format it came in), ``png``, ``jpeg`` (on white where transparent) or ``webp``.

    PNG and WebP are lossless; JPEG has quality 95, AVIF 100, both with full colour resolution. Nothing but pixels,
    transparency and the colour profile is written.

    Raises:
        UnknownName: the format.
        BadImage: the picture is too large for the format.
    """
    name = output_format(photo, format)
    if max(photo.width, photo.height) > MAX_SIDE[name]:
        raise BadImage(f"{name} holds no more than {MAX_SIDE[name]} pixels a side; ask for png")
    if name == "jpeg":
        photo = photo.flattened()
    planes = photo.pixels if photo.alpha is None else np.dstack((photo.pixels, photo.alpha))
    out = io.BytesIO()
    options = dict(_SAVE[name])
    if photo.icc is not None:
        options["icc_profile"] = photo.icc
    Image.fromarray(planes).save(out, **options)
    return out.getvalue()


def output_format(photo: Photo, format: str) -> str:  # noqa: A002 - as above
    """The format ``keep`` stands for, or ``format`` itself, which may be the photo's own.

    Raises:
        UnknownName: no such format.
    """
    if format in ("keep", photo.format):
        return photo.format
    if format not in FORMATS:
        raise UnknownName("format", format, FORMATS)
    return format


def _photo(image: Image.Image) -> Photo:
    """A loaded picture of any mode, made upright and 8-bit RGB."""
    kind = _READABLE[image.format or ""]
    icc = image.info.get("icc_profile")
    upright = _upright(image)
    if upright.mode[0] in "IF":  # 16 and 32 bits, gray
        upright = Image.fromarray(_eight_bits(np.asarray(upright)))
    alpha = None
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
        alpha = np.asarray(upright.getchannel("A"))
        if int(alpha.min()) == 255:
            alpha = None
    rgb, icc = _to_rgb(upright, icc if isinstance(icc, bytes) else None)
    return Photo(np.asarray(rgb), alpha, icc, kind)


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except _DAMAGE:  # EXIF that cannot be read says nothing about the orientation
        return image


def _eight_bits(gray: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """16-bit gray (in whatever type) to 8 bits, rounded."""
    return (gray.astype(np.float32) / 257.0).round().clip(0, 255).astype(np.uint8)


def _to_rgb(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, bytes | None]:
    """8-bit RGB and the profile that describes it; a profile of other colours is applied and then dropped."""
    if icc is None:
        return image.convert("RGB"), None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        space = profile.profile.xcolor_space.strip()
        if space == "RGB":
            return image.convert("RGB"), icc
        mode = {"CMYK": "CMYK", "GRAY": "L"}.get(space)
        if mode is not None and mode == image.mode:
            srgb = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
            if converted is not None:
                return converted, None
    except (ImageCms.PyCMSError, *_DAMAGE):
        pass  # a profile that cannot be read is dropped
    return image.convert("RGB"), None


def _too_large(max_pixels: int) -> BadImage:
    return BadImage(f"the picture has more than {max_pixels / 1e6:g} million pixels; scale it down and send it again")


def _damaged() -> BadImage:
    return BadImage("the picture is damaged or incomplete; export it again and send the new file")
