"""Protect a photo: bytes in, bytes out, with what was done to it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from perturbations.apply import perturb
from perturbations.artifact import Perturbation
from perturbations.faces import Face, Region, crop_for, frame, locate
from perturbations.photo import LOSSLESS, MAX_PIXELS, MEDIA_TYPES, decode, encode, output_format
from perturbations.quality import Quality, measure, worst


@dataclass(frozen=True, slots=True)
class Source:
    """What came in: its format, its size in pixels once upright, and in bytes."""

    format: str
    width: int
    height: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Protected:
    """A protected photo.

    data: the encoded picture. media_type: its MIME type. faces: those located, the surest first. regions: what was
    changed, one per face and inside the picture; the whole frame where no face was found. quality: how the delivered
    bytes, decoded again, differ from the original inside the regions (of several, the worst figure of each kind). A
    lossy format adds its own differences to the perturbation's.
    """

    data: bytes
    format: str
    media_type: str
    source: Source
    faces: tuple[Face, ...]
    regions: tuple[Region, ...]
    quality: Quality


def protect_photo(
    data: bytes,
    perturbation: Perturbation,
    *,
    format: str = "keep",  # noqa: A002 - the API's name
    max_pixels: int = MAX_PIXELS,
) -> Protected:
    """Add ``perturbation`` to every face of the photo, or to the whole of it where no face is found.

    Args:
        data: a JPEG, PNG or WebP file.
        perturbation: what to add.
        format: ``keep``, ``png``, ``jpeg`` or ``webp``.
        max_pixels: larger pictures are refused before they are decoded.

    Raises:
        BadImage: ``data`` is no picture that can be protected; the message says what to do.
        UnknownName: no such format.
    """
    photo = decode(data, max_pixels=max_pixels)
    name = output_format(photo, format)
    if name == "jpeg":  # first, so that what transparency hides is not what gets protected
        photo = photo.flattened()
    faces = tuple(locate(photo.pixels))
    crops = [crop_for(face) for face in faces]
    regions = tuple(r for r in (c.clipped(photo.width, photo.height) for c in crops) if r is not None)
    if not regions:
        crops = [frame(photo.width, photo.height)]
        regions = tuple(crops)
    pixels = perturb(photo.pixels, crops, perturbation)
    encoded = encode(replace(photo, pixels=pixels), name)
    delivered = pixels if name in LOSSLESS else decode(encoded, max_pixels=max_pixels).pixels
    inside = [(slice(r.y, r.y + r.height), slice(r.x, r.x + r.width)) for r in regions]
    return Protected(
        data=encoded,
        format=name,
        media_type=MEDIA_TYPES[name],
        source=Source(photo.format, photo.width, photo.height, len(data)),
        faces=faces,
        regions=regions,
        quality=worst(measure(photo.pixels[part], delivered[part]) for part in inside),
    )
