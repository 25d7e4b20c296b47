"""Tell whether a photo carries a perturbation already, so that it is not added a second time on top of the first.

The face locator puts its box elsewhere on a protected copy than on the photo: by up to 5 % of its side, and 10 % larger
or smaller (LFW, 149 faces, the same box only on 5 % of them). So δ is looked for around the box and at several sizes.
What a photo shows is strongest at coarse detail and at edges; what is left of it without the one, and with the other
clipped, looks like noise beside δ.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
import numpy.typing as npt
from torch import Tensor

from perturbations.bounds import STEPS_PER_UNIT
from perturbations.faces.crop import Region, frame
from perturbations.images import RgbArray, resize
from perturbations.luminance import luminance
from perturbations.planes import is_grey

if TYPE_CHECKING:
    from perturbations.artifact import Perturbation

THRESHOLD: Final = 0.06
"""Correlation above which a place counts as protected."""
SIDE: Final = 128
"""Pixels δ is compared at; fewer where the place has fewer."""
LEAST_SIDE: Final = 24
"""Places smaller than this are not looked at: chance alone would reach the threshold."""
SHIFT: Final = 0.08
"""How far δ may lie beside the region, in sides of it."""
SIZES: Final = tuple(1.013**k for k in range(-10, 11))
"""How large δ may be, in sides of the region."""
SIGMA: Final = 0.7
"""Of the Gaussian whose blur is taken away, in pixels."""
CLIP: Final = 6.0
"""Steps of 255: δ is no larger, edges are."""
MARGIN: Final = 0.02
"""How far beyond the place found δ may reach, in sides of it."""
OVERSAMPLED: Final = 2
"""A large area is shrunk to about as many times ``SIDE`` once, and from there to every size."""

_Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Find:
    """Where δ was found best, and its correlation there, in [-1, 1]."""

    region: Region
    correlation: float

    @property
    def carried(self) -> bool:
        """Whether this cannot be chance."""
        return self.correlation > THRESHOLD


@dataclass(frozen=True, slots=True)
class Carried:
    """What a photo carries before it is protected.

    flags: for each crop, whether it carries δ. free: the crops that do not. places: where δ lies.
    """

    flags: tuple[bool, ...]
    free: tuple[Region, ...]
    places: tuple[Region, ...]


def carried(image: RgbArray, crops: Sequence[Region], perturbation: Perturbation) -> Carried:
    """Look for ``perturbation`` at the ``crops`` of ``image [H, W, 3]``, and over the whole of it."""
    delta = luminance(perturbation) if is_grey(image) else perturbation.delta
    whole = frame(image.shape[1], image.shape[0])
    found = find(image, whole, delta)
    finds = [found] * len(crops) if found.carried else [find(image, crop, delta) for crop in crops]
    return Carried(
        flags=tuple(f.carried for f in finds),
        free=tuple(crop for crop, f in zip(crops, finds, strict=True) if not f.carried),
        places=tuple(_with_margin(f.region) for f in finds if f.carried),
    )


def _with_margin(region: Region) -> Region:
    """The place of δ is known to a few hundredths of its side; inside the margin nothing is added either."""
    margin = math.ceil(MARGIN * max(region.width, region.height))
    return Region(region.x - margin, region.y - margin, region.width + 2 * margin, region.height + 2 * margin)


def find(image: RgbArray, region: Region, delta: Tensor) -> Find:
    """The best place of ``delta [1, C, H, W]`` near ``region`` of ``image [H, W, 3]``, which is grey where C is 1."""
    side = min(SIDE, region.width, region.height)
    if side < LEAST_SIDE:
        return Find(region, 0.0)
    wanted = _template(delta, side)
    channels = wanted.shape[2]
    places = (
        _exactly(image, region, side)
        if region == frame(image.shape[1], image.shape[0])
        else _around(image, region, side)
    )
    best = Find(region, 0.0)
    for place in places:
        seen = _residue(place.pixels[:, :, :channels])
        found = cv2.matchTemplate(seen, wanted, cv2.TM_CCORR_NORMED)
        row, column = np.unravel_index(int(found.argmax()), found.shape)
        if found[row, column] > best.correlation:
            best = Find(place.region(int(column), int(row), side), float(found[row, column]))
    return best


@dataclass(frozen=True, slots=True)
class _Place:
    """An area of the picture at a scale: ``pixels [h, w, 3]``, and how to get back to the picture's own."""

    pixels: _Floats
    left: float
    top: float
    scale: tuple[float, float]

    def region(self, column: int, row: int, side: int) -> Region:
        across, down = self.scale
        return Region(
            round(self.left + column * across), round(self.top + row * down), round(side * across), round(side * down)
        )


def _exactly(image: RgbArray, region: Region, side: int) -> Iterator[_Place]:
    """The region alone: a whole picture is where it was."""
    pixels = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    yield _Place(pixels.astype(np.float32), 0.0, 0.0, (region.width / side, region.height / side))


def _around(image: RgbArray, region: Region, side: int) -> Iterator[_Place]:
    """The region and its surroundings, so large that δ of every size has ``side`` pixels."""
    margin = round((SHIFT + (max(SIZES) - 1.0) / 2.0) * region.width)
    area = Region(region.x - margin, region.y - margin, region.width + 2 * margin, region.height + 2 * margin)
    shrink = min(1.0, OVERSAMPLED * side / region.width)
    pixels = _shrunk(image, area, shrink)
    for size in SIZES:
        scale = side / (size * region.width * shrink)
        width, height = round(pixels.shape[1] * scale), round(pixels.shape[0] * scale)
        resized = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR)
        yield _Place(resized, area.x, area.y, (area.width / width, area.height / height))


def _shrunk(image: RgbArray, area: Region, shrink: float) -> _Floats:
    """``area`` of the picture, its edge repeated outside."""
    visible = area.clipped(image.shape[1], image.shape[0]) or Region(0, 0, 1, 1)
    part = image[visible.y : visible.y + visible.height, visible.x : visible.x + visible.width]
    size = (max(1, round(visible.width * shrink)), max(1, round(visible.height * shrink)))
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA) if shrink < 1.0 else part
    left, top = round((visible.x - area.x) * shrink), round((visible.y - area.y) * shrink)
    right = max(0, round(area.width * shrink) - size[0] - left)
    bottom = max(0, round(area.height * shrink) - size[1] - top)
    return cv2.copyMakeBorder(small, top, bottom, left, right, cv2.BORDER_REPLICATE).astype(np.float32)


def _template(delta: Tensor, side: int) -> _Floats:
    # [1, C, side, side] -> [side, side, C]
    steps = resize(delta, side)[0].permute(1, 2, 0).mul(STEPS_PER_UNIT).numpy()
    return _without_the_coarse(np.ascontiguousarray(steps, dtype=np.float32))


def _residue(pixels: _Floats) -> _Floats:
    return _without_the_coarse(np.ascontiguousarray(pixels)).clip(-CLIP, CLIP)


def _without_the_coarse(pixels: _Floats) -> _Floats:
    fine: _Floats = pixels - cv2.GaussianBlur(pixels, (0, 0), SIGMA).reshape(pixels.shape)
    return fine
