"""Soft borders of what is added to a face, and how neighbours share the pixels they both cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from perturbations.faces.crop import Region
from perturbations.pattern import Floats, Sized

FADE: Final = 0.05
"""Width of a border, in sides of the region."""
SHARPNESS: Final = 4
"""Power of the depth that a pixel is shared by: nearly all of it goes to the face it lies deepest in."""


@dataclass(frozen=True, slots=True)
class Placed:
    """The place of a pattern in a picture.

    region: where. visible: what of that lies inside. frame: the picture's size.
    """

    region: Region
    visible: Region
    frame: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the pattern."""
        return self.region.height, self.region.width

    def faded(self, part: Region, sized: Sized) -> Floats:
        """What the pattern, ``sized``, adds to a part of ``visible``: ``[height, width, C]`` in fractions of a step."""
        change = sized.rows(part.y - self.region.y, part.y - self.region.y + part.height)
        change = np.ascontiguousarray(change[:, part.x - self.region.x :][:, : part.width])
        down, across = self._fades()
        down, across = down[part.y - self.region.y :][: part.height], across[part.x - self.region.x :][: part.width]
        for faint in _below_one(down):
            change[faint] *= down[faint, None, None]
        for faint in _below_one(across):
            change[:, faint] *= across[faint, None]
        return change

    def depth(self, part: Region) -> Floats:
        """How deep each pixel of a part lies inside, ``[height, width, 1]``: what it is shared by."""
        down = _depth(self.region.height)[part.y - self.region.y :][: part.height]
        across = _depth(self.region.width)[part.x - self.region.x :][: part.width]
        deep: Floats = np.minimum(down[:, None, None], across[None, :, None]) ** SHARPNESS
        return deep

    def _fades(self) -> tuple[Floats, Floats]:
        """Of rows and of columns. A border along the edge of the picture, or beyond it, is not seen and stays hard."""
        width, height = self.frame
        region = self.region
        return (
            _fade(region.height, before=region.y > 0, after=region.y + region.height < height),
            _fade(region.width, before=region.x > 0, after=region.x + region.width < width),
        )


def together(placed: Sequence[Placed]) -> list[list[Placed]]:
    """Groups of patterns that overlap, directly or through others."""
    groups: list[list[Placed]] = []
    for one in placed:
        near = [group for group in groups if any(one.visible.shared(other.visible) for other in group)]
        groups = [group for group in groups if group not in near] + [
            [other for group in near for other in group] + [one]
        ]
    return groups


def merged(group: Sequence[Placed]) -> Region:
    """The smallest region around what is visible of a group."""
    parts = [one.visible for one in group]
    left, top = min(part.x for part in parts), min(part.y for part in parts)
    right, bottom = max(part.x + part.width for part in parts), max(part.y + part.height for part in parts)
    return Region(left, top, right - left, bottom - top)


@lru_cache(64)
def _fade(side: int, *, before: bool, after: bool) -> Floats:
    """From nearly 0 at each border that fades to 1 inside."""
    reach = FADE * side
    at = np.arange(side, dtype=np.float32) + 0.5
    fade = np.ones(side, dtype=np.float32)
    for fades, distance in ((before, at), (after, side - at)):
        if fades and reach >= 1.0:
            fade *= 0.5 - 0.5 * np.cos(np.pi * (distance / reach).clip(0.0, 1.0))
    return fade


def _below_one(fade: Floats) -> tuple[slice, slice]:
    """The parts before and after those where a fade is 1."""
    whole = np.flatnonzero(fade == 1.0)
    if not len(whole):
        return slice(0, len(fade)), slice(0, 0)
    return slice(0, int(whole[0])), slice(int(whole[-1]) + 1, len(fade))


@lru_cache(64)
def _depth(side: int) -> Floats:
    """Distance from the nearer border, in sides; never quite 0."""
    at = np.arange(side, dtype=np.float32) + 0.5
    depth: Floats = np.minimum(at, side - at) / np.float32(side)
    return depth
