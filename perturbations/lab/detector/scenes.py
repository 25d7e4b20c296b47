"""Scenes to learn from: small pictures with known faces, as varied as photos are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from perturbations.images import RgbArray
from perturbations.lab.detector import disturb, worn
from perturbations.lab.detector.network import LARGEST, SMALLEST
from perturbations.lab.detector.sources import FACE_CENTRE, FACE_SIDE, Sources

SIDE: Final = 96
"""Of a scene, in pixels."""
PEOPLE_SHARE: Final = 0.45
"""Scenes cut out of a photo of one face."""
PASTED_SHARE: Final = 0.35
"""Scenes with pasted chips; the rest shows no face of the right size."""
ENDED_SHARE: Final = 0.25
"""Scenes that end across a face, of those with faces."""
BEYOND: Final = (0.05, 0.35)
"""How much of that face's square lies beyond, at least and at most."""
T = TypeVar("T")
Affine = npt.NDArray[np.float64]
"""``[2, 3]``, from the unit square of a face to pixels of the scene."""


@dataclass(slots=True)
class Scene:
    """A picture, and for each face its centre and side in pixels: ``(x, y, side)``."""

    pixels: RgbArray
    faces: list[tuple[float, float, float]] = field(default_factory=list)


class Composer:
    """Composes scenes from ``sources``; a ``generator`` decides all of it.

    times: scenes and their faces are so many times as large as the detector knows them.
    """

    def __init__(self, sources: Sources, *, times: int = 1) -> None:
        self.sources, self.times, self.side = sources, times, times * SIDE

    def scene(self, generator: np.random.Generator) -> Scene:
        """One scene."""
        kind = generator.random()
        if kind < PEOPLE_SHARE:
            scene = self._person(generator)
        elif kind < PEOPLE_SHARE + PASTED_SHARE:
            scene = self._pasted(generator)
        else:
            scene = Scene(self._nobody(generator))
        if scene.faces and generator.random() < ENDED_SHARE:
            end_across_a_face(scene, generator)
        scene.pixels = disturb.disturb(scene.pixels, generator)
        return scene

    def _person(self, generator: np.random.Generator) -> Scene:
        """A photo of one face at any scale, turned, over another picture where it ends."""
        side = self._size(generator)
        scale = side / FACE_SIDE
        photo, reduced = _level(_any(self.sources.people, generator), scale)
        x, y = self._place(generator)
        to_scene = _square(x, y, side, _angle(generator), flip=generator.random() < 0.5)
        unit = np.array(
            [
                [1 / FACE_SIDE, 0, 0.5 - FACE_CENTRE[0] / FACE_SIDE],
                [0, 1 / FACE_SIDE, 0.5 - FACE_CENTRE[1] / FACE_SIDE],
            ]
        )
        from_photo = _after(_after(to_scene, unit), np.array([[1 / reduced, 0, 0], [0, 1 / reduced, 0]]))
        canvas = self._background(generator)
        border = cv2.BORDER_TRANSPARENT if generator.random() < 0.6 else cv2.BORDER_REPLICATE
        cv2.warpAffine(photo, from_photo, (self.side, self.side), dst=canvas, flags=cv2.INTER_LINEAR, borderMode=border)
        worn.wear(canvas, to_scene, generator)
        scene = Scene(canvas, [(x, y, side)])
        self._add_chips(scene, int(generator.integers(0, 4)), generator)
        return scene

    def _pasted(self, generator: np.random.Generator) -> Scene:
        """Chips on a background, among pieces of other pictures pasted in the same way."""
        scene = Scene(self._background(generator))
        if generator.random() < 0.1:
            self._alone(scene, generator)
            return scene
        for _ in range(int(generator.integers(0, 3))):
            x, y = self._place(generator)
            piece = self._background(generator)
            _paste(scene.pixels, piece, _square(x, y, self._size(generator), _angle(generator)), generator)
        self._add_chips(scene, int(generator.integers(2, 8)), generator)
        return scene

    def _alone(self, scene: Scene, generator: np.random.Generator) -> None:
        """One chip whose edge is repeated to the end of the scene, as around a tight crop."""
        x, y = self._place(generator)
        side = self._size(generator)
        chip = _any(self.sources.chips, generator)
        to_scene = _square(x, y, side, _angle(generator), flip=generator.random() < 0.5)
        matrix = _after(to_scene, np.array([[1 / chip.shape[0], 0, 0], [0, 1 / chip.shape[0], 0]]))
        cv2.warpAffine(chip, matrix, (self.side, self.side), dst=scene.pixels, borderMode=cv2.BORDER_REPLICATE)
        worn.wear(scene.pixels, to_scene, generator)
        scene.faces.append((x, y, side))

    def _add_chips(self, scene: Scene, count: int, generator: np.random.Generator) -> None:
        """At most ``count`` chips, each apart from all faces that are there."""
        for _ in range(count):
            side = self._size(generator)
            x, y = self._place(generator)
            if any(math.hypot(x - a, y - b) < 0.6 * (side + other) for a, b, other in scene.faces):
                continue
            chip = _any(self.sources.chips, generator)
            to_scene = _square(x, y, side, _angle(generator), flip=generator.random() < 0.5)
            _paste(scene.pixels, chip, to_scene, generator)
            worn.wear(scene.pixels, to_scene, generator)
            scene.faces.append((x, y, side))

    def _nobody(self, generator: np.random.Generator) -> RgbArray:
        """Backgrounds, and parts of faces far too large."""
        kind = generator.random()
        if kind < 0.5:
            return self._background(generator)
        if kind < 0.75:
            return self._window(_any(self.sources.close, generator), generator)
        scale = self.times * generator.uniform(0.55, 1.3)
        photo, reduced = _level(_any(self.sources.people, generator), scale)
        matrix = np.array([[scale / reduced, 0, 0], [0, scale / reduced, 0]])
        matrix[:, 2] = -generator.uniform(0, max(0.0, 250 * scale - self.side), 2)
        return cv2.warpAffine(photo, matrix, (self.side, self.side), borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)

    def _background(self, generator: np.random.Generator) -> RgbArray:
        """No face: a window of an empty photo, the rim of a photo of a face, or something drawn."""
        kind = generator.random()
        if kind < 0.6:
            return self._window(_any(_any(self.sources.empty, generator), generator), generator)
        if kind < 0.9:
            return self._rim(generator)
        return disturb.drawn(self.side, generator)

    def _rim(self, generator: np.random.Generator) -> RgbArray:
        """A strip beside the face, enlarged or repeated to fill the scene: clothes, hair, rooms, lettering."""
        photo = _any(self.sources.people, generator)[0]
        strip = _any((photo[:50], photo[200:], photo[:, :50], photo[:, 200:]), generator)
        if strip.shape[0] < strip.shape[1]:
            strip = strip.transpose(1, 0, 2)
        at = int(generator.integers(strip.shape[0] - 50 + 1))
        piece = np.ascontiguousarray(np.rot90(strip[at : at + 50], int(generator.integers(4))))
        if generator.random() < 0.5:
            return cv2.resize(piece, (self.side, self.side), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
        return cv2.copyMakeBorder(piece, 0, self.side - 50, 0, self.side - 50, cv2.BORDER_REFLECT_101)[
            : self.side, : self.side
        ].astype(np.uint8)

    def _size(self, generator: np.random.Generator) -> float:
        """Mostly within the octave to find, some a little outside it."""
        least, most = (SMALLEST, LARGEST) if generator.random() < 0.9 else (8.0, 64.0)
        return self.times * float(math.exp(generator.uniform(math.log(least), math.log(most))))

    def _place(self, generator: np.random.Generator) -> tuple[float, float]:
        x, y = generator.uniform(0, self.side, 2)
        return float(x), float(y)

    def _window(self, picture: RgbArray, generator: np.random.Generator) -> RgbArray:
        """Any part of a picture, in any of eight positions."""
        height, width = picture.shape[:2]
        taken = min(height, width, int(generator.integers(self.side // 2, 2 * self.side)))
        top, left = generator.integers(height - taken + 1), generator.integers(width - taken + 1)
        part = picture[top : top + taken, left : left + taken]
        if generator.random() < 0.5:
            part = part[:, ::-1]
        part = np.ascontiguousarray(np.rot90(part, int(generator.integers(4))))
        return cv2.resize(
            part, (self.side, self.side), interpolation=cv2.INTER_AREA if taken > self.side else cv2.INTER_LINEAR
        )  # type: ignore[return-value]


def end_across_a_face(scene: Scene, generator: np.random.Generator) -> None:
    """The photo ends across a face. Beyond, its edge is repeated, as around the copies in which a face is large."""
    x, y, side = _any(scene.faces, generator)
    turns = int(generator.integers(4))
    size = scene.pixels.shape[0]
    far = (x, y, size - 1 - x, size - 1 - y)[turns] + side * (0.5 - generator.uniform(*BEYOND))
    last = round(far)
    if not 0 < last < size - 1:
        return
    along = np.moveaxis(scene.pixels, 1 - turns % 2, 0)  # a view: columns first if the photo ends to the right or left
    along = along if turns < 2 else along[::-1]
    along[last + 1 :] = along[last]
    scene.faces = [(a, b, s) for a, b, s in scene.faces if (a, b, size - 1 - a, size - 1 - b)[turns] <= far]


def _any(things: Sequence[T], generator: np.random.Generator) -> T:
    return things[int(generator.integers(len(things)))]


def _angle(generator: np.random.Generator) -> float:
    """In degrees: half of all heads nearly upright, a quarter tilted, a quarter at any angle."""
    kind = generator.random()
    if kind < 0.5:
        return float(generator.normal(0, 12))
    return float(generator.uniform(-60, 60) if kind < 0.75 else generator.uniform(-180, 180))


def _square(x: float, y: float, side: float, degrees: float, *, flip: bool = False) -> Affine:
    """From the unit square to one of ``side`` around ``(x, y)``, turned."""
    cosine, sine = side * math.cos(math.radians(degrees)), side * math.sin(math.radians(degrees))
    turn = np.array([[-cosine if flip else cosine, -sine], [-sine if flip else sine, cosine]])
    return np.column_stack([turn, np.array([x, y]) - turn @ np.array([0.5, 0.5])])


def _after(second: Affine, first: Affine) -> Affine:
    return np.column_stack([second[:, :2] @ first[:, :2], second[:, :2] @ first[:, 2] + second[:, 2]])


def _level(levels: Sequence[RgbArray], scale: float) -> tuple[RgbArray, float]:
    """The smallest copy that is not enlarged at ``scale``, and its own scale."""
    number = min(len(levels) - 1, max(0, math.floor(-math.log2(scale))))
    return levels[number], 0.5**number


def _paste(canvas: RgbArray, piece: RgbArray, to_scene: Affine, generator: np.random.Generator) -> None:
    """``piece`` into its square of ``canvas``: the whole square, or an oval with a soft edge."""
    corners = (to_scene @ _CORNERS).T
    left, top = np.floor(corners.min(0) - 6).astype(int).clip(0)
    right, bottom = np.ceil(corners.max(0) + 6).astype(int).clip(None, canvas.shape[0])
    if right <= left or bottom <= top:
        return
    part = canvas[top:bottom, left:right]
    here = to_scene - np.array([[0, 0, left], [0, 0, top]])
    matrix = _after(here, np.array([[1 / piece.shape[0], 0, 0], [0, 1 / piece.shape[0], 0]]))
    size = (int(right - left), int(bottom - top))
    warped = cv2.warpAffine(piece, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = np.zeros((size[1], size[0]), np.float32)
    if generator.random() < 0.35:
        outline = here @ _CORNERS
    else:
        across, down = generator.uniform(0.38, 0.54), generator.uniform(0.46, 0.6)
        outline = here @ (np.array([[across], [down], [0]]) * _RING + np.array([[0.5], [0.5], [1.0]]))
    cv2.fillPoly(mask, [np.round(outline.T).astype(np.int32)], 1.0)
    if (soft := generator.uniform(0, 2.5)) > 0.4:
        mask = cv2.GaussianBlur(mask, (0, 0), soft).astype(np.float32)
    part[:] = (part + (warped.astype(np.float32) - part) * mask[..., None]).round().astype(np.uint8)


_CORNERS: Final = np.array([[0, 1, 1, 0], [0, 0, 1, 1], [1, 1, 1, 1]], dtype=np.float64)
_RING: Final = np.stack([f(np.linspace(0, 2 * np.pi, 24, endpoint=False)) for f in (np.cos, np.sin, np.zeros_like)])
