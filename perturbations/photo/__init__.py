"""Photos between bytes and 8-bit RGB.

What survives: the pixels, transparency, an RGB colour profile or what tells of high dynamic range, who made the photo,
whose it is, and that training on it is prohibited. What never does: everything else in the file, above all EXIF with
the place the photo was taken at; its orientation is applied to the pixels first.
"""

from perturbations.photo.decode import decode
from perturbations.photo.encode import encode, encoder, output_format
from perturbations.photo.formats import FORMATS, KINDS, LOSSLESS, MAX_SIDE, MEDIA_TYPES, SUFFIXES
from perturbations.photo.picture import Photo

__all__ = [
    "FORMATS",
    "KINDS",
    "LOSSLESS",
    "MAX_SIDE",
    "MEDIA_TYPES",
    "SUFFIXES",
    "Photo",
    "decode",
    "encode",
    "encoder",
    "output_format",
]
