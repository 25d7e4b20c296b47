"""The square around a face in which the perturbation lives, and the picture a generator gets to see of it.

``crop_for`` is used everywhere: training on loose photos, applying, scoring. It frames a face as the training chips
(UTKFace, aligned and cropped) do. How it was calibrated (``benchmarks/calibrate_crop.py --faces utkface-train-0.zip``):
300 chips drawn with seed 0 are padded on every side by half their size, once with their edge replicated and once with
their edge mirrored, the locator finds the face, and the medians over the faces found (96.3 %) are taken of

    chip side / face side           0.966   (quartiles 0.922 and 1.020)
    (chip centre - face centre) x   0.005   of the face side (-0.005 and 0.013)
    (chip centre - face centre) y   0.082   of the face side (0.071 and 0.097)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from torch import Tensor

from perturbations.images import RgbArray, resize, to_tensor, to_uint8

if TYPE_CHECKING:
    from perturbations.faces.face import Face

SCALE: Final = 0.966
"""Side of the crop over the side of the located face."""
SHIFT_DOWN: Final = 0.082
"""How far the crop's centre lies below the face's, in sides of the face; sideways it is centred."""


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle in pixels; ``x`` and ``y`` are its left and top edge and may lie outside the picture."""

    x: int
    y: int
    width: int
    height: int

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom, as Pillow wants them."""
        return self.x, self.y, self.x + self.width, self.y + self.height

    def clipped(self, width: int, height: int) -> Region | None:
        """The part inside a picture of that size, or ``None`` if there is none."""
        left, top = max(self.x, 0), max(self.y, 0)
        right, bottom = min(self.x + self.width, width), min(self.y + self.height, height)
        return Region(left, top, right - left, bottom - top) if right > left and bottom > top else None

    def shared(self, other: Region) -> Region | None:
        """The part inside ``other``, or ``None`` if there is none."""
        left, top = max(self.x, other.x), max(self.y, other.y)
        right, bottom = (
            min(self.x + self.width, other.x + other.width),
            min(self.y + self.height, other.y + other.height),
        )
        return Region(left, top, right - left, bottom - top) if right > left and bottom > top else None


def frame(width: int, height: int) -> Region:
    """The whole picture."""
    return Region(0, 0, width, height)


def crop_for(face: Face) -> Region:
    """The square a face is protected and manipulated in; it may reach outside the picture."""
    side = max(1, round(SCALE * max(face.width, face.height)))
    centre_x = face.x + face.width / 2
    centre_y = face.y + (0.5 + SHIFT_DOWN) * face.height
    return Region(round(centre_x - side / 2), round(centre_y - side / 2), side, side)


def cut(image: RgbArray, region: Region) -> RgbArray:
    """The pixels of ``region``, ``[height, width, 3]``; outside the picture its edge is repeated."""
    rows = np.arange(region.y, region.y + region.height).clip(0, image.shape[0] - 1)
    columns = np.arange(region.x, region.x + region.width).clip(0, image.shape[1] - 1)
    pixels: RgbArray = image[rows[:, None], columns[None, :]]
    return pixels


def crop_batch(image: RgbArray, region: Region, size: int) -> Tensor:
    """What a generator of ``size`` pixels is given of ``region``: ``[1, 3, size, size]`` in [-1, 1].

    As such pipelines do it: an 8-bit crop, resized bilinearly with antialiasing, stored in 8 bits again.
    """
    return to_tensor(to_uint8(resize(to_tensor(cut(image, region)), size)))
