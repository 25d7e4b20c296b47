"""Adds a perturbation to a picture in 8-bit steps, so that the delivered copy keeps the bound exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from PIL import Image

from perturbations.borders import Placed, merged, together
from perturbations.faces.crop import Region
from perturbations.images import RgbArray
from perturbations.pattern import Floats, Pattern, Sized, held, pattern
from perturbations.photo.bands import bands, looks_grey, put
from perturbations.strength import Strength

if TYPE_CHECKING:
    from perturbations.artifact import Perturbation

_BAND: Final = 1 << 15
"""Pixels that δ is added to at a time: few enough to stay in the processor's cache."""
_BAND_OF_MANY: Final = 1 << 20
"""The same where sizes are made anew for every band: that should not happen often."""
_HELD: Final = 1 << 22
"""Pixels of patterns that are held at a time, at 12 bytes each. Of more, each is made when it is its turn."""


def perturb(
    image: RgbArray, regions: Sequence[Region], perturbation: Perturbation, *, strength: Strength | None = None
) -> RgbArray:
    """``image [H, W, 3]`` with the perturbation resized to each region and added there; see :func:`add`."""
    picture = Image.fromarray(image)
    add(picture, regions, perturbation, strength=strength)
    return np.array(picture)


def add(
    image: Image.Image,
    regions: Sequence[Region],
    perturbation: Perturbation,
    *,
    kept: Sequence[Region] = (),
    strength: Strength | None = None,
    over: Strength | None = None,
    grey: bool | None = None,
) -> None:
    """Change ``image``, of mode RGB, RGBA, L or LA, itself: add the perturbation, resized to each region, there.

    Steps are rounded to the nearest inside the bound: with epsilon 0.05 no channel changes by more than 6 of 255.
    Nothing changes outside the regions or inside ``kept``. Regions fade out toward their border, except along the edge
    of the picture. Where several overlap, they are blended, so the bound holds there too. A region may reach outside
    the picture: the visible part of it is added. A grey picture gets the same change in every channel, and stays grey.

    Args:
        image: the picture.
        regions: where to add it.
        perturbation: what to add.
        kept: what to leave alone.
        strength: how much of it; all of it, if none is named.
        over: how much of it is there already, at the very same regions; what is missing is added.
        grey: whether the picture is grey, if that is known.
    """
    grey = looks_grey(image) if grey is None else grey
    delta = pattern(perturbation, strength, grey=grey)
    there = None if over is None else pattern(perturbation, over, grey=grey)
    placed = [
        Placed(region, visible, image.size)
        for region in regions
        if (visible := region.clipped(*image.size)) is not None
    ]
    for group in together(placed):
        _add(image, group, delta, kept, there)


def _add(
    image: Image.Image, group: Sequence[Placed], delta: Pattern, kept: Iterable[Region], there: Pattern | None
) -> None:
    """Add all of a group, whose members may overlap; beyond what is ``there``, if anything."""
    area = merged(group)
    few = sum(held(*shape) for shape in {one.shape for one in group}) <= _HELD
    sized = lru_cache(len(group) if few else 1)(delta.at)
    before = None if there is None else lru_cache(len(group) if few else 1)(there.at)
    for rows in bands(area.height, area.width, _BAND if few or len(group) == 1 else _BAND_OF_MANY):
        band = Region(area.x, area.y + rows.start, area.width, rows.stop - rows.start)
        change = np.rint(_blended(group, sized, band))
        if before is not None:
            change -= np.rint(_blended(group, before, band))
        for other in kept:
            change[_inside(band, other)] = 0.0
        pixels = np.asarray(image.crop(band.box).convert("RGB"))
        steps = change if change.shape[2] == pixels.shape[2] else cv2.merge([change] * 3)
        # saturates; whole steps, so nothing is rounded
        put(image, cv2.add(pixels, steps, dtype=cv2.CV_8U).astype(np.uint8, copy=False), band.x, band.y)


def _blended(group: Sequence[Placed], sized: Callable[[int, int], Sized], band: Region) -> Floats:
    """What is added to a band, in fractions of a step."""
    if len(group) == 1:
        return group[0].faded(band, sized(*group[0].shape))
    total = np.zeros((band.height, band.width, sized(*group[0].shape).channels), dtype=np.float32)
    weights = np.full((band.height, band.width, 1), 1e-30, dtype=np.float32)
    for one in group:
        shared = one.visible.shared(band)
        if shared is not None:
            weight = one.depth(shared)
            total[_inside(band, shared)] += one.faded(shared, sized(*one.shape)) * weight
            weights[_inside(band, shared)] += weight
    total /= weights
    return total


def _inside(band: Region, other: Region) -> tuple[slice, slice]:
    """Where ``other`` lies in an array of ``band``."""
    return (
        slice(max(0, other.y - band.y), max(0, other.y + other.height - band.y)),
        slice(max(0, other.x - band.x), max(0, other.x + other.width - band.x)),
    )
