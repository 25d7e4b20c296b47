"""Protects a photo: bytes in, bytes out, with a description of what was done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from perturbations.apply import add
from perturbations.artifact import Perturbation
from perturbations.carried import carried
from perturbations.coverage import coverage, notes
from perturbations.faces import Face, Locate, Region, crop_for, locate
from perturbations.faces.given import given
from perturbations.faces.tiles import suspects, tiles
from perturbations.images import MAX_PIXELS, RgbArray
from perturbations.photo import LOSSLESS, MEDIA_TYPES, decode, decode_parts, encoder, output_format
from perturbations.photo.bands import is_grey
from perturbations.quality import Quality, measure, worst


@dataclass(frozen=True, slots=True)
class Source:
    """The input: its format, its size in pixels once upright, and in bytes."""

    format: str
    width: int
    height: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Protected:
    """A protected photo.

    data: the encoded picture. media_type: its MIME type. faces: those located, the surest first, or those given.
    regions: what is protected, one per face and inside the picture; if no face was found the whole frame, or its tiles.
    tiled: whether it is those. already_protected: for each region, whether it carried the perturbation before and was
    left as it was. coverage: share of the picture's pixels
    inside the regions. notes: what was protected and what was not, in sentences. quality: how the delivered bytes,
    decoded again, differ from the original inside the regions (of several, the worst figure of each kind). A lossy
    format adds its own differences to the perturbation's.
    """

    data: bytes
    format: str
    media_type: str
    source: Source
    faces: tuple[Face, ...]
    tiled: bool
    regions: tuple[Region, ...]
    already_protected: tuple[bool, ...]
    coverage: float
    notes: tuple[str, ...]
    quality: Quality


def protect_photo(
    data: bytes,
    perturbation: Perturbation,
    *,
    format: str = "keep",  # noqa: A002 - the API's name
    max_pixels: int = MAX_PIXELS,
    locator: Locate = locate,
    faces: Sequence[Sequence[float]] | None = None,
) -> Protected:
    """Add ``perturbation`` to every face of the photo, or to the whole of it, in tiles, if no face is found.

    A face that already carries it, from an earlier protection, is left unchanged. No more than one picture of
    the photo's size exists at a time, besides what the formats need; of the original only the regions are kept.

    Args:
        data: a JPEG, PNG, WebP or AVIF file.
        perturbation: what to add.
        format: ``keep``, ``png``, ``jpeg`` or ``webp``.
        max_pixels: larger pictures are refused before they are decoded.
        locator: finds the faces.
        faces: boxes ``(x, y, width, height)`` in pixels of the upright photo; then none is looked for.

    Raises:
        BadInput: a box in ``faces`` cannot be used; the message says which and why.
        BadImage: ``data`` is not a picture that can be protected; the message says what to do.
        UnknownName: no such format.
    """
    photo = decode(data, max_pixels=max_pixels)
    name = output_format(photo, format)
    if name == "jpeg":  # first, so that what transparency hides is not what gets protected
        photo = photo.flattened()
    source = Source(photo.format, photo.width, photo.height, len(data))
    grey = is_grey(photo.pixels)
    known = tuple(locator(photo.pixels)) if faces is None else given(faces, source.width, source.height)
    plan = _plan(photo.pixels, known, source)
    regions = tuple(clipped for crop in plan.crops if (clipped := crop.clipped(source.width, source.height)))
    before = carried(photo.pixels, plan.crops, perturbation)
    originals = [_part(photo.pixels, region).copy() for region in regions]
    first = tuple(crop for crop in before.free if crop in plan.first)
    add(photo.pixels, first, perturbation, kept=before.places)
    rest = tuple(crop for crop in before.free if crop not in plan.first)
    add(photo.pixels, rest, perturbation, kept=(*before.places, *first))
    quality = _quality(originals, (_part(photo.pixels, region) for region in regions)) if name in LOSSLESS else None
    encode = encoder(photo, name)
    del photo  # before the encoder takes as much again
    encoded = encode()
    del encode
    return Protected(
        data=encoded,
        format=name,
        media_type=MEDIA_TYPES[name],
        source=source,
        faces=known,
        tiled=plan.tiled,
        regions=regions,
        already_protected=before.flags,
        coverage=coverage(regions, source.width, source.height),
        notes=notes(
            faces=len(known), already=sum(before.flags), grey=grey, given=faces is not None, tiled=plan.tiled
        ),
        quality=quality or _quality(originals, decode_parts(encoded, name, regions)),
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where δ goes. first: crops that others may not cover. rest: all others. tiled: whether those are tiles."""

    first: tuple[Region, ...]
    rest: tuple[Region, ...]
    tiled: bool

    @property
    def crops(self) -> tuple[Region, ...]:
        return self.first + self.rest


def _plan(pixels: RgbArray, faces: Iterable[Face], source: Source) -> _Plan:
    """A crop for every face; or all tiles, after the places where a face may have been missed."""
    crops = _visible(map(crop_for, faces), source)
    if crops:
        return _Plan(crops, (), tiled=False)
    rest = tiles(source.width, source.height)
    tiled = len(rest) > 1
    return _Plan(_visible(suspects(pixels), source) if tiled else (), rest, tiled)


def _quality(originals: Iterable[RgbArray], delivered: Iterable[RgbArray]) -> Quality:
    return worst(map(measure, originals, delivered))


def _visible(crops: Iterable[Region], source: Source) -> tuple[Region, ...]:
    return tuple(crop for crop in crops if crop.clipped(source.width, source.height) is not None)


def _part(pixels: RgbArray, region: Region) -> RgbArray:
    return pixels[region.y : region.y + region.height, region.x : region.x + region.width]
