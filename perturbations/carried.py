"""Tells whether a photo already carries a perturbation, so that it is not added a second time.

On a protected copy the face locator puts its box elsewhere than on the photo: up to 5 % of its side away, and up to
10 % larger or smaller (LFW, 149 faces; the same box on only 5 % of them). So δ is searched for around the box and at
several sizes. A photo is strongest in coarse detail, at edges and in brightness, while δ is fine detail. So coarse
detail is removed, brightness and colours are compared separately, and places with much detail left count little.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

import cv2
import numpy as np
from PIL import Image
from torch import Tensor

from perturbations.bounds import STEPS_PER_UNIT
from perturbations.detail import Spectra, fine, residue, spectra
from perturbations.faces.crop import Region, frame
from perturbations.images import resize
from perturbations.pattern import Floats, added

if TYPE_CHECKING:
    from perturbations.artifact import Perturbation

THRESHOLDS: Final = {3: 4.5, 1: 7.0}
"""Scores above which δ is there, for photos in colour and in grey.

Of 98 faces of UTKFace in colour and 100 of LFW in grey, which carry nothing and have 72, 84, 96 and 120 pixels, none
scores more than 2.1 and 4.2. Of 40 that carry the δ that ships, sought two pixels beside their place and after a JPEG
of quality 90 with half the colours, the lowest scores are 5.3 and 18.7 at 120 pixels, 4.4 and 21.5 at 96. At 84 and 72
pixels 6 and 19 of 40 are found in colour, and all in grey.
"""
SIDES: Final = (96, 88, 80, 72)
"""Pixels at which δ is compared: the first that the place has. Smaller ones hold a few waves of δ, and photos have such
waves too: of 120 grey faces of 42 to 66 pixels that carry nothing, 5 to 7 would pass for protected."""
SHIFT: Final = 0.08
"""How far the middle of δ may lie from that of the region, in sides of it. Farther away is the δ of another region."""
SMALLEST: Final = 0.88
LARGEST: Final = 1.14
"""How large δ may be, in sides of the region."""
STEP: Final = 0.012
"""Step between two sizes, if a pixel is less: with an error of half of it, a quarter of the correlation is lost."""
COARSE: Final = 0.024
"""Step between the sizes that are tried first; about a seventh of the score is lost."""
POSSIBLE: Final = 0.7
"""Part of the threshold from which on it pays to try the others."""
MARGIN: Final = 0.02
"""How far δ may reach beyond the place found, in sides of it."""
MANY: Final = 0.5
"""A larger share of a picture's tiles than this shows that all carry δ, though it is not found on the others."""
TOGETHER: Final = 0.5
"""Part of the threshold that the median score of all tiles at their places exceeds if they carry δ. Without it, the
median is at most 0.3 of it, where all tiles are alike; of noise of all 256 values with a "subtle" δ, 0.6 and up."""
FEWEST: Final = 4
"""Whole tiles that a median is taken of."""


@dataclass(frozen=True, slots=True)
class Find:
    """The place where δ was found best.

    score: the normalised correlation there, times the side it was compared at, since that of chance falls with it.
    there: whether that is no chance. which: the number of the perturbation, of those that were sought.
    """

    region: Region
    score: float = 0.0
    there: bool = False
    which: int = 0


@dataclass(frozen=True, slots=True)
class Carried:
    """What a photo carries before it is protected.

    found: for each crop, what it carries. places: where that lies, about; the crop itself if there is nothing.
    """

    crops: tuple[Region, ...]
    found: tuple[Perturbation | None, ...]
    places: tuple[Region, ...]

    @property
    def free(self) -> tuple[Region, ...]:
        """The crops that carry nothing."""
        return tuple(crop for crop, one in zip(self.crops, self.found, strict=True) if one is None)

    @property
    def flags(self) -> tuple[bool, ...]:
        """For each crop, whether it carries δ."""
        return tuple(one is not None for one in self.found)


@dataclass(frozen=True, slots=True)
class Template:
    """δ in several sizes, ready to be correlated with a square of ``across`` pixels.

    sizes: in pixels. spectra: conjugate, ``[sizes, C, across, across // 2 + 1]``, of sum of squares 1.
    """

    sizes: tuple[int, ...]
    across: int
    spectra: Spectra


class Sought:
    """δ ``[1, C, 256, 256]`` as it is looked for: in colour, or in one channel."""

    def __init__(self, delta: Tensor) -> None:
        self.channels = delta.shape[1]
        self._delta = delta
        self.whole = lru_cache(len(SIDES))(lambda side: self._template((side,), side))
        self.coarse = lru_cache(len(SIDES))(lambda side: self._template(_sizes(side, COARSE), _across(side)))
        self.fine = lru_cache(len(SIDES))(lambda side: self._template(_sizes(side, STEP), _across(side)))

    @property
    def threshold(self) -> float:
        """Score above which it is there."""
        return THRESHOLDS[self.channels]

    def _template(self, sizes: tuple[int, ...], across: int) -> Template:
        made = np.empty((len(sizes), self.channels, across, across // 2 + 1), dtype=np.complex64)
        for size, spectrum in zip(sizes, made, strict=True):
            # [1, C, size, size] -> [size, size, C]
            steps = resize(self._delta, size)[0].permute(1, 2, 0).mul(STEPS_PER_UNIT).numpy()
            found = fine(np.ascontiguousarray(steps, dtype=np.float32))
            spectrum[:] = spectra(found / max(1e-6, float(np.linalg.norm(found))), across).conj()
        return Template(sizes, across, made)


_sought: WeakKeyDictionary[Perturbation, dict[bool, Sought]] = WeakKeyDictionary()


def sought(perturbation: Perturbation, *, grey: bool) -> Sought:
    """What a photo carries that was protected with ``perturbation``; made when first asked for."""
    made = _sought.setdefault(perturbation, {})
    if grey not in made:
        made[grey] = Sought(added(perturbation, "standard", grey=grey))
    return made[grey]


def carried(
    image: Image.Image,
    crops: Sequence[Region],
    known: Sequence[Perturbation],
    *,
    grey: bool,
    small: Image.Image | None = None,
    tiles: Sequence[Region] = (),
) -> Carried:
    """Look for each of the ``known`` perturbations at the ``crops`` of ``image``, and over the whole of it.

    tiles: those of the crops that cover it together. small: the whole in fewer pixels, if at hand.
    """
    wanted = [sought(perturbation, grey=grey) for perturbation in known]
    whole = find_whole(small or image, wanted)
    if whole.there:
        finds = [replace(whole, region=frame(*image.size)) for _ in crops]
    else:
        finds = [whole if crop == frame(*image.size) else find(image, crop, wanted) for crop in crops]
        if len(tiles) > 1:
            of_tiles = [f for crop, f in zip(crops, finds, strict=True) if crop in tiles]
            which = _many(of_tiles)
            which = _together(image, tiles, wanted) if which is None else which
            finds = finds if which is None else [Find(frame(*image.size), there=True, which=which) for _ in crops]
    return Carried(
        crops=tuple(crops),
        found=tuple(known[f.which] if f.there else None for f in finds),
        places=tuple(f.region if f.there else crop for crop, f in zip(crops, finds, strict=True)),
    )


def _many(finds: Sequence[Find]) -> int | None:
    """What so many tiles carry that all do, if anything."""
    found = [f.which for f in finds if f.there]
    return found[0] if len(found) > MANY * len(finds) else None


def _together(image: Image.Image, tiles: Sequence[Region], wanted: Sequence[Sought]) -> int | None:
    """What most tiles carry, if anything, where noise hides it from each of them: of chance, half score less than 0."""
    inside = [tile for tile in tiles if tile.clipped(*image.size) == tile]
    side = _side(tiles[0])
    if side is None or len(inside) < FEWEST:
        return None
    seen = [residue(_pixels(image, tile.box, (side, side)), wanted[0].channels) for tile in inside]
    for which, one in enumerate(wanted):
        scores = [side * float(_correlations(tile, one.whole(side))[0][0, 0]) for tile in seen]
        if float(np.median(scores)) > TOGETHER * one.threshold:
            return which
    return None


def with_margin(region: Region) -> Region:
    """The place of δ is known to a few hundredths of its side; inside the margin nothing is to be added either."""
    margin = math.ceil(MARGIN * max(region.width, region.height))
    return Region(region.x - margin, region.y - margin, region.width + 2 * margin, region.height + 2 * margin)


def find_whole(image: Image.Image, wanted: Sequence[Sought]) -> Find:
    """How surely one of ``wanted`` lies over the whole of ``image``."""
    whole = frame(*image.size)
    side = _side(whole)
    if side is None:
        return Find(whole)
    seen = residue(_pixels(image, whole.box, (side, side)), wanted[0].channels)
    scores = [side * float(_correlations(seen, one.whole(side))[0][0, 0]) for one in wanted]
    score = max(scores)
    return Find(whole, score, score > wanted[0].threshold, scores.index(score))


def find(image: Image.Image, region: Region, wanted: Sequence[Sought]) -> Find:
    """The best place of one of ``wanted`` near a square ``region`` of ``image``."""
    side = _side(region)
    if side is None:
        return Find(region)
    scale = region.width / side
    margin = (_across(side) - side) / 2.0 * scale
    left, top = round(region.x - margin), round(region.y - margin)
    seen = residue(_shrunk(image, left, top, scale, _across(side)), wanted[0].channels)

    threshold = wanted[0].threshold

    def best(template: Template) -> Find:
        found = Find(region)
        for size, response in zip(template.sizes, _correlations(seen, template), strict=True):
            first = max(0, round((template.across - size) / 2 - SHIFT * side))
            places = slice(first, first + 2 * round(SHIFT * side) + 1)
            near = response[places, places]
            row, column = np.unravel_index(int(near.argmax()), near.shape)
            score = float(near[row, column]) * side
            if score > found.score:
                at = left + round((first + column) * scale), top + round((first + row) * scale)
                place = Region(*at, round(size * scale), round(size * scale))
                found = Find(place, score, score > threshold)
        return found

    finds = []
    for which, one in enumerate(wanted):
        found = best(one.coarse(side))
        if found.score > POSSIBLE * threshold:
            found = best(one.fine(side))
        finds.append(replace(found, which=which))
    return max(finds, key=lambda found: found.score)


def _side(region: Region) -> int | None:
    """At how many pixels a side δ is compared in a region; ``None`` if it is too small."""
    return next((side for side in SIDES if side <= min(region.width, region.height)), None)


def _sizes(side: int, step: float) -> tuple[int, ...]:
    """The sizes that are tried where a region has ``side`` pixels."""
    return tuple(range(round(SMALLEST * side), round(LARGEST * side) + 1, max(1, round(step * side))))


def _across(side: int) -> int:
    """Side of the square that is searched: the region with δ anywhere around it, and a length that transforms fast."""
    return cv2.getOptimalDFTSize(2 * math.ceil((1.0 + 2.0 * SHIFT + LARGEST - 1.0) * side / 2.0))


def _correlations(seen: Floats, template: Template) -> list[Floats]:
    """Normalised correlation of ``seen [across, across, C]`` with each size, at every place where that fits."""
    transformed = spectra(seen, template.across)
    product = transformed[0] * template.spectra[:, 0]
    for channel in range(1, len(transformed)):
        product += transformed[channel] * template.spectra[:, channel]
    places = template.across - min(template.sizes) + 1
    rows = np.fft.ifft(product, axis=1)[:, :places]
    responses = np.fft.irfft(rows, n=template.across, axis=2)
    energy = cv2.integral(np.square(seen).sum(axis=2))
    found = []
    for size, response in zip(template.sizes, responses, strict=True):
        within = energy[size:, size:] - energy[:-size, size:] - energy[size:, :-size] + energy[:-size, :-size]
        places = template.across - size + 1
        found.append(response[:places, :places] / np.sqrt(within.clip(min=1e-6)))
    return found


def _shrunk(image: Image.Image, left: int, top: int, scale: float, across: int) -> Floats:
    """``across`` by ``across`` squares of ``scale`` pixels from there on; the picture's edge is repeated outside."""
    inside = [
        (max(0, -at), min(across, (length - at) / scale)) for at, length in ((left, image.width), (top, image.height))
    ]
    (first, last), (first_row, last_row) = ((math.ceil(a / scale) if a else 0, math.floor(b)) for a, b in inside)
    last, last_row = max(first + 1, last), max(first_row + 1, last_row)
    box = (left + first * scale, top + first_row * scale, left + last * scale, top + last_row * scale)
    small = _pixels(image, _clipped(box, image.size), (last - first, last_row - first_row))
    return cv2.copyMakeBorder(small, first_row, across - last_row, first, across - last, cv2.BORDER_REPLICATE).astype(
        np.float32, copy=False
    )


def _clipped(box: tuple[float, float, float, float], size: tuple[int, int]) -> tuple[float, float, float, float]:
    return max(0.0, box[0]), max(0.0, box[1]), min(float(size[0]), box[2]), min(float(size[1]), box[3])


def _pixels(image: Image.Image, box: tuple[float, float, float, float], size: tuple[int, int]) -> Floats:
    """What lies in ``box``, at another size, ``[height, width, 3]``. Of many pixels that become one, four count."""
    if image.mode in ("LA", "RGBA"):  # Pillow multiplies all that it is given by its opacity, for every box
        left, top = math.floor(box[0]), math.floor(box[1])
        image = image.crop((left, top, math.ceil(box[2]), math.ceil(box[3])))
        box = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    some = (2 * size[0], 2 * size[1])
    if box[2] - box[0] >= 2 * some[0] and box[3] - box[1] >= 2 * some[1]:
        small = image.resize(some, Image.Resampling.NEAREST, box=box).reduce(2)
        return np.asarray(small.convert("RGB"), dtype=np.float32)
    small = image.resize(size, Image.Resampling.BOX, box=box, reducing_gap=1.5)
    return np.asarray(small.convert("RGB"), dtype=np.float32)
