"""The learned face detector that the package ships; ``perturbations/lab/detector`` trains it.

A small network looks at a pyramid of reduced copies of the picture. It knows faces of one octave, 15 to 38 pixels, at
any angle; every face lies in that octave in one of the copies. The cost is that of the largest copy and a third.
Where it hesitates, OpenCV's cascade decides, which sees more pixels of a face. Where the cascade knows the face too,
the square is the cascade's: it is more exact, and the perturbation was trained on crops like it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np

from perturbations.faces.cascade import DRAWING, WINDOW, Square, confirms, drawn
from perturbations.faces.crop import SCALE, SHIFT_DOWN
from perturbations.faces.face import Face, Found, overlap, separate
from perturbations.faces.networks import Answer, answer
from perturbations.faces.squares import Squares, merged
from perturbations.images import RgbArray, extent

STRIDE: Final = 8
SHIFT_UNIT: Final = 16.0
SIDE_UNIT: Final = 24.0
"""As in the training; see ``perturbations/lab/detector/network.py``."""
PLAIN_SIDE: Final = 512
"""Pictures are searched at this longer side at least, unless they are smaller; a long one at as many pixels."""
REDUCTION: Final = 2.25
"""And at no more than what this reduction leaves of the longer side: faces of 48 pixels are found."""
MAX_SIDE: Final = 1600
"""And at no more than this one."""
BORDERED: Final = 90
"""Copies with no longer side than this get a border: in them, a face is large, and without it little is around it."""
BORDER: Final = 24
LEAST_COPY: Final = 20
"""The pyramid ends before the longer side is below this: the largest face fills the picture."""
STRIP: Final = 256
"""Rows that the network is given at a time, a multiple of the stride; fewer of a very wide picture."""
REACH: Final = 64
"""Pixels beyond a cell that its answer depends on, at most; likewise."""
FIELDS: Final = 12
"""The light is measured in fields, so many along the longer side,"""
SAMPLES: Final = 8
"""at so many places a side of each."""
BRIGHTEST: Final = 0.95
DARK: Final = 120.0
"""A field is dark if so large a part of it, and of those around it, lies below this value."""
MAX_GAIN: Final = 8.0
LEAST_GAIN: Final = 1.3
"""A picture that needs less light everywhere stays as it is."""
LEAST_LOGIT: Final = -1.5
"""Cells below this logit say nothing about a face."""
LEAST_HESITANT: Final = 1.2
"""Finds that are less sure than this count as none."""
LEAST_SURE: Final = 2.9
"""Those between count only if the cascade sees a face there too."""
VOTES: Final = 2.0
"""So many votes of the cascade make up for each unit by which a find is less sure."""
LEAST_VOTES: Final = 1.0
"""And so many there must be."""
CONFIRMED_FROM: Final = 46.0
"""Side of a find in the copy in which it is confirmed, at least."""
CONFIRMED: Final = LEAST_SURE - LEAST_HESITANT
"""So much surer is a find that the cascade confirms."""
TURNS: Final = (0, 25, -25, 50, -50, 180, 90, -90)
"""At how many degrees the cascade looks for the face of a find."""
TOO_LARGE: Final = 1.03
"""Times its right side of a square that the network draws: near the median of 120 photos it was trained on."""
TRUSTED: Final = 0.25
"""A side that is so much larger than the middle of the octave, as a logarithm, is trusted by a third."""
HEAD: Final = 0.7
"""So much surer a square of a head must be than that of the face in it."""
HEAD_SIDE: Final = 1.3
"""How many times larger it is, at least."""
HEAD_OFF: Final = 0.2
"""How far from the face's it is centred, at most, in its sides."""
SUSPECTS: Final = 12
"""Places of one picture that are protected in case there is a face."""
ASKED: Final = 48
"""Finds of one picture that the cascade is asked about, the surest."""


Finds = list[tuple[Square, float]]
"""Squares and how sure they are, the surest first."""


@dataclass(frozen=True, slots=True)
class _Copy:
    """A reduced copy, and the share of the picture's size that it has."""

    pixels: RgbArray
    share: float

    def seen(self, square: Square) -> Square:
        """A square of the picture, in this copy."""
        x, y, side = square
        return (x + 0.5) * self.share - 0.5, (y + 0.5) * self.share - 0.5, side * self.share

    def shown(self, square: Square) -> Square:
        """A square of this copy, in the picture."""
        x, y, side = square
        return (x + 0.5) / self.share - 0.5, (y + 0.5) / self.share - 0.5, side / self.share


def search(image: RgbArray, *, reduction: float = 1.0) -> Found:
    """The faces of ``[H, W, 3]``, each with the box whose crop is its square, and all places where one may be.

    Args:
        image: a photo, or a reduced copy of it.
        reduction: how many times larger the photo is. A large one is searched more finely.
    """
    copies = _pyramid(image, reduction)
    finds = _finds(copies)
    faces = _faces(image, copies, finds)
    if not faces and finds:
        faces = _upside_down(image, reduction)
    suspects = separate(_face(square, sure) for square, sure in finds[:SUSPECTS])
    return Found(tuple(faces), tuple(suspects))


def _faces(image: RgbArray, copies: list[_Copy], finds: Finds) -> list[Face]:
    """The finds that are certain or confirmed, none overlapping another."""
    faces: list[Face] = []
    asked = 0
    for square, sure in _faces_before_heads(finds):
        if any(overlap(_face(square, sure), face) for face in faces):
            continue  # it would not be kept beside the surer one
        counts, added = sure >= LEAST_SURE, 0.0
        if not counts and asked < ASKED:
            asked += 1
            counts, added = _confirmed(image, copies, square, sure), CONFIRMED
        if counts:
            faces.append(_face(_drawn(image, copies, square), sure + added))
    return separate(faces)


def _faces_before_heads(finds: Finds) -> Finds:
    """The same finds. A square around a whole head that is hardly surer than the one around its face comes later."""
    first = finds[:ASKED]

    def key(find: tuple[Square, float]) -> float:
        return find[1] + (HEAD if any(_is_of_the_head(other, find[0]) for other, _ in first) else 0.0)

    return sorted(first, key=key, reverse=True) + finds[ASKED:]


def _is_of_the_head(larger: Square, face: Square) -> bool:
    off = max(abs(larger[0] - face[0]), abs(larger[1] - face[1]))
    return larger[2] >= HEAD_SIDE * face[2] and off <= HEAD_OFF * larger[2]


def _upside_down(image: RgbArray, reduction: float) -> list[Face]:
    """What is found once the picture is turned upside down, in the picture as it is. Upright faces are known best."""
    height, width = image.shape[:2]
    turned = cv2.flip(image, -1).astype(np.uint8, copy=False)
    copies = _pyramid(turned, reduction)
    # the crop lies lower than the box, here as there
    return [
        replace(
            face,
            x=width - face.x - face.width,
            y=height - face.y - round((1 + 2 * SHIFT_DOWN) * face.height),
        )
        for face in _faces(turned, copies, _finds(copies))
    ]


def _finds(copies: list[_Copy]) -> Finds:
    found = merged(np.concatenate([_found(copy) for copy in copies]), LEAST_HESITANT)
    return [((x, y, side), sure) for x, y, side, sure, _ in found.tolist()]


def _confirmed(image: RgbArray, copies: list[_Copy], square: Square, sure: float) -> bool:
    """Whether the cascade sees a face there too: the less sure a find is, the more votes it needs."""
    if square[2] < WINDOW:
        return False
    copy = _showing(image, copies, square[2], CONFIRMED_FROM)
    return confirms(copy.pixels, copy.seen(square), TURNS, max(LEAST_VOTES, VOTES * (LEAST_SURE - sure)))


def _drawn(image: RgbArray, copies: list[_Copy], square: Square) -> Square:
    """The square that the cascade draws there if it knows the face, upright or upside down; else the same one."""
    copy = _showing(image, copies, square[2], DRAWING.side)
    better = drawn(copy.pixels, copy.seen(square), (0, 180))
    return square if better is None else copy.shown(better)


def _showing(image: RgbArray, copies: list[_Copy], side: float, least: float) -> _Copy:
    """The smallest copy in which a square has at least that side, or the picture itself."""
    enough = [copy for copy in copies if side * copy.share >= least]
    return enough[-1] if enough else _Copy(image, 1.0)


def _pyramid(image: RgbArray, reduction: float) -> list[_Copy]:
    """The copies that are searched, each half as large as the one before."""
    height, width = image.shape[:2]
    longer = extent(width, height)
    side = min(MAX_SIDE, max(PLAIN_SIDE, longer * reduction / REDUCTION))
    pixels, share = _reduced(image, min(1.0, side / longer))
    copies = [_Copy(_lit(pixels), share)]
    while max(copies[-1].pixels.shape[:2]) >= 2 * LEAST_COPY and min(copies[-1].pixels.shape[:2]) > 1:
        copies.append(_Copy(_half(copies[-1].pixels), copies[-1].share / 2))
    return copies


def _reduced(picture: RgbArray, share: float) -> tuple[RgbArray, float]:
    """The picture at about so large a part of its size, and at which. It is halved first, which costs least."""
    at = 1.0
    while at >= 2 * share and min(picture.shape[:2]) > 1:
        picture, at = _half(picture), at / 2
    left = share / at
    if left >= 1.0:
        return picture, at
    size = (max(1, round(picture.shape[1] * left)), max(1, round(picture.shape[0] * left)))
    width = picture.shape[1]
    picture = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    return picture, at * size[0] / width


def _half(picture: RgbArray) -> RgbArray:
    """The mean of every four pixels, without the last row or column of an odd number."""
    height, width = (side // 2 for side in picture.shape[:2])
    even = picture[: 2 * height, : 2 * width]
    return cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _lit(picture: RgbArray) -> RgbArray:
    """A picture with more light where it is dark, as far as the brightest parts nearby allow."""
    height, width = picture.shape[:2]
    across, down = (max(1, round(side * FIELDS / max(height, width))) for side in (width, height))
    small = cv2.resize(picture, (across * SAMPLES, down * SAMPLES), interpolation=cv2.INTER_AREA)
    values = small.max(axis=2).reshape(down, SAMPLES, across, SAMPLES)
    bright = np.quantile(values, BRIGHTEST, axis=(1, 3)).astype(np.float32)
    nearby = cv2.dilate(bright, np.ones((3, 3), np.uint8))
    gain = (DARK / np.maximum(nearby, 1.0)).clip(1.0, MAX_GAIN).astype(np.float32)
    if gain.max() < LEAST_GAIN:
        return picture
    light = cv2.resize(gain, (width, height), interpolation=cv2.INTER_LINEAR)
    return cv2.multiply(picture, cv2.merge([light] * 3), dtype=cv2.CV_8U).astype(np.uint8, copy=False)


def _found(copy: _Copy) -> Squares:
    """What the network finds in a copy, in pixels of the picture."""
    border = BORDER if max(copy.pixels.shape[:2]) <= BORDERED else 0
    found = read_cells(_cells(_bordered(copy.pixels, border)), LEAST_LOGIT)
    found[:, :2] = (found[:, :2] - border + 0.5) / copy.share - 0.5
    found[:, 2] /= copy.share * TOO_LARGE
    return found


def _cells(picture: RgbArray) -> Answer:
    """The network's answer, some rows after the others: the same as of all at once, in less memory."""
    height, width = picture.shape[:2]
    rows = max(REACH, min(STRIP, STRIP * MAX_SIDE // width // STRIDE * STRIDE))
    parts = []
    for top in range(0, height, rows):
        bottom, above = min(top + rows, height), max(0, top - REACH)
        cells = answer("faces", picture[above : bottom + REACH])
        parts.append(cells[:, (top - above) // STRIDE : (bottom - above) // STRIDE])
    return np.concatenate(parts, axis=1)


def _bordered(picture: RgbArray, border: int) -> RgbArray:
    """The picture with its edge repeated, at least so often that its sides are multiples of the stride."""
    below, right = (-(side + 2 * border) % STRIDE for side in picture.shape[:2])
    bordered = cv2.copyMakeBorder(picture, border, border + below, border, border + right, cv2.BORDER_REPLICATE)
    return bordered.astype(np.uint8, copy=False)


def read_cells(cells: Answer, least: float) -> Squares:
    """The square of every cell with more than the least logit.

    Near the ends of the network's octave the side is not to be trusted: a face beyond it is drawn as if it were within.
    """
    rows, columns = np.nonzero(cells[0] > least)
    logit, across, down, side = cells[:, rows, columns].astype(np.float64)
    middle = (STRIDE - 1) / 2
    return np.stack(
        [
            columns * STRIDE + middle + across * SHIFT_UNIT,
            rows * STRIDE + middle + down * SHIFT_UNIT,
            SIDE_UNIT * np.exp(side.clip(-2, 2)),
            logit,
            np.exp(-np.square(side / TRUSTED)),
        ],
        axis=1,
    )


def _face(square: Square, sure: float) -> Face:
    x, y, size = square
    side = size / SCALE
    confidence = min(0.999, 1 / (1 + math.exp(LEAST_SURE - sure)))
    return Face(round(x - side / 2), round(y - (0.5 + SHIFT_DOWN) * side), round(side), round(side), confidence)
