"""Converts colours of any kind to 8-bit RGB."""

from __future__ import annotations

import io
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from perturbations.photo.bands import is_opaque
from perturbations.photo.deep import DeepArray
from perturbations.photo.profiles import stripped

Plane = npt.NDArray[np.uint8]
"""One channel, ``[H, W]``."""

_STEPS: Final = np.arange(256)
_LEVELS: Final = np.arange(65536)
_OPAQUE: Final = 255


def from_grey(image: Image.Image, icc: bytes | None) -> Image.Image:
    """The greys of a picture of any depth, 8 bits and as sRGB has them: of mode L, or LA if it is not opaque."""
    tones = _tones(icc)
    if tones is None and image.mode == "L" and not image.has_transparency_data:
        return image
    values, alpha = _grey_planes(image)
    if values.dtype != np.uint8:  # 16 bits, in whatever type
        table = np.interp(_LEVELS / 257, _STEPS, _STEPS if tones is None else tones).round()
        values = table.astype(np.uint8)[values.clip(0, 65535)]
    elif tones is not None:
        values = tones.astype(np.uint8)[values]
    drawn = Image.fromarray(values)
    if alpha is not None and int(alpha.min(initial=255)) < _OPAQUE:
        drawn.putalpha(Image.fromarray(alpha))
    return drawn


def deep_greys(image: Image.Image, icc: bytes | None) -> DeepArray | None:
    """The greys of a picture of 16 bits, as sRGB has them; ``None`` if it has fewer."""
    if not image.mode.startswith("I;16"):
        return None
    values = np.asarray(image).astype(np.uint16)
    tones = _tones(icc)
    if tones is None:
        return values
    table: DeepArray = (257 * np.interp(_LEVELS / 257, _STEPS, tones)).round().clip(0, 65535).astype(np.uint16)
    return table[values]


def _grey_planes(image: Image.Image) -> tuple[npt.NDArray[Any], Plane | None]:
    """Values as they are stored, and alpha."""
    if image.mode in {"P", "RGB", "RGBA"}:
        transparent = image.has_transparency_data
        image = image.convert("RGBA")
        return np.asarray(image.getchannel("R")), np.asarray(image.getchannel("A")) if transparent else None
    if image.mode == "LA":
        return np.asarray(image.getchannel("L")), np.asarray(image.getchannel("A"))
    values = np.asarray(image.convert("L") if image.mode == "1" else image)
    clear = image.info.get("transparency")
    return values, np.where(values == clear, 0, 255).astype(np.uint8) if isinstance(clear, int) else None


def from_colours(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, bytes | None]:
    """The picture as RGB, or RGBA if it is not opaque, and the profile that describes it.

    A profile of other colours is applied and then dropped.
    """
    if image.mode == "CMYK":
        return _from_cmyk(image, icc), None
    mode = "RGB" if is_opaque(image) else "RGBA"
    return image if image.mode == mode else image.convert(mode), None if icc is None else _rgb_profile(icc)


def is_grey(image: Image.Image) -> bool:
    """Whether nothing but greys can be stored in a picture of this kind, or in its palette."""
    if image.mode == "P" and image.palette is not None:
        red, green, blue = np.asarray(image.getpalette("RGB") or [0, 0, 0]).reshape(-1, 3).T
        return bool((red == green).all() and (green == blue).all())
    return image.mode[0] in "1LI"


def _rgb_profile(icc: bytes) -> bytes | None:
    """The part of a profile to keep, ``None`` if it is useless for RGB."""
    kept = stripped(icc)
    return kept if kept is not None and _space(kept) == "RGB" and _applied(_ramp("RGB"), kept) is not None else None


def _from_cmyk(image: Image.Image, icc: bytes | None) -> Image.Image:
    converted = _applied(image, icc) if icc is not None and _space(icc) == "CMYK" else None
    return image.convert("RGB") if converted is None else converted


def _tones(icc: bytes | None) -> npt.NDArray[np.float64] | None:
    """sRGB's value for each grey of a profile; ``None`` if they are the same, give or take a rounding."""
    mode = {"GRAY": "L", "RGB": "RGB"}.get(_space(icc)) if icc is not None else None
    shown = None if icc is None or mode is None else _applied(_ramp(mode), icc, exact=True)
    if shown is None:
        return None
    tones = np.asarray(shown)[0, :, 1].astype(np.float64)
    return None if np.abs(tones - _STEPS).max() <= 1 else tones


def _ramp(mode: str) -> Image.Image:
    """Every grey once."""
    return Image.fromarray(_STEPS.astype(np.uint8)[None]).convert(mode)


def _space(icc: bytes) -> str:
    return icc[16:20].decode("latin-1").strip()


def _applied(image: Image.Image, icc: bytes, *, exact: bool = False) -> Image.Image | None:
    """``image`` in sRGB, ``None`` if the profile cannot be used. exact: slowly, with no error where it is dark."""
    flags = ImageCms.Flags.NOOPTIMIZE if exact else ImageCms.Flags.NONE
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        return ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB", flags=flags)
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None
