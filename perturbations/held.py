"""Measures how strong a perturbation is that a photo carries, and finds its exact place, so that it can be added to.

:mod:`perturbations.carried` knows the place to a few hundredths of its side, which is too coarse for both. Here every
size and shift nearby is compared at full resolution with what would have been added there. Of UTKFace faces of 130 to
900 pixels that carry δ at any strength, in PNG and in JPEG of quality 95, 85 and 75, ``carried`` found 296. The place
was right to the pixel in 295 of them, and one pixel off in the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from PIL import Image

from perturbations.borders import Placed
from perturbations.detail import fine, residue, spectra
from perturbations.faces.crop import Region, frame
from perturbations.pattern import Floats, pattern
from perturbations.photo.bands import rgb
from perturbations.strength import STRENGTHS, Strength

if TYPE_CHECKING:
    from perturbations.artifact import Perturbation
    from perturbations.carried import Carried

WHOLE: Final = 320
"""Side, in pixels, up to which a place is compared as a whole. A larger one is first reduced to that."""
PIECE: Final = 160
"""Side of the four pieces by which a larger one is then compared at full resolution."""
INSET: Final = 0.06
"""How far they lie from its border, in sides of it: δ fades out there."""
SIZES: Final = 0.025
"""How much larger or smaller than what was found δ may be, in sides of it."""
SHIFTS: Final = 0.09
"""How far its middle may lie from where it was found. δ resembles itself a sixteenth of its side away, and is sometimes
found there."""
SURE: Final = 160
"""Side, in pixels, from which on the brightness between two coarsenesses is enough to measure by: a JPEG leaves that as
it is, more or less. On smaller faces nobody can tell."""
BETWEEN: Final = (0.7, 2.0)
"""Sigmas of the Gaussians of these, in pixels."""
AROUND: Final = 6.0
"""Sigma of the Gaussian over which the photo's detail is measured, in pixels; where there is much, it counts little. It
is wide so that δ itself, which is detail too, has no part in what counts."""
CLOSER: Final = 0.3
"""Part of the way from one strength to the next up to which what is measured passes for the weaker one, since a JPEG
makes δ weaker and never stronger. In units of "standard", 12 faces of UTKFace in colour and 8 of LFW in grey, of 200
and 400 pixels, had 0.55 to 0.61 with "subtle" in a PNG, and 0.44 to 0.59 in a JPEG of quality 85 or 95; with
"standard", 0.93 to 1.01 and 0.81 to 0.99; with "strong", 1.14 to 1.28 and 1.03 to 1.26."""
CUT: Final = 5
"""Steps from black and white within which δ may have been cut off."""
MANY: Final = 16
"""Tiles that are measured at most."""
THERE: Final = 0.5
"""Part of the weakest strength that is measured at least where δ is, in a JPEG too. Elsewhere it is next to nothing."""


@dataclass(frozen=True, slots=True)
class Held:
    """A part of a photo that carries δ.

    near: about where. place: exactly where; ``None`` if that is not known. strength: ``None`` if nobody can tell.
    """

    perturbation: Perturbation
    near: Region
    place: Region | None
    strength: Strength | None

    def weaker_than(self, strength: Strength) -> bool:
        """Whether it is known to be weaker."""
        return self.strength is not None and STRENGTHS.index(self.strength) < STRENGTHS.index(strength)

    def may_be_weaker_than(self, strength: Strength) -> bool:
        """Whether it is weaker or may be: nothing is weaker than the weakest."""
        return self.weaker_than(strength) or (self.strength is None and strength != STRENGTHS[0])


def held(
    image: Image.Image, before: Carried, *, grey: bool, whole: bool, tiles: Sequence[Region] = ()
) -> tuple[Held, ...]:
    """Measure every part that ``before`` has found.

    grey: whether the photo is grey. whole: whether there is no face, so that δ lies over the whole if it was found
    there; a crop of about that size may have been taken for the whole, and its place is not known. tiles: what it was
    protected in, if it was; their strength is measured together, and they cannot be added to.
    """
    parts = {(one, near) for one, near in zip(before.found, before.places, strict=True) if one is not None}
    found = []
    for perturbation, near in sorted(parts, key=lambda part: part[1].box):
        measured = Measured(image, perturbation, grey=grey)
        over_all = near == frame(*image.size)
        if tiles or near.width < round((1 - SIZES) * SURE) or (over_all and not whole):
            found.append(Held(perturbation, near, None, measured.of_most(tiles)))
            continue
        place = near if over_all else measured.place(near)
        strength = measured.strength(place)
        if strength is not None and place != near:
            place = measured.refined(place, strength)
        found.append(Held(perturbation, near, None if strength is None else place, strength))
    return tuple(found)


class Measured:
    """A photo that carries ``perturbation``."""

    def __init__(self, image: Image.Image, perturbation: Perturbation, *, grey: bool) -> None:
        self._image = image
        self._perturbation = perturbation
        self._grey = grey

    def place(self, found: Region) -> Region:
        """Where δ lies exactly, near a square in which it was found."""
        times = -(-found.width // WHOLE)
        if times == 1:
            return self._near(self._image, found)
        corner = _outside(found, times)
        small = self._image.crop(corner.box).reduce(times)
        side = found.width // times
        rough = self._near(small, Region((found.x - corner.x) // times, (found.y - corner.y) // times, side, side))
        side = rough.width * times
        near = Region(corner.x + rough.x * times, corner.y + rough.y * times, side, side)
        return self._best(self._image, near, shifts=2 * times, sizes=times, pieces=_pieces(near))

    def refined(self, place: Region, strength: Strength) -> Region:
        """An exact place corrected by the steps of a strength: where δ is much enlarged, little else is sharp."""
        if place.width <= WHOLE:
            return place
        return self._best(self._image, place, shifts=2, sizes=1, pieces=_pieces(place), strength=strength)

    def strength(self, place: Region) -> Strength | None:
        """How strong δ is at its exact place; ``None`` if nobody can tell."""
        if min(place.width, place.height) < SURE:
            return None
        times = -(-min(place.width, place.height) // (2 * WHOLE))
        pieces = [place] if max(place.width, place.height) <= 2 * WHOLE else _pieces(place, times)
        visible = [part for piece in pieces if (part := piece.clipped(*self._image.size)) is not None]
        return _nearest(self._products(place, visible, times))

    def _products(self, place: Region, parts: Sequence[Region], times: int) -> Floats:
        """How much of "standard" the photo has, and each strength would have: ``[1 + strengths]``, weighed alike.

        times: how many times smaller they are compared.
        """
        products = np.zeros(1 + len(STRENGTHS), dtype=np.float32)
        for part in parts:
            added = (self._added(place, part, strength) for strength in STRENGTHS)
            pixels, *steps = (_reduced(one, times) for one in (self._pixels(self._image, part), *added))
            seen, *patterns = (_bright(fine(one, sigma=BETWEEN[1])) for one in (pixels, *steps))
            around = cv2.GaussianBlur(np.square(seen).sum(axis=2), (0, 0), AROUND) + 1.0
            weighed = patterns[STRENGTHS.index("standard")] * (_unclipped(pixels) / around)[:, :, None]
            products += [float((weighed * one).sum()) for one in (seen, *patterns)]
        return products

    def of_most(self, tiles: Sequence[Region]) -> Strength | None:
        """The strength in the middle of those of some tiles that lie inside."""
        whole = [tile for tile in tiles if tile.clipped(*self._image.size) == tile][:MANY]
        levels = sorted(STRENGTHS.index(level) for level in map(self.strength, whole) if level is not None)
        return STRENGTHS[levels[len(levels) // 2]] if levels else None

    def _near(self, image: Image.Image, found: Region) -> Region:
        return self._best(image, found, shifts=_shifts(found.width), sizes=_sizes(found.width), pieces=[found])

    def _best(
        self,
        image: Image.Image,
        near: Region,
        *,
        shifts: int,
        sizes: int,
        pieces: Sequence[Region],
        strength: Strength = "standard",
    ) -> Region:
        """The square that fits best. shifts, sizes: pixels by which it may lie elsewhere, be larger or smaller."""
        seen = []
        for piece in pieces:
            wide = _grown(piece, sizes + shifts)
            across = cv2.getOptimalDFTSize(wide.width + shifts)
            pixels = residue(self._pixels(image, wide), 1 if self._grey else 3)
            seen.append((_grown(piece, sizes), across, spectra(pixels, across)))
        best, score = near, -np.inf
        for side in range(max(1, near.width - sizes), near.width + sizes + 1):
            square = Region(near.x + (near.width - side) // 2, near.y + (near.width - side) // 2, side, side)
            total, energy = np.zeros((2 * shifts + 1, 2 * shifts + 1)), 0.0
            for piece, across, spectrum in seen:
                part = square.shared(piece)
                if part is None:
                    continue
                template = fine(self._added(square, part, strength, size=image.size))
                energy += float(np.square(template).sum())
                response = np.fft.irfft2((spectrum * spectra(template, across).conj()).sum(axis=0), s=(across, across))
                top, left = part.y - piece.y, part.x - piece.x  # of the first shift
                total += response[top : top + 2 * shifts + 1, left : left + 2 * shifts + 1]
            row, column = np.unravel_index(int(total.argmax()), total.shape)
            if total[row, column] > score * max(1e-6, energy) ** 0.5:
                score = float(total[row, column]) / max(1e-6, energy) ** 0.5
                best = Region(square.x + int(column) - shifts, square.y + int(row) - shifts, side, side)
        return best

    def _added(self, place: Region, part: Region, strength: Strength, *, size: tuple[int, int] | None = None) -> Floats:
        """What is added to a part of a place at some strength, in whole steps: ``[height, width, C]``."""
        placed = Placed(place, place, size or self._image.size)
        sized = pattern(self._perturbation, strength, grey=self._grey).at(*placed.shape)
        steps: Floats = np.rint(placed.faded(part, sized)).astype(np.float32, copy=False)
        return steps

    def _pixels(self, image: Image.Image, part: Region) -> Floats:
        """``[height, width, C]``; outside the picture its edge is repeated."""
        inside = part.clipped(*image.size)
        if inside is None:
            return np.zeros((part.height, part.width, 1 if self._grey else 3), dtype=np.float32)
        left, top = inside.x - part.x, inside.y - part.y
        right, bottom = part.width - inside.width - left, part.height - inside.height - top
        pixels = cv2.copyMakeBorder(rgb(image, inside.box), top, bottom, left, right, cv2.BORDER_REPLICATE)
        return np.ascontiguousarray(pixels[:, :, : 1 if self._grey else 3], dtype=np.float32)


def _sizes(side: int) -> int:
    return max(2, round(SIZES * side))


def _shifts(side: int) -> int:
    return max(2, round(SHIFTS * side))


def _grown(region: Region, by: int) -> Region:
    return Region(region.x - by, region.y - by, region.width + 2 * by, region.height + 2 * by)


def _outside(place: Region, times: int) -> Region:
    """``place`` and what surrounds it, in whole squares of ``times`` pixels."""
    room = (_shifts(place.width // times) + _sizes(place.width // times) + 8) * times
    across = -(-(place.width + 2 * room) // times) * times
    return Region(place.x - room, place.y - room, across, across)


def _pieces(place: Region, times: int = 1) -> list[Region]:
    """Four squares toward the corners, ``times`` as large as a piece is."""
    side = min(times * PIECE, 4 * min(place.width, place.height) // 9)
    off = round(INSET * place.width), round(INSET * place.height)
    far = place.width - off[0] - side, place.height - off[1] - side
    return [Region(place.x + x, place.y + y, side, side) for y in (off[1], far[1]) for x in (off[0], far[0])]


def _reduced(pixels: Floats, times: int) -> Floats:
    """``[H, W, C]``, so many times smaller."""
    if times == 1:
        return pixels
    size = max(1, pixels.shape[1] // times), max(1, pixels.shape[0] // times)
    smaller = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return smaller.reshape(*size[::-1], -1)


def _bright(pixels: Floats) -> Floats:
    """The brightness of ``[H, W, C]`` without its finest detail, ``[H, W, 1]``."""
    bright = np.ascontiguousarray(pixels[:, :, :1])
    blurred: Floats = cv2.GaussianBlur(bright, (0, 0), BETWEEN[0]).astype(np.float32).reshape(bright.shape)
    return blurred


def _unclipped(pixels: Floats) -> Floats:
    """0 near pixels that may have been cut off at black or white, and 1 elsewhere: ``[H, W]``."""
    cut = ((pixels <= CUT) | (pixels >= 255 - CUT)).any(axis=2)
    near = cv2.dilate(np.asarray(cut, dtype=np.uint8), np.ones((7, 7), dtype=np.uint8))
    return np.asarray(near == 0, dtype=np.float32)


def _nearest(products: Floats) -> Strength | None:
    """What comes nearest, as far as a JPEG may have left it."""
    found, *nominal = (float(one) for one in products)
    if found <= THERE * nominal[0]:
        return None
    level = STRENGTHS[0]
    for weaker, stronger, name in zip(nominal, nominal[1:], STRENGTHS[1:], strict=False):
        if found > weaker + CLOSER * (stronger - weaker):
            level = name
    return level
