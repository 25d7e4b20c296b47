"""Colours of any kind, made 8-bit RGB."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from perturbations.photo.damage import DAMAGE


def eight_bits(gray: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """16-bit gray (in whatever type) to 8 bits, rounded."""
    return (gray.astype(np.float32) / 257.0).round().clip(0, 255).astype(np.uint8)


def to_rgb(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, bytes | None]:
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
    except (ImageCms.PyCMSError, *DAMAGE):
        pass  # a profile that cannot be read is dropped
    return image.convert("RGB"), None
