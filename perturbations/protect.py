"""Protects a photo: bytes in, bytes out, with a description of what was done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image

from perturbations.apply import add
from perturbations.artifact import Perturbation
from perturbations.carried import carried, with_margin
from perturbations.copies import about_copy
from perturbations.coverage import coverage, notes
from perturbations.faces import Face, Found, Locate, Region, crop_for, locate
from perturbations.faces.given import Box, given
from perturbations.faces.tiles import tiles
from perturbations.held import Held, held
from perturbations.images import MAX_PIXELS
from perturbations.photo import MEDIA_TYPES, decode, encoder, output_format
from perturbations.photo.bands import looks_grey, reduced, rgb
from perturbations.quality import Quality, measure, middle, worst
from perturbations.strength import STRENGTHS, Strength

SEARCHED: Final = 1800
"""About how many pixels the longer side of a large photo keeps where it is looked at as a whole."""
_OPAQUE: Final = ("L", "RGB")
"""Modes of pictures in which nothing is transparent."""


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
    regions: what is protected, one per face and inside the picture; if there is no face the whole frame, or its tiles
    after the places where one may have been missed. already_protected: for each region, whether it carried the
    perturbation before. coverage: share of the picture's pixels inside the regions. notes: what was protected and what
    was not, in sentences. about_copy: those of them about the file of the copy. quality: how the delivered bytes,
    decoded again, differ from the original inside the regions, of large ones in their middle (of several, the worst
    figure of each kind). A lossy format adds its own differences to the perturbation's. strength: what the copy has: as
    it was asked for, unless nothing was changed. perturbation: what the copy carries, which is another version than the
    one asked for if that was found everywhere. tiled: whether the regions are tiles.
    """

    data: bytes
    format: str
    media_type: str
    source: Source
    faces: tuple[Face, ...]
    regions: tuple[Region, ...]
    already_protected: tuple[bool, ...]
    coverage: float
    notes: tuple[str, ...]
    about_copy: tuple[str, ...]
    quality: Quality
    strength: Strength
    perturbation: Perturbation
    tiled: bool = False


def protect_photo(
    data: bytes,
    perturbation: Perturbation,
    *,
    format: str = "keep",  # noqa: A002 - the API's name
    max_pixels: int = MAX_PIXELS,
    locator: Locate = locate,
    strength: Strength = "standard",
    known: Sequence[Perturbation] = (),
    boxes: Sequence[Box] | None = None,
    prohibit_mining: bool = True,
) -> Protected:
    """Add ``perturbation`` to every face of the photo, or to the whole of it, in tiles, if no face is found.

    A face that already carries it or one of ``known``, from an earlier protection, is left unchanged, or made as strong
    as was asked for if it is known to be weaker. No more than one picture of the photo's size exists at a time, besides
    what the formats need; of the original only parts of the regions are kept.

    Args:
        data: a JPEG, PNG, WebP or AVIF file.
        perturbation: what to add.
        format: ``keep``, ``png``, ``jpeg`` or ``webp``.
        max_pixels: larger pictures are refused before they are decoded.
        locator: finds the faces.
        strength: how much of it is added.
        known: other versions that the photo may carry already.
        boxes: where the faces are; nothing is looked for then, even if there are none.
        prohibit_mining: whether the copy says that training on it is prohibited.

    Raises:
        BadImage: ``data`` is not a picture that can be protected; the message says what to do.
        UnknownName: no such format.
    """
    photo = decode(data, max_pixels=max_pixels)
    bits, deep = photo.bits, photo.deep is not None
    name = output_format(photo, format)
    if name == "jpeg":  # first, so that what transparency hides is not what gets protected
        photo = photo.flattened()
    source = Source(photo.format, photo.width, photo.height, len(data))
    small = reduced(photo.image, SEARCHED)
    grey = looks_grey(photo.image)
    found = searched(photo.image, small, locator) if boxes is None else Found(given(boxes, *photo.image.size))
    faces = found.faces
    crops = _visible(map(crop_for, faces), source)
    rest = () if crops else tiles(source.width, source.height)
    tiled = len(rest) > 1
    if tiled:
        crops = _visible(map(crop_for, found.suspects), source)
    regions = tuple(clipped for crop in crops + rest if (clipped := crop.clipped(source.width, source.height)))
    before = carried(photo.image, crops + rest, (perturbation, *known), grey=grey, small=small, tiles=rest)
    samples = list(map(middle, regions))
    originals = [rgb(photo.image, sample.box) for sample in samples]
    parts = held(photo.image, before, grey=grey, whole=not crops, tiles=rest if tiled else ())
    there = tuple(with_margin(part.place or part.near) for part in parts)
    first = tuple(crop for crop in before.free if crop in crops)
    add(photo.image, first, perturbation, kept=there, strength=strength, grey=grey)
    tiles_left = tuple(crop for crop in before.free if crop not in crops)
    add(photo.image, tiles_left, perturbation, kept=there + first, strength=strength, grey=grey)
    raised = _raise(photo.image, parts, strength, grey=grey)
    left = [part for part in parts if part not in raised]
    smallest = min(min(crop.width, crop.height) for crop in crops + rest)
    encode = encoder(photo, name, smallest=smallest, prohibit_mining=prohibit_mining)
    encoded = encode()
    opaque = photo.image.mode in _OPAQUE
    said = about_copy(
        source,
        name,
        asked=format,
        size=len(encoded),
        bits=bits,
        deep=deep,
        opaque=opaque,
        hdr_lost=bool(photo.hdr) and not photo.keeps_hdr(name),
    )
    return Protected(
        data=encoded,
        format=name,
        media_type=MEDIA_TYPES[name],
        source=source,
        faces=faces,
        regions=regions,
        already_protected=before.flags,
        coverage=coverage(regions, source.width, source.height),
        notes=(
            *notes(
                faces=len(faces),
                already=sum(before.flags),
                grey=grey,
                given=boxes is not None,
                tiled=tiled and bool(before.free),
                another=any(one not in (None, perturbation) for one in before.found),
                raised=bool(raised),
                left=bool(left),
                doubtful=any(part.may_be_weaker_than(strength) for part in left),
            ),
            *said,
        ),
        about_copy=said,
        quality=worst(map(measure, originals, encode.delivered(encoded, samples))),
        strength=strength if before.free or raised else _weakest(parts, strength),
        perturbation=perturbation if before.free else _one_of(before.found, perturbation),
        tiled=tiled,
    )


def searched(image: Image.Image, small: Image.Image, locator: Locate) -> Found:
    """What is found in a photo by looking at a copy of it."""
    times = image.width / small.width, image.height / small.height
    return locator(rgb(small), reduction=max(times)).scaled(*times)


def _one_of(found: Iterable[Perturbation | None], wanted: Perturbation) -> Perturbation:
    """What the copy is said to carry: the perturbation wanted, or else the first found."""
    there = [one for one in found if one is not None]
    return wanted if wanted in there else there[0]


def _raise(image: Image.Image, parts: Sequence[Held], strength: Strength, *, grey: bool) -> list[Held]:
    """Add to the parts known to be weaker what they lack, so that they are as if protected at once. Returns them."""
    weaker = [part for part in parts if part.place is not None and part.weaker_than(strength)]
    for perturbation, over in dict.fromkeys((part.perturbation, part.strength) for part in weaker):
        alike = [part for part in weaker if (part.perturbation, part.strength) == (perturbation, over)]
        places = [part.place for part in alike if part.place is not None]
        others = [with_margin(part.place or part.near) for part in parts if part not in alike]
        add(image, places, perturbation, kept=others, strength=strength, over=over, grey=grey)
    return weaker


def _weakest(parts: Sequence[Held], asked: Strength) -> Strength:
    """How strong a copy is that carries nothing but these; what was asked for, if nobody can tell."""
    levels = [part.strength for part in parts if part.strength is not None]
    return min(levels, key=STRENGTHS.index) if len(levels) == len(parts) else asked


def _visible(crops: Iterable[Region], source: Source) -> tuple[Region, ...]:
    return tuple(crop for crop in crops if crop.clipped(source.width, source.height) is not None)
