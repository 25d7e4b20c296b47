"""Which way up a photo is."""

from __future__ import annotations

from PIL import Image, ImageOps

from perturbations.photo.damage import DAMAGE


def upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except DAMAGE:  # EXIF that cannot be read says nothing about the orientation
        return image
